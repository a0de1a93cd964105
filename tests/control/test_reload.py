"""Reloads, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.reload import LOAD_S, MAX_WAITING, NotTaken, Outcome, Reloader


class ReloaderTests(SynchronousTestCase):
    """`Reloader`, with loads that end when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.loads: list[tuple[str, Deferred[Any]]] = []
        self.applied: list[str] = []
        self.ended: list[tuple[bool, str | None, str]] = []
        self.reloader = Reloader(
            clock=self.clock, in_thread=self.in_thread, load=lambda path: path, apply=self.apply, ended=self.end,
            advise=lambda path: f"reload {path}",
        )  # fmt: skip

    def in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.loads.append((call(), answer))
        return answer

    def apply(self, candidate: str) -> tuple[str, list[str]]:
        self.applied.append(candidate)
        return f"digest of {candidate}", ["routes changed"]

    def end(self, outcome: Outcome, who: str) -> None:
        self.ended.append((outcome.accepted, outcome.file, who))

    def loaded(self, result: Any = None) -> None:
        """The oldest load that runs ends."""
        path, answer = self.loads.pop(0)
        answer.callback(path if result is None else result)

    def test_accepted(self) -> None:
        """A sound file is applied, told of, and the one to load again."""
        done = self.reloader.reload("/r.yaml", "me")
        self.assertNoResult(done)
        self.loaded()
        expected = Outcome(accepted=True, file="/r.yaml", said=("routes changed",), digest="digest of /r.yaml")
        self.assertEqual(self.successResultOf(done), expected)
        self.assertEqual(self.ended, [(True, "/r.yaml", "me")])
        self.assertEqual(self.reloader.file, "/r.yaml")

    def test_refused_while_reading(self) -> None:
        """A faulty file is not applied, and the one to load again stays."""
        self.reloader.file = "/good.yaml"
        done = self.reloader.reload("/bad.yaml", "me")
        self.loads.pop()[1].errback(NotTaken(["/bad.yaml:1:1: no"], "hms-gateway check /bad.yaml"))
        outcome = self.successResultOf(done)
        self.assertEqual((outcome.accepted, outcome.faults), (False, ("/bad.yaml:1:1: no",)))
        self.assertEqual(outcome.advice, "hms-gateway check /bad.yaml")
        self.assertEqual((self.applied, self.reloader.file), ([], "/good.yaml"))
        self.assertEqual(self.ended, [(False, "/bad.yaml", "me")])

    def test_refused_while_applying(self) -> None:
        """An address that can't be had refuses the file too."""

        def refuse(_: str) -> tuple[str, list[str]]:
            raise NotTaken(["port 1 is in use"])

        self.reloader.apply = refuse
        done = self.reloader.reload("/r.yaml", "me")
        self.loaded()
        outcome = self.successResultOf(done)
        self.assertEqual((outcome.faults, outcome.advice), (("port 1 is in use",), "reload /r.yaml"))
        self.assertIsNone(self.reloader.file)

    def test_own_fault(self) -> None:
        """An error that nobody foresaw is an outcome, logged with its traceback, and the next reload works."""
        done = self.reloader.reload("/r.yaml", "me")
        self.loads.pop()[1].errback(ZeroDivisionError("oops"))
        outcome = self.successResultOf(done)
        self.assertIn("ZeroDivisionError: oops", outcome.faults[0])
        self.assertEqual(outcome.advice, "reload /r.yaml")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        again = self.reloader.reload("/r.yaml", "me")
        self.loaded()
        self.assertTrue(self.successResultOf(again).accepted)

    def test_one_at_a_time(self) -> None:
        """A second reload begins when the first has ended, in order."""
        first, second = self.reloader.reload("/a", "me"), self.reloader.reload("/b", "me")
        self.assertEqual([path for path, _ in self.loads], ["/a"])
        self.loaded()
        self.assertEqual([path for path, _ in self.loads], ["/b"])
        self.loaded()
        self.assertEqual(self.applied, ["/a", "/b"])
        self.assertTrue(self.successResultOf(first).accepted and self.successResultOf(second).accepted)

    def test_many_signals_are_one_reload(self) -> None:
        """While a reload runs, any number of SIGHUPs is one more reload, and each is answered."""
        self.reloader.file = "/r.yaml"
        running = self.reloader.again("SIGHUP")
        waiting = [self.reloader.again("SIGHUP") for _ in range(50)]
        self.loaded()
        self.successResultOf(running)
        self.assertEqual(len(self.loads), 1)
        self.loaded()
        self.assertEqual([self.successResultOf(one).accepted for one in waiting], [True] * 50)
        self.assertEqual(self.loads, [])

    def test_a_signal_after_one_that_waited(self) -> None:
        """A SIGHUP that comes while the shared one already runs gets a reload of its own: the file may have changed."""
        self.reloader.file = "/r.yaml"
        self.reloader.again("SIGHUP")
        self.loaded()
        self.reloader.again("SIGHUP")
        self.assertEqual(len(self.loads), 1)

    def test_nothing_to_load_again(self) -> None:
        """Before anything was accepted, SIGHUP is refused with the next command."""
        outcome = self.successResultOf(self.reloader.again("SIGHUP"))
        self.assertEqual((outcome.accepted, outcome.advice), (False, "hms-gateway reload FILE"))

    def test_never_ending(self) -> None:
        """A file whose plugin never returns is given up after LOAD_S, and later reloads work."""
        done = self.reloader.reload("/hangs", "me")
        self.clock.advance(LOAD_S)
        outcome = self.successResultOf(done)
        self.assertIn("more than 60 s", outcome.faults[0])
        self.assertEqual(outcome.advice, "reload /hangs")
        again = self.reloader.reload("/r.yaml", "me")
        self.loads.pop()[1].callback("/r.yaml")
        self.assertTrue(self.successResultOf(again).accepted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bounded(self) -> None:
        """Past MAX_WAITING a reload is refused at once."""
        waiting = [self.reloader.reload(f"/{n}", "me") for n in range(MAX_WAITING + 1)]
        self.assertFalse(self.successResultOf(self.reloader.reload("/more", "me")).accepted)
        for one in waiting:
            self.loaded()
            self.successResultOf(one)

    def test_record_first(self) -> None:
        """The answer waits for the audit log, and one that can't be written does not lose it."""
        written: Deferred[None] = Deferred()
        self.reloader.ended = lambda *_: written
        done = self.reloader.reload("/r.yaml", "me")
        self.loaded()
        self.assertNoResult(done)
        written.callback(None)
        self.successResultOf(done)
        self.reloader.ended = lambda *_: fail(OSError("full"))
        again = self.reloader.again("me")
        self.loaded()
        self.assertTrue(self.successResultOf(again).accepted)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.reloader.ended = lambda *_: succeed(None)
