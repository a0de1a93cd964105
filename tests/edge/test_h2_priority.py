"""Which answer goes first when a client's window is too small for all (RFC 9218)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.walks.h2_client import H2Client
from tests.walks.walk import Walk

WINDOW = 65535
"""Of the whole connection, as every client's is at first (RFC 9113 section 6.9.2)."""
SIZE = 40_000


class PriorityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.walk = Walk()
        self.client = H2Client(self.walk, take=False)
        self.first = self.ask()
        self.walk.upstream_sends(answer(WINDOW))  # which shuts the window
        self.client.pump()

    def ask(self, priority: bytes = b"") -> int:
        return self.client.request(b"/a", b"GET", *([(b"priority", priority)] if priority else []))

    def answer_both(self) -> None:
        for upstream in self.walk.upstreams[-2:]:
            upstream.protocol.dataReceived(answer(SIZE))
        self.client.pump()

    def open_window(self) -> None:
        self.client.session.acknowledge_received_data(SIZE, self.first)
        self.client.pump()

    def came(self, *numbers: int) -> list[int]:
        return [len(self.client.got[number].body) if number in self.client.got else 0 for number in numbers]

    def test_urgent(self) -> None:
        """The more urgent answer goes first, though it was asked for last."""
        lazy, urgent = self.ask(b"u=6"), self.ask(b"u=1")
        self.answer_both()
        self.open_window()
        self.assertEqual([0, SIZE], self.came(lazy, urgent))

    def test_in_order(self) -> None:
        """Of the same urgency, the one that was asked for first."""
        first, second = self.ask(), self.ask()
        self.answer_both()
        self.open_window()
        self.assertEqual([SIZE, 0], self.came(first, second))

    def test_incremental(self) -> None:
        """Those that are used piece by piece share the way."""
        first, second = self.ask(b"i"), self.ask(b"i")
        self.answer_both()
        self.open_window()
        self.assertEqual(SIZE, sum(self.came(first, second)))
        self.assertGreater(min(self.came(first, second)), SIZE // 4)

    def test_changed_mind(self) -> None:
        """PRIORITY_UPDATE counts like the field, also while the answer waits."""
        first, second = self.ask(), self.ask()
        self.answer_both()
        self.client.session.send_priority_update(second, b"u=0")
        self.client.pump()
        self.open_window()
        self.assertEqual([0, SIZE], self.came(first, second))

    def test_the_backend_sees_it(self) -> None:
        """The field goes on: a service may know better what is urgent (section 5)."""
        self.walk.upstream_sees()
        self.ask(b"u=2, i")
        _, fields, _ = self.walk.upstream_head()
        self.assertEqual([b"u=2, i"], fields[b"priority"])

    def test_garbage(self) -> None:
        """What can't be read is no priority, and no fault (section 5)."""
        first, second = self.ask(), self.ask(b"u=999, \xff")
        self.answer_both()
        self.open_window()
        self.assertEqual([SIZE, 0], self.came(first, second))


def answer(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
