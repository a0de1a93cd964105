"""What the gateway does when it is sent a signal."""

from __future__ import annotations

import signal
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.signals import Signals


class Process:
    """Signal dispositions, and a reactor that calls at once."""

    def __init__(self) -> None:
        self.acts: dict[int, Any] = {signal.SIGTERM: "reactor's", signal.SIGINT: "reactor's"}
        self.heard: list[str] = []

    def set_signal(self, number: int, act: Any) -> Any:
        before = self.acts.get(number, signal.SIG_DFL)
        self.acts[number] = act
        return before

    def callFromThread(self, call: Any, *args: Any) -> None:
        call(*args)

    def send(self, number: int) -> None:
        self.acts[number](number, None)


class SignalsTests(SynchronousTestCase):
    """`Signals`."""

    def setUp(self) -> None:
        self.process = Process()
        reactor: Any = self.process
        self.signals = Signals(
            reactor,
            reload=lambda: self.process.heard.append("reload"),
            reopen=lambda: self.process.heard.append("reopen"),
            stop=lambda: self.process.heard.append("stop"),
            hurry=lambda: self.process.heard.append("hurry"),
            set_signal=self.process.set_signal,
        )

    def test_held_until_it_runs(self) -> None:
        """SIGHUP and SIGUSR1 before the reactor runs kill nobody and are not lost; several are one."""
        self.signals.hold()
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1):
            self.process.send(number)
        self.assertEqual(self.process.heard, [])
        self.signals.release()
        self.assertEqual(self.process.heard, ["reload", "reopen"])

    def test_while_it_runs(self) -> None:
        """Each signal has its act."""
        self.signals.hold()
        self.signals.release()
        self.process.send(signal.SIGHUP)
        self.process.send(signal.SIGUSR1)
        self.assertEqual(self.process.heard, ["reload", "reopen"])

    def test_stop_then_hurry(self) -> None:
        """The first SIGTERM or SIGINT stops, every further one of either hurries."""
        self.signals.hold()
        self.signals.release()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            self.process.send(number)
        self.assertEqual(self.process.heard, ["stop", "hurry", "hurry"])

    def test_stopping_is_the_reactors_until_it_runs(self) -> None:
        """Before that, SIGTERM does what it did."""
        self.signals.hold()
        self.assertEqual(self.process.acts[signal.SIGTERM], "reactor's")

    def test_late_signals(self) -> None:
        """A signal that comes while the process ends only hurries it: nothing has the reactor's own act again."""
        self.signals.hold()
        self.signals.release()
        for _ in range(3):
            self.process.send(signal.SIGTERM)
        self.assertNotIn("reactor's", self.process.acts.values())
        self.assertEqual(self.process.heard, ["stop", "hurry", "hurry"])
