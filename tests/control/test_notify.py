"""What systemd is told."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.notify import Notifier


class NotifierTests(SynchronousTestCase):
    """`Notifier`."""

    def notifier(self, **environ: str) -> Notifier:
        self.sent: list[tuple[str, bytes]] = []
        self.clock = Clock()
        return Notifier(
            environ,
            self.clock,
            send=lambda address, message: self.sent.append((address, message)),
            pid=lambda: 42,
            monotonic_ns=lambda: 7_000_999,
        )

    def test_states(self) -> None:
        """Each state is its datagram; a reload carries the time that Type=notify-reload needs."""
        notifier = self.notifier(NOTIFY_SOCKET="/run/n")
        notifier.ready("serving\n2 routes")
        notifier.reloading()
        notifier.stopping()
        self.assertEqual(
            self.sent,
            [
                ("/run/n", b"READY=1\nSTATUS=serving 2 routes"),
                ("/run/n", b"RELOADING=1\nMONOTONIC_USEC=7000"),
                ("/run/n", b"STOPPING=1\nSTATUS=draining"),
            ],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abstract_address(self) -> None:
        """`@` stands for the NUL of the abstract name space."""
        self.notifier(NOTIFY_SOCKET="@x").ready("up")
        self.assertEqual(self.sent[0][0], "\0x")

    def test_nobody_listens(self) -> None:
        """Without a supervisor nothing is sent and no timer runs."""
        notifier = self.notifier(WATCHDOG_USEC="1000000")
        notifier.ready("up")
        notifier.stopping()
        self.assertEqual((self.sent, self.clock.getDelayedCalls()), ([], []))

    def test_watchdog(self) -> None:
        """It is fed twice as often as it asks, from `ready` until `stop`."""
        notifier = self.notifier(NOTIFY_SOCKET="/run/n", WATCHDOG_USEC="10000000", WATCHDOG_PID="42")
        notifier.ready("up")
        notifier.ready("up")
        self.clock.pump([5, 5])
        self.assertEqual([message for _, message in self.sent].count(b"WATCHDOG=1"), 3)
        notifier.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_watchdog_of_another(self) -> None:
        """One that watches another process, or says nonsense, is not fed."""
        for environ in ({"WATCHDOG_PID": "43"}, {"WATCHDOG_USEC": "soon"}):
            notifier = self.notifier(**{"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "10", **environ})
            notifier.ready("up")
            self.assertEqual(self.clock.getDelayedCalls(), [])
