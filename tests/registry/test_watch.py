"""One service's watch: nothing but a good answer changes anything."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.guards import Guard
from hmsgw.registry.source import BadAnswer
from hmsgw.registry.watch import Watch
from tests.registry.asking import A, B, C, FakeSource


class WatchTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.source = FakeSource()
        self.changes: list[tuple[Endpoint, ...]] = []
        self.answers = 0
        self.logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)
        self.watch = self.make()

    def make(self, guard: Guard | None = None) -> Watch:
        def answered(_: str) -> None:
            self.answers += 1

        return Watch(
            "clinics", self.clock, self.source, DeferredSemaphore(1), guard or Guard(), lambda low, high: high,
            lambda _, endpoints: self.changes.append(endpoints), answered,
        )  # fmt: skip

    def start(self, *remembered: Endpoint) -> None:
        self.watch.start(remembered)
        self.addCleanup(self.check_end)

    def check_end(self) -> None:
        """Stopping leaves no timer and no question behind."""
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def answer(self, *endpoints: Endpoint, **more: Any) -> None:
        if not self.source.waiting:
            self.clock.advance(1)
        self.source.answer("clinics", *endpoints, **more)

    def state(self) -> str:
        return self.watch.status(self.clock.seconds()).state

    def warnings(self) -> int:
        return sum(event["log_level"].name == "warn" for event in self.logged)


class AnswerTests(WatchTestCase):
    def test_follows(self) -> None:
        """The first answer and each change are told; an answer that changes nothing is not."""
        self.start()
        self.answer(A, B)
        self.answer(A, B, cursor=8)
        self.answer(A)
        self.assertEqual(self.changes, [(A, B), (A,)])
        self.assertEqual([cursor for _, cursor in self.source.asked], [0, 7, 8, 7])
        self.assertEqual(self.state(), "ok")

    def test_no_endpoints_yet(self) -> None:
        """A service that never had endpoints has none: told once."""
        self.start()
        self.answer()
        self.answer()
        self.assertEqual((self.changes, self.state()), ([()], "ok"))

    def test_never_emptied(self) -> None:
        """An empty answer leaves the endpoints, is told once in the log, and is over when there are endpoints again."""
        self.start()
        self.answer(A, B)
        for _ in range(5):
            self.answer()
        self.assertEqual((self.changes, self.watch.endpoints, self.state()), ([(A, B)], (A, B), "held"))
        self.assertEqual(self.warnings(), 1)
        self.answer(C)
        self.assertEqual((self.changes[-1], self.state(), self.watch.fault), ((C,), "ok", None))

    def test_partial(self) -> None:
        """A list that the token may not see all of takes nothing away; it may add."""
        self.start()
        self.answer(A, B)
        self.answer(A, partial=True)
        self.assertEqual((self.watch.endpoints, self.state()), ((A, B), "held"))
        self.answer(A, B, C, partial=True)
        self.assertEqual((self.watch.endpoints, self.state()), ((A, B, C), "ok"))

    def test_refused_addresses(self) -> None:
        """Endpoints that must not be used are left out, told once each, and counted; only such: held."""
        evil = Endpoint("http", "169.254.169.254", 80)
        self.start()
        for _ in range(3):
            self.answer(A, evil)
        status = self.watch.status(0)
        self.assertEqual((self.changes, status.refused, self.warnings()), ([(A,)], 1, 1))
        self.answer(evil)
        self.assertEqual((self.watch.endpoints, self.state()), ((A,), "held"))

    def test_remembered(self) -> None:
        """What is remembered serves until the registry answers, except what must not be used; an empty first answer
        does not take it away."""
        self.start(A, Endpoint("http", "169.254.169.254", 80))
        self.assertEqual((self.changes, self.watch.age_s(0)), ([(A,)], None))
        self.answer()
        self.assertEqual((self.watch.endpoints, self.state()), ((A,), "held"))
        self.answer(B)
        self.assertEqual(self.changes, [(A,), (B,)])

    def test_age(self) -> None:
        """Seconds since the last good answer, a held one included; failures do not count."""
        self.start()
        self.assertIsNone(self.watch.age_s(100))
        self.answer(A)
        self.clock.advance(2)
        self.assertEqual(self.watch.age_s(self.clock.seconds()), 2)
        self.source.fail("clinics", BadAnswer("no"))
        self.assertEqual(self.watch.age_s(self.clock.seconds()), 2)
        self.clock.advance(1)
        self.answer()
        self.assertEqual(self.watch.age_s(self.clock.seconds()), 0)


class FailureTests(WatchTestCase):
    def test_every_kind(self) -> None:
        """Refused, no such name, garbage, a fault in the source: the endpoints stay, the log says why once, the next
        answer is taken."""
        for error, words in (
            (ConnectionRefusedError(), "can't be reached"), (DNSLookupError("x"), "can't be resolved"),
            (BadAnswer("it answers 500"), "it answers 500"), (RuntimeError("token=abc"), "RuntimeError"),
        ):  # fmt: skip
            self.setUp()
            self.start()
            self.answer(A)
            for _ in range(4):
                self.source.fail("clinics", error)
                self.clock.advance(1)
            self.assertEqual((self.changes, self.state(), self.warnings()), ([(A,)], "failing", 1), error)
            self.assertIn(words, self.watch.fault or "")
            self.assertNotIn("abc", self.watch.fault or "")
            self.answer(B)
            self.assertEqual((self.changes[-1], self.state()), ((B,), "ok"))

    def test_source_raises(self) -> None:
        """A source that raises instead of failing is a failure like others."""
        self.source.broken = ValueError("bad URL")
        self.start()
        self.assertEqual(self.state(), "failing")
        self.source.broken = None
        self.clock.advance(1)
        self.answer(A)
        self.assertEqual(self.changes, [(A,)])

    def test_hang(self) -> None:
        """A question that is never answered is given up at its deadline, and asked again."""
        self.start()
        self.clock.advance(5.9)
        self.assertEqual(self.source.cancelled, [])
        self.clock.advance(0.1)
        self.assertEqual((self.source.cancelled, self.state()), (["clinics"], "failing"))
        self.assertIn("no answer in 6 s", self.watch.fault or "")
        self.clock.advance(1)
        self.answer(A)
        self.assertEqual(self.changes, [(A,)])

    def test_back_off(self) -> None:
        """0.1 s, doubling, 1 s at most; a good answer begins anew."""
        self.source.deadline_s = None
        self.start()
        waits = []
        for _ in range(8):
            self.clock.advance(20)  # the pace is of no concern here
            begun = self.clock.seconds()
            self.source.fail("clinics", BadAnswer("no"))
            self.assertEqual(self.source.waiting, {})
            (call,) = self.clock.getDelayedCalls()
            waits.append(round(call.getTime() - begun, 3))
            self.clock.advance(call.getTime() - begun)
        self.assertEqual(waits[:5], [0.1, 0.2, 0.4, 0.8, 1.0])
        self.assertEqual(set(waits[5:]), {1.0})

    def test_back_off_begins_anew(self) -> None:
        """After a good answer the first failure waits 0.1 s again."""
        self.start()
        for _ in range(5):
            self.source.fail("clinics", BadAnswer("no"))
            self.clock.advance(2)
        self.answer(A)
        self.source.fail("clinics", BadAnswer("no"))
        asked = len(self.source.asked)
        self.clock.advance(0.1)
        self.assertEqual(len(self.source.asked), asked + 1)

    def test_first_answer_or_failure(self) -> None:
        """Both count as the first: a start does not wait for a registry that is down."""
        self.start()
        self.assertEqual(self.answers, 0)
        self.source.fail("clinics", BadAnswer("no"))
        self.assertEqual(self.answers, 1)


class PaceTests(WatchTestCase):
    def test_churn(self) -> None:
        """A registry that answers at once, for ever, is asked five times and then once a second."""
        self.start()
        for _ in range(200):
            if self.source.waiting:
                self.source.answer("clinics", A)
            else:
                self.clock.advance(0.1)
        self.assertLess(len(self.source.asked), 5 + 200 * 0.1 + 2)
        self.assertGreater(len(self.source.asked), 15)

    def test_stop_in_every_state(self) -> None:
        """Stopping while asking, backing off and pacing: nothing goes on, nothing is told."""
        self.watch.start(None)
        self.check_end()
        self.watch = self.make()
        self.watch.start(None)
        self.source.fail("clinics", BadAnswer("no"))
        self.check_end()
        self.watch = self.make()
        self.watch.start(None)
        for _ in range(5):
            self.source.answer("clinics", A)
        self.check_end()
        self.assertEqual(self.changes, [(A,)])

    def test_stopped_by_its_own_news(self) -> None:
        """Whoever is told may stop the watch on the spot."""
        for remembered in ((), (A,)):
            self.watch = self.make()
            self.watch._changed = lambda _, __: self.watch.stop()
            self.watch.start(remembered)
            if "clinics" in self.source.waiting:
                self.source.waiting.pop("clinics").errback(BadAnswer("late")) if remembered else self.answer(A)
            self.assertEqual(self.clock.getDelayedCalls(), [])


class AnyOrderTests(WatchTestCase):
    @given(st.lists(st.one_of(
        st.sets(st.sampled_from((A, B, C))), st.sampled_from(("fail", "hang", "partial", "raise")))))  # fmt: skip
    def test_never_worse(self, events: list[Any]) -> None:
        """Whatever a registry does, a service that had endpoints keeps some, all of them from good answers."""
        self.setUp()
        self.watch.start(None)
        last: tuple[Endpoint, ...] = ()
        for event in events:
            if not self.source.waiting:
                self.clock.advance(1)
            if event == "fail":
                self.source.fail("clinics", BadAnswer("no"))
            elif event == "hang":
                self.clock.advance(6)
            elif event == "partial":
                self.source.answer("clinics", partial=True)
            elif event == "raise":
                self.source.broken = RuntimeError()
                self.source.fail("clinics", RuntimeError())
                self.clock.advance(1)
                self.source.broken = None
                self.clock.advance(1)
            else:
                last = tuple(sorted(event)) or last
                self.source.answer("clinics", *sorted(event))
            self.assertEqual(self.watch.endpoints, last)
        self.check_end()
