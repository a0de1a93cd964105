"""A client's connection: requests in, answers out, in order, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.walks.walk import Walk

_PLAIN = b"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n"
_SIZED = b"POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED = b"PUT /%d HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"


def _answer(line: bytes) -> bytes:
    path = line.split(b" ")[1]
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: now\r\n\r\n%b" % (len(path), path)


class Upstreams:
    """Answers each request that has arrived whole, by its path. bodies: of the requests, in order."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._seen: dict[Any, bytes] = {}
        self.bodies: list[bytes] = []

    def turn(self) -> None:
        """Answer what can be answered, until there is no more."""
        while any(self._answered(wire) for wire in list(self._walk.upstreams)):
            pass

    def _answered(self, wire: Any) -> bool:
        seen = self._seen.get(wire, b"") + wire.take()
        self._seen[wire] = seen
        head, found, rest = seen.partition(b"\r\n\r\n")
        if not found:
            return False
        body = b""
        if b"Transfer-Encoding: chunked" in head:
            if not rest.endswith(b"0\r\n\r\n"):
                return False
            while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
                rest = rest.partition(b"\r\n")[2]
                body, rest = body + rest[:size], rest[size + 2 :]
        elif b"Content-Length: 5" in head:
            if len(rest) < 5:
                return False
            body = rest
        self._seen[wire] = b""
        self.bodies.append(body)
        wire.protocol.dataReceived(_answer(head.partition(b"\r\n")[0]))
        return True


class ConnectionTests(SynchronousTestCase):
    """`EdgeConnection`, through whole walks."""

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.sampled_from([_PLAIN, _SIZED, _CHUNKED]), min_size=1, max_size=5), st.data())
    def test_any_split(self, requests: list[bytes], data: Any) -> None:
        """However requests sent ahead are cut, each is answered once, in order, with its own answer and whole body."""
        walk = Walk()
        upstreams = Upstreams(walk)
        said = b"".join(request % index for index, request in enumerate(requests))
        cuts = data.draw(st.lists(st.integers(1, len(said)), max_size=8))
        places = sorted({0, len(said), *cuts})
        answered = b""
        for start, end in pairwise(places):
            walk.client_sends(said[start:end])
            upstreams.turn()
            answered += walk.client_sees()
        paths = [b"/%d" % index for index in range(len(requests))]
        bodies = [part[: len(b"/0")] for part in answered.split(b"\r\n\r\n")[1:]]
        self.assertEqual(paths, bodies)
        self.assertEqual([b"" if request is _PLAIN else b"hello" for request in requests], upstreams.bodies)
        self.assertEqual([b"/%d" % i for i in range(len(requests))], [path.encode() for _, path, _, _ in walk.records])

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), st.booleans())
    def test_any_bytes(self, pieces: list[bytes], begun: bool) -> None:
        """Whatever a client sends, nothing is raised, and nothing but one refusal is ever answered to garbage."""
        walk = Walk()
        if begun:
            walk.client_sends(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for piece in pieces:
            if walk.client.closed is None:
                walk.client_sends(piece)
        self.assertLessEqual(walk.client_sees().count(b"HTTP/1.1 4"), 1)

    def test_gone(self) -> None:
        """A client that leaves in the middle ends its request, once, and its connection is counted no more."""
        walk = Walk()
        walk.client_sends(_SIZED[:-2] % 1)
        walk.client.lost(clean=False)
        self.assertEqual([("POST", "/1", 499, "client-gone")], walk.records)
        self.assertEqual(set(), walk.door.open)

    def test_sent_ahead_is_bounded(self) -> None:
        """While an answer is awaited, a client that sends on is not read without end."""
        walk = Walk()
        walk.client_sends(_PLAIN % 1)
        for _ in range(2000):
            if not walk.client.reading:
                break
            walk.client_sends(_PLAIN % 2 * 100)
        self.assertFalse(walk.client.reading)

    def test_keep_alive_ends(self) -> None:
        """A connection that says nothing is closed when its time is over, without an answer."""
        walk = Walk()
        for _ in range(80 * 5):
            walk.clock.advance(0.2)
        self.assertEqual(("closed", b""), (walk.client.closed, walk.client_sees()))
