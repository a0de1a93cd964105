"""Counters in memory: who shares what, what is forgotten, and what a flood of callers can't do."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.memory import Counters, Limit

DAY = 86400.0


class SharingTests(SynchronousTestCase):
    def test_callers_are_apart(self) -> None:
        """One caller's requests are not another's."""
        limit = Counters().sliding("a", 1, 60.0)
        self.assertEqual([limit.hit(key, 1.0).allowed for key in ("x", "y", "x", "y")], [True, True, False, False])

    def test_one_identity_is_one_counter(self) -> None:
        """The same text on two routes shares one counter; another text has its own."""
        counters = Counters()
        first, second = counters.sliding("rate-1ip", 1, 60.0), counters.sliding("rate-1ip", 1, 60.0)
        other = counters.sliding("other", 1, 60.0)
        self.assertEqual([limit.hit("x", 1.0).allowed for limit in (first, second, other)], [True, False, True])

    def test_a_changed_limit_keeps_the_count(self) -> None:
        """A reload with another limit hands out no new quota, for each kind of limit."""
        counters = Counters()
        for make in (
            lambda limit: counters.sliding("a", limit, 60.0),
            lambda limit: counters.bucket("a", limit, 60.0, limit),
            lambda limit: counters.calendar("a", limit, "day"),
        ):
            for _ in range(5):
                self.assertTrue(make(5).hit("x", 1.0).allowed)
            self.assertFalse(make(5).hit("x", 1.0).allowed)
            self.assertTrue(make(6).hit("x", 1.0).allowed)
            self.assertFalse(make(6).hit("x", 1.0).allowed)

    def test_a_changed_window_starts_anew(self) -> None:
        """Another `per` is another counter, for each kind of limit."""
        counters = Counters()
        self.assertTrue(counters.sliding("a", 1, 60.0).hit("x", 1.0).allowed)
        self.assertTrue(counters.sliding("a", 1, 61.0).hit("x", 1.0).allowed)
        self.assertTrue(counters.bucket("a", 1, 60.0, 1).hit("x", 1.0).allowed)
        self.assertTrue(counters.bucket("a", 1, 61.0, 1).hit("x", 1.0).allowed)
        self.assertTrue(counters.calendar("a", 1, "day").hit("x", 1.0).allowed)
        self.assertTrue(counters.calendar("a", 1, "month").hit("x", 1.0).allowed)

    def test_peek_counts_nothing_and_keeps_nothing(self) -> None:
        """Explaining a request leaves no trace."""
        counters = Counters()
        for limit in (counters.sliding("a", 1, 60.0), counters.calendar("a", 1, "day")):
            for _ in range(3):
                self.assertTrue(limit.peek("x", 1.0).allowed)
        self.assertEqual(counters.size, 0)

    def test_a_slower_bucket_keeps_its_states_longer(self) -> None:
        """A reload that slows a bucket down does not let the states of the fast one be forgotten too early."""
        counters = Counters()
        fast = counters.bucket("a", 60, 60.0, 10)
        for _ in range(10):
            fast.hit("x", 100.0)
        slow = counters.bucket("a", 1, 60.0, 10)
        for now in range(101, 150):
            slow.hit(f"other{now}", float(now))
        self.assertFalse(slow.hit("x", 150.0).allowed)


class RenameTests(SynchronousTestCase):
    def test_rename(self) -> None:
        """What was counted under one identity counts under another, of every kind; the old one begins anew."""
        counters = Counters()

        def made(name: str) -> list[Limit]:
            return [counters.sliding(name, 1, 60.0), counters.bucket(name, 1, 60.0, 1), counters.calendar(name, 1, "day")]

        for limit in made("old"):
            limit.hit("me", 0.0)
        counters.rename("old", "new")
        self.assertEqual([limit.peek("me", 0.0).allowed for limit in made("new")], [False] * 3)
        self.assertEqual([limit.peek("me", 0.0).allowed for limit in made("old")], [True] * 3)


class ForgettingTests(SynchronousTestCase):
    def test_dead_callers_are_forgotten(self) -> None:
        """A stream of callers that come once leaves no more than two lifetimes of them, freed little by little."""
        counters = Counters()
        limit = counters.sliding("a", 5, 10.0)
        most = 0
        for index in range(20_000):
            limit.hit(index, index / 100)
            most = max(most, counters.size)
        self.assertLess(most, 3 * 1100)

    def test_an_unused_set_up_gives_its_room_back(self) -> None:
        """Callers of a limit that no route uses any more are freed while others are counted."""
        counters = Counters()
        gone = counters.sliding("gone", 5, 10.0)
        for index in range(1000):
            gone.hit(index, 0.0)
        limit = counters.sliding("a", 5, 10.0)
        for index in range(1000):
            limit.hit(index, 100.0 + index / 1000)
        self.assertLessEqual(counters.size, 1000)

    def test_a_busy_caller_is_not_forgotten(self) -> None:
        """A caller that is known to be over its limit stays known over any number of generations."""
        limit = Counters().sliding("a", 3, 10.0)
        admitted = [index for index in range(1000) if limit.hit("x", index / 10).allowed]
        for begin in range(900):
            self.assertLessEqual(sum(begin <= at < begin + 100 for at in admitted), 3)

    def test_a_caller_is_small(self) -> None:
        """A caller that came twice has a state of less than 150 bytes beside its key, in nothing that is collected."""
        counters = Counters()
        limit = counters.sliding("a", 60, 60.0)
        limit.hit("x", 1.0)
        limit.hit("x", 2.0)
        (state,) = counters._rolling[("a", "sliding 60.0")].young.values()
        self.assertLess(sys.getsizeof(state), 150)


class FloodTests(SynchronousTestCase):
    def test_a_flood_of_callers_is_bounded(self) -> None:
        """Ten times more callers than there is room for hold no more than the room and the overflow cells."""
        counters = Counters(max_keys=2000)
        limit = counters.sliding("a", 5, 60.0)
        for index in range(20_000):
            limit.hit(f"caller {index}", 1.0)
        self.assertLessEqual(counters.size, 2000 + 4096)

    def test_a_flood_lets_nobody_in(self) -> None:
        """However many strangers fill the room, each passes at most as often as its limit says."""
        counters = Counters(max_keys=100)
        limit = counters.sliding("a", 2, 60.0)
        passed: dict[str, int] = {}
        for _round in range(5):
            for index in range(5000):
                key = f"caller {index}"
                passed[key] = passed.get(key, 0) + limit.hit(key, 1.0).allowed
        self.assertEqual(max(passed.values()), 2)

    def test_a_flood_on_one_set_up_leaves_room_for_others(self) -> None:
        """A limit that is flooded does not make the callers of another share counters."""
        counters = Counters(max_keys=2000)
        flooded = counters.sliding("flooded", 5, 60.0)
        for index in range(10_000):
            flooded.hit(index, 1.0)
        quiet = counters.sliding("quiet", 1, 60.0)
        self.assertTrue(all(quiet.hit(f"citizen {index}", 1.0).allowed for index in range(500)))

    def test_known_callers_do_not_notice(self) -> None:
        """Who was counted before the flood goes on with an own counter."""
        counters = Counters(max_keys=1000)
        limit = counters.sliding("a", 10, 60.0)
        limit.hit("citizen", 1.0)
        for index in range(20_000):
            limit.hit(index, 2.0)
        self.assertEqual(limit.hit("citizen", 3.0).remaining, 8)

    def test_sharing_ends_with_the_flood(self) -> None:
        """When there is room again a stranger gets a counter of its own, that starts from what was used together."""
        counters = Counters(max_keys=100)
        limit = counters.sliding("a", 10, 10.0)
        for index in range(1000):
            limit.hit(index, 1.0)
        shared = limit.hit("late", 2.0)
        self.assertTrue(shared.allowed)
        for index in range(400):
            limit.hit(f"calm {index}", 30.0 + index)
        decisions = [limit.hit(f"new {index}", 430.0).remaining for index in range(10)]
        self.assertEqual(decisions, [9] * 10)
        self.assertEqual(counters._room.overflowing, 0)

    def test_sharing_ends_though_all_keep_coming(self) -> None:
        """Strangers that come on and on at a rate for which there is room do not share for ever."""
        counters = Counters(max_keys=2000)
        limit = counters.sliding("a", 10, 10.0)
        for index in range(20_000):
            limit.hit(index, 1.0)
        for index in range(20_000):
            limit.hit(f"calm {index}", 1.0 + index / 40)
        self.assertEqual([limit.hit(f"new {index}", 501.0).remaining for index in range(10)], [9] * 10)

    def test_no_gap_between_shared_and_own(self) -> None:
        """A caller that moves from a shared cell to an own counter is never over its limit."""
        counters = Counters(max_keys=40)
        limit, filler = counters.sliding("a", 3, 10.0), counters.sliding("b", 3, 2.0)
        for index in range(20):
            filler.hit(index, 0.0)
        for index in range(20):
            limit.hit(index, 0.0)
        admitted = [step / 10 for step in range(400) if limit.hit("mover", step / 10).allowed]
        for begin in admitted:
            self.assertLessEqual(sum(begin <= at < begin + 10.0 for at in admitted), 3)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 3.0)), max_size=200))
    def test_against_a_log(self, requests: list[tuple[int, float]]) -> None:
        """With room for four callers, whatever thirty of them do, none is over its limit in any window."""
        limit = Counters(max_keys=8).sliding("a", 2, 10.0)
        now, admitted = 0.0, {}
        for key, step in requests:
            now += step
            if limit.hit(key, now).allowed:
                times = admitted.setdefault(key, [])
                times.append(now)
                self.assertLessEqual(sum(now - at < 10.0 for at in times), 2)


class CalendarClockTests(SynchronousTestCase):
    def test_a_new_day_is_a_new_quota(self) -> None:
        """At midnight the count begins anew."""
        limit = Counters().calendar("a", 1, "day")
        self.assertEqual([limit.hit("x", at).allowed for at in (5.0, DAY - 1, DAY)], [True, False, True])

    def test_a_clock_set_back_over_midnight(self) -> None:
        """Setting the clock back and letting midnight pass again hands out nothing."""
        limit = Counters().calendar("a", 1, "day")
        times = (DAY - 1, DAY + 1, DAY - 1, DAY + 2, 2 * DAY)
        self.assertEqual([limit.hit("x", at).allowed for at in times], [True, True, False, False, True])

    def test_a_host_that_booted_in_the_future(self) -> None:
        """After a clock is set back by years, counts go along, and end with the present day."""
        limit = Counters().calendar("a", 1, "day")
        self.assertTrue(limit.hit("x", 4000 * DAY).allowed)
        self.assertFalse(limit.hit("x", 10 * DAY).allowed)
        self.assertTrue(limit.hit("x", 11 * DAY).allowed)

    def test_a_kept_day_turns_no_other_window(self) -> None:
        """While a table keeps the later window, tables of other periods go by the clock as it is."""
        counters = Counters()
        day, minute = counters.calendar("a", 5, "day"), counters.calendar("b", 1, "minute")
        day.hit("x", DAY)
        minute.hit("y", DAY - 30)
        for index in range(20):
            day.hit(f"stranger {index}", DAY - 20)
        self.assertFalse(minute.hit("y", DAY - 10).allowed)
