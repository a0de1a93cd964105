"""How a client's connection of HTTP/1.x ends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.edge.test_connection import Upstreams
from tests.walks.walk import Walk

_PLAIN = b"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n"


class EndingTests(SynchronousTestCase):
    """`Ending`, by the connection that has it."""

    def test_drain(self) -> None:
        """A connection that waits closes soon when the listener drains; a busy one after its answer."""
        walk = Walk()
        idle = walk.new_client()
        upstreams = Upstreams(walk)
        walk.client_sends(_PLAIN % 1)
        walk.door.drain()
        self.assertEqual((None, None), (idle.closed, walk.client.closed))
        walk.passes(1)
        self.assertEqual(("closed", None), (idle.closed, walk.client.closed))
        upstreams.turn()
        self.assertIn(b"Connection: close", walk.client_sees())
        self.assertTrue(walk.client.closed or walk.client.half_closed)

    def test_drain_hears_what_was_sent_before(self) -> None:
        """A request that was on its way is answered, on a new connection, a kept one and one that is accepted late."""
        walk = Walk()
        upstreams = Upstreams(walk)
        new, kept = walk.new_client(), walk.new_client()
        kept.protocol.dataReceived(_PLAIN % 1)
        upstreams.turn()
        kept.take()
        walk.door.drain()
        clients = (new, kept, walk.new_client())
        for client in clients:
            client.protocol.dataReceived((_PLAIN % 2)[:9])
        walk.passes(1)
        for client in clients:
            client.protocol.dataReceived((_PLAIN % 2)[9:])
            upstreams.turn()
            seen = client.take()
            self.assertTrue(seen.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in seen, seen)
            self.assertEqual("closed", client.closed)

    def test_drain_waits_for_nobody_else(self) -> None:
        """What is accepted late and says nothing is closed as soon as the others."""
        walk = Walk()
        walk.door.drain()
        late = walk.new_client()
        walk.passes(1)
        self.assertEqual(("closed", "closed"), (late.closed, walk.client.closed))

    def test_turn_over(self) -> None:
        """A connection that half a head has come on ends with that request, while new ones may stay."""
        walk = Walk()
        upstreams = Upstreams(walk)
        walk.client_sends((_PLAIN % 1)[:9])
        walk.door.turn_over()
        walk.client_sends((_PLAIN % 1)[9:])
        upstreams.turn()
        self.assertIn(b"\r\nConnection: close\r\n", walk.client_sees())
        self.assertEqual("closed", walk.client.closed)
        other = walk.new_client()
        other.protocol.dataReceived(_PLAIN % 2)
        upstreams.turn()
        self.assertIsNone(other.closed)
