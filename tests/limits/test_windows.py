"""The promises of sliding windows and token buckets, against a plain log of times."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.windows import Decision, SlidingWindow, TokenBucket

steps_s = st.one_of(
    st.just(0.0),
    st.floats(0.0, 0.05),
    st.floats(0.0, 2.0),
    st.sampled_from([0.1, 0.2, 0.5, 1.0, 9.8, 9.9, 10.0, 10.2, 10.3, 60.0]),
)


class SlidingWindowTests(SynchronousTestCase):
    def hits(self, rule: SlidingWindow, times: list[float]) -> list[Decision]:
        state = rule.fresh()
        return [rule.hit(state, now) for now in times]

    def test_the_61st_is_refused(self) -> None:
        """Sixty in a minute pass, the next one does not, and it is told when to come again."""
        decisions = self.hits(SlidingWindow(60, 60.0), [1000.0 + index * 0.5 for index in range(61)])
        self.assertEqual([d.allowed for d in decisions], [True] * 60 + [False])
        self.assertEqual([d.remaining for d in decisions[:60]], list(range(59, -1, -1)))
        self.assertTrue(30.0 <= decisions[60].retry_after_s <= 31.2, decisions[60])

    def test_retry_after_is_kept(self) -> None:
        """Who comes back when told to is let in; who comes a little before is not."""
        rule = SlidingWindow(3, 10.0)
        state = rule.fresh()
        for now in (100.0, 100.1, 103.0):
            self.assertTrue(rule.hit(state, now).allowed)
        refusal = rule.hit(state, 104.0)
        self.assertFalse(rule.hit(state, 104.0 + refusal.retry_after_s - 0.01).allowed)
        self.assertTrue(rule.hit(state, 104.0 + refusal.retry_after_s + 1e-6).allowed)

    def test_no_burst_at_an_edge(self) -> None:
        """The end of one minute and the begin of the next are one window like any other."""
        times = [59.9] * 60 + [60.1] * 60
        self.assertEqual(sum(d.allowed for d in self.hits(SlidingWindow(60, 60.0), times)), 60)

    def test_refusals_are_not_counted(self) -> None:
        """Who keeps on knocking is let in as soon as who does not."""
        rule = SlidingWindow(1, 10.0)
        state = rule.fresh()
        rule.hit(state, 0.0)
        for tenth in range(1, 100):
            self.assertFalse(rule.hit(state, tenth / 10).allowed)
        self.assertTrue(rule.hit(state, 10.2).allowed)

    def test_a_changed_limit_keeps_the_count(self) -> None:
        """A state is read by a rule with another limit: what was used stays used."""
        state = SlidingWindow(10, 60.0).fresh()
        for _ in range(8):
            SlidingWindow(10, 60.0).hit(state, 5.0)
        self.assertEqual(SlidingWindow(20, 60.0).hit(state, 5.0).remaining, 11)
        lower = SlidingWindow(5, 60.0).hit(state, 5.0)
        self.assertFalse(lower.allowed)
        self.assertGreater(lower.retry_after_s, 55.0)

    def test_state_does_not_grow_with_the_limit(self) -> None:
        """A caller with a million requests in a window has 52 slots."""
        rule = SlidingWindow(10**9, 1.0)
        state = rule.fresh()
        for index in range(20_000):
            rule.hit(state, index / 5000)
        self.assertLessEqual(len(state), 1 + 2 * 52)

    def test_peek_counts_nothing(self) -> None:
        """Asking what would happen changes nothing."""
        rule = SlidingWindow(2, 10.0)
        state = rule.fresh()
        rule.hit(state, 1.0)
        self.assertEqual([rule.peek(state, 1.0).remaining for _ in range(5)], [0] * 5)
        self.assertTrue(rule.hit(state, 1.0).allowed)

    def test_a_clock_that_steps_back_hands_out_nothing(self) -> None:
        """Time that runs backwards does not forget hits."""
        rule = SlidingWindow(2, 10.0)
        state = rule.fresh()
        decisions = [rule.hit(state, now).allowed for now in (100.0, 95.0, 90.0, 100.0)]
        self.assertEqual(decisions, [True, True, False, False])

    @settings(max_examples=150, deadline=None)
    @given(
        limit=st.integers(1, 6),
        per_s=st.sampled_from([0.1, 1.0, 7.3, 10.0, 60.0]),
        begin=st.floats(0.0, 1e7),
        steps=st.lists(steps_s, max_size=80),
    )
    def test_against_a_log(self, limit: int, per_s: float, begin: float, steps: list[float]) -> None:
        """Never more than the limit in any window; never a refusal when a window longer by 2 % has room."""
        rule = SlidingWindow(limit, per_s)
        state = rule.fresh()
        admitted: list[float] = []
        now = begin
        for step in steps:
            now += step * per_s / 10
            decision = rule.hit(state, now)
            self.assertGreaterEqual(decision.reset_s, 0.0)
            if decision.allowed:
                admitted.append(now)
                self.assertLessEqual(sum(now - at < per_s for at in admitted), limit)
            else:
                self.assertGreaterEqual(sum(now - at <= per_s * 1.02 for at in admitted), limit)


class TokenBucketTests(SynchronousTestCase):
    def test_a_burst_and_then_the_average(self) -> None:
        """The burst passes at once, then one each per / limit."""
        rule = TokenBucket(60, 60.0, 10)
        state = rule.fresh()
        first = [rule.hit(state, 500.0) for _ in range(11)]
        self.assertEqual([d.allowed for d in first], [True] * 10 + [False])
        self.assertEqual([d.remaining for d in first[:10]], list(range(9, -1, -1)))
        self.assertAlmostEqual(first[10].retry_after_s, 1.0, places=6)
        later = [rule.hit(state, 500.0 + second).allowed for second in (0.5, 1.0, 1.5, 2.0)]
        self.assertEqual(later, [False, True, False, True])

    def test_a_changed_limit_keeps_what_was_used(self) -> None:
        """A slower rate does not turn a full bucket into an empty one."""
        state = TokenBucket(100, 60.0, 10).fresh()
        for _ in range(10):
            TokenBucket(100, 60.0, 10).hit(state, 50.0)
        self.assertFalse(TokenBucket(10, 60.0, 10).hit(state, 50.1).allowed)

    def test_a_clock_that_steps_back_hands_out_nothing(self) -> None:
        """Time that runs backwards does not empty the bucket."""
        rule = TokenBucket(1, 10.0, 1)
        state = rule.fresh()
        self.assertEqual([rule.hit(state, now).allowed for now in (100.0, 50.0, 100.0)], [True, False, False])

    @settings(max_examples=150, deadline=None)
    @given(
        limit=st.integers(1, 6),
        burst=st.integers(1, 6),
        per_s=st.sampled_from([0.1, 1.0, 10.0]),
        begin=st.floats(0.0, 1e7),
        steps=st.lists(steps_s, max_size=80),
    )
    def test_never_more_than_burst_and_average(
        self, limit: int, burst: int, per_s: float, begin: float, steps: list[float]
    ) -> None:
        """In any span of t seconds at most burst + t * limit / per pass, and a refusal names a time that is kept."""
        rule = TokenBucket(limit, per_s, burst)
        state = rule.fresh()
        admitted: list[float] = []
        now = begin
        for step in steps:
            now += step * per_s / 10
            decision = rule.hit(state, now)
            if decision.allowed:
                admitted.append(now)
                for index, at in enumerate(admitted):
                    allowance = burst + (now - at) * limit / per_s
                    self.assertLessEqual(len(admitted) - index, allowance + 1e-3)
            else:
                self.assertTrue(rule.peek(state, now + decision.retry_after_s * (1 + 1e-6) + 1e-7).allowed)
