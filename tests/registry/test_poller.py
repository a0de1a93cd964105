"""All watches together: reloads, first answers, and what is remembered."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.guards import Guard
from hmsgw.registry.none import NoSource
from hmsgw.registry.poller import MAX_ASKING, RegistryPoller
from hmsgw.registry.source import BadAnswer
from tests.registry.asking import A, B, FakeSource

Saved = dict[str, tuple[Endpoint, ...]]


class PollerTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.source = FakeSource(deadline_s=None)
        self.told: list[tuple[str, tuple[Endpoint, ...]]] = []
        self.saved: list[Saved] = []
        self.saving: Deferred[None] | None = None
        self.poller = self.make()

    def make(self, **options: Any) -> RegistryPoller:
        return RegistryPoller(
            self.clock, options.pop("source", self.source), lambda name, endpoints: self.told.append((name, endpoints)),
            guard=Guard(), remember=self.remember, uniform=lambda low, high: high, **options,
        )  # fmt: skip

    def remember(self, services: Saved) -> Deferred[None]:
        self.saved.append(services)
        return self.saving or succeed(None)

    def asked(self) -> list[str]:
        return [name for name, _ in self.source.asked]


class WatchTests(PollerTestCase):
    def test_reload(self) -> None:
        """Watches of services that stay go on, new ones begin, others end."""
        self.poller.watch({"a", "b"})
        self.source.answer("a", A)
        self.poller.watch({"a", "c"})
        self.assertEqual((self.asked(), self.source.cancelled), (["a", "b", "a", "c"], ["b"]))
        self.assertEqual(set(self.poller.status()), {"a", "c"})
        self.assertEqual(self.poller.known(), {"a": (A,)})

    def test_same_again(self) -> None:
        """A reload that changes no service asks nothing and tells nothing."""
        self.poller.watch({"a"})
        self.source.answer("a", A)
        self.poller.watch({"a"})
        self.assertEqual((self.asked(), self.told, self.source.cancelled), (["a", "a"], [("a", (A,))], []))

    def test_listener_raises(self) -> None:
        """Whoever is told may fail: it is logged, and the watch goes on."""
        poller = RegistryPoller(self.clock, self.source, lambda *_: 1 / 0, guard=Guard())  # type: ignore[arg-type]
        poller.watch({"a"})
        self.source.answer("a", A)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.asked(), poller.known()), (["a", "a"], {"a": (A,)}))

    def test_many_services(self) -> None:
        """No more questions at once than a registry lets one host ask; the others take turns and none is forgotten."""
        names = {f"s{number:03}" for number in range(250)}
        self.poller.watch(names)
        self.assertEqual(len(self.source.waiting), MAX_ASKING)
        for _ in range(3):
            for name in list(self.source.waiting):
                self.source.answer(name, A)
        self.assertEqual({name for name, _ in self.told}, names)

    def test_many_services_go(self) -> None:
        """Services that go while they wait for their turn give it back: others are asked at once."""
        self.poller.watch({f"s{number:03}" for number in range(250)})
        self.poller.watch({"a"})
        self.assertEqual(list(self.source.waiting), ["a"])
        self.assertEqual(len(self.source.cancelled), MAX_ASKING)
        self.source.answer("a", A)
        self.assertEqual(self.told, [("a", (A,))])

    def test_no_registry(self) -> None:
        """Kind `none`: no endpoints, nothing to wait for, nothing that runs."""
        poller = self.make(source=NoSource())
        poller.watch({"a"})
        self.successResultOf(poller.first_answers)
        self.assertEqual(self.told, [("a", ())])
        self.successResultOf(poller.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FirstAnswersTests(PollerTestCase):
    def test_all(self) -> None:
        """Fires when every service has had an answer or a failure, and only then."""
        self.poller.watch({"a", "b"})
        self.source.answer("a", A)
        self.assertNoResult(self.poller.first_answers)
        self.source.fail("b", BadAnswer("no"))
        self.successResultOf(self.poller.first_answers)

    def test_none(self) -> None:
        """Without services there is nothing to wait for."""
        self.poller.watch(())
        self.successResultOf(self.poller.first_answers)

    def test_later_services(self) -> None:
        """Services of a later reload are not waited for."""
        self.poller.watch({"a"})
        self.poller.watch({"a", "b"})
        self.source.answer("a", A)
        self.successResultOf(self.poller.first_answers)


class RememberTests(PollerTestCase):
    def test_every_five_seconds(self) -> None:
        """A hundred changes within 5 s are written once; without a change nothing is written."""
        self.poller.watch({"a"})
        for number in range(5):
            self.source.answer("a", (A, B)[number % 2])
        self.assertEqual(self.saved, [])
        self.clock.advance(5)
        self.assertEqual(self.saved, [{"a": (A,)}])
        self.clock.advance(5.9)
        self.assertEqual(len(self.saved), 1)

    def test_at_the_end(self) -> None:
        """What is not written yet is written at the end, and the end waits for it."""
        self.saving = Deferred()
        self.poller.watch({"a"})
        self.source.answer("a", A)
        stopped = self.poller.stop()
        self.assertEqual(self.saved, [{"a": (A,)}])
        self.assertNoResult(stopped)
        self.saving.callback(None)
        self.successResultOf(stopped)
        self.assertEqual((self.clock.getDelayedCalls(), self.source.stopped), ([], True))

    def test_slow_disk(self) -> None:
        """While one writing is under way no other begins."""
        self.saving = Deferred()
        self.poller.watch({"a"})
        self.source.answer("a", A)
        self.clock.advance(5)
        self.source.answer("a", B)
        self.clock.advance(5)
        self.assertEqual(len(self.saved), 1)
        saving, self.saving = self.saving, None
        saving.callback(None)
        self.clock.advance(5)
        self.assertEqual(self.saved[1:], [{"a": (B,)}])
        self.successResultOf(self.poller.stop())

    def test_full_disk(self) -> None:
        """A writing that fails does no harm, and the next change is written again."""
        self.saving = Deferred()
        self.poller.watch({"a"})
        self.source.answer("a", A)
        self.clock.advance(5)
        self.saving.errback(OSError(28, "No space left on device"))
        self.saving = None
        self.source.answer("a", B)
        self.clock.advance(5)
        self.assertEqual(self.saved[-1], {"a": (B,)})
        self.successResultOf(self.poller.stop())

    def test_restart_without_registry(self) -> None:
        """What was written serves from the first moment, while the registry is down, and is not lost in a reload."""
        poller = self.make(remembered={"a": (A,), "gone": (B,)})
        poller.watch({"a", "b"})
        self.assertEqual(self.told, [("a", (A,))])
        self.source.fail("a", BadAnswer("down"))
        poller.watch({"a"})
        self.assertEqual((poller.known(), self.told), ({"a": (A,)}, [("a", (A,))]))


class StatusTests(PollerTestCase):
    def test_ages(self) -> None:
        """Seconds by service, None for one that was never answered."""
        self.poller.watch({"a", "b"})
        self.source.answer("a", A)
        self.clock.advance(3)
        self.assertEqual(self.poller.ages(self.clock.seconds()), {"a": 3.0, "b": None})

    def test_degraded(self) -> None:
        """One sentence a cause, however many services it meets."""
        self.poller.watch({"a", "b", "c", "d", "e"})
        self.source.answer("a", A)
        self.assertEqual(self.poller.degraded(), ["registry: b, c, d and 1 more: no endpoint"])
        for name in "bcde":
            self.source.fail(name, BadAnswer("it is down"))
        self.assertEqual(self.poller.degraded(), ["registry: b, c, d and 1 more: it is down"])
