"""HTTP/2 as bytes."""

from __future__ import annotations

from ngh2 import Connection, events
from ngh2.config import Role
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.http2 import ErrorCode, NGH2Error, Session, goaway, other_protocol, server_session

START = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]


def connected() -> tuple[Session, Connection]:
    """A server's session with small bounds, and a client's that has seen its settings."""
    server = server_session(streams=10, head_bytes=1000, fields=10, window_bytes=20_000)
    client = Connection(Role.CLIENT)
    client.initiate_connection()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    client.events()
    server.events()
    return server, client


class SessionTests(SynchronousTestCase):
    """`server_session`."""

    def test_settings(self) -> None:
        """What the client is told: streams at once, the window, the size of a head, priorities by RFC 9218."""
        _, client = connected()
        self.assertEqual({3: 10, 4: 20_000, 6: 1000, 9: 1}, {key: client.remote_settings[key] for key in (3, 4, 6, 9)})
        self.assertEqual(80_000, client.remote_window_size)

    def test_windows_are_given_back_by_hand(self) -> None:
        """A client can't send more than a window until it was taken."""
        server, client = connected()
        number = client.send_request(START)
        client.send_data(number, bytes(50_000))
        server.receive_data(client.data_to_send())
        self.assertEqual(20_000, sum(len(e.data) for e in server.events() if isinstance(e, events.DataReceived)))
        self.assertEqual(b"", server.data_to_send())
        server.acknowledge_received_data(20_000, number)
        client.receive_data(server.data_to_send())
        self.assertNotEqual(b"", client.data_to_send())

    def test_a_head_within_twice_the_bounds(self) -> None:
        """It is handed over, so that it can be refused in words; beyond, the session has failed."""
        server, client = connected()
        client.send_request([*START, *((b"x-%d" % n, b"v") for n in range(20))], end_stream=True)
        server.receive_data(client.data_to_send())
        self.assertIn(events.RequestReceived, [type(event) for event in server.events()])
        client.send_request([*START, *((b"x-%d" % n, b"v") for n in range(60))], end_stream=True)
        with self.assertRaises(NGH2Error):
            server.receive_data(client.data_to_send())

    def test_other_protocols(self) -> None:
        """Servers begin with SETTINGS; what is too short may still become that."""
        for data, other in (
            (b"HTTP/1.1 400 Bad", "HTTP/1.1"), (b"<!DOCTYPE HTML", "something else"), (b"+PONG\r\n", "something else"),
            (b"\0\0\0", None), (b"\0\0\0\4\0\0\0\0\0", None),
        ):  # fmt: skip
            self.assertEqual(other, other_protocol(data))

    def test_goaway(self) -> None:
        """The frame that is written by hand is one that a client understands."""
        _, client = connected()
        client.receive_data(goaway(7, ErrorCode.ENHANCE_YOUR_CALM))
        (event,) = [e for e in client.events() if isinstance(e, events.GoAwayReceived)]
        self.assertEqual((7, 11), (event.last_stream_id, event.error_code))
