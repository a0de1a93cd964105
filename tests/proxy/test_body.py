"""A request's body on its way through."""

from __future__ import annotations

from sys import getsizeof
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.proxy.body import NO_BODY, RequestBody
from hmsgw.reasons import BODY_TOO_LARGE


class Upstream:
    """Where pieces go."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends = 0

    def send_data(self, data: bytes) -> None:
        self.pieces.append(data)

    def send_end(self, trailers: Any) -> None:
        self.ends += 1


class BodyTests(SynchronousTestCase):
    """`RequestBody`."""

    def body(self, gateway_limit: int | None = None, route_limit: int | None = None, length: int | None = None) -> Any:
        self.stopped: list[Any] = []
        self.paused = 0
        self.resumed = 0

        def pause() -> None:
            self.paused += 1

        def resume() -> None:
            self.resumed += 1

        exchange: Any = SimpleNamespace(
            plane=SimpleNamespace(limits=SimpleNamespace(body=gateway_limit)),
            req=SimpleNamespace(body_limit=route_limit),
            head=SimpleNamespace(length=length),
            edge=SimpleNamespace(pause_body=pause, resume_body=resume),
            upstream="",
            rewrites_body=False,
            stop_for=lambda reason, detail: self.stopped.append((reason, detail)),
        )
        return RequestBody(exchange)

    @given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(0, 8))
    def test_whole_and_in_order(self, pieces: list[bytes], connected_after: int) -> None:
        """Whenever the upstream comes, it gets each piece once, in order, and the end once."""
        body, upstream = self.body(), Upstream()
        for index, piece in enumerate(pieces):
            if index == connected_after:
                body.send_to(upstream)
            body.arrived(piece, upstream if index >= connected_after else None)
        body.end([], None)
        body.send_to(upstream)
        body.send_to(upstream)
        self.assertEqual((b"".join(pieces), 1), (b"".join(upstream.pieces), upstream.ends))

    def test_held_is_bounded(self) -> None:
        """With no upstream yet, the client is paused after each piece."""
        body = self.body()
        body.arrived(b"x", None)
        self.assertEqual(1, self.paused)

    def test_again(self) -> None:
        """A second try gets the same from its start, as long as it is small; later pieces follow."""
        body, first, second = self.body(), Upstream(), Upstream()
        body.arrived(b"abc", first)
        self.assertTrue(body.replayable)
        body.rewind()
        body.arrived(b"def", second)
        body.end([], second)
        self.assertEqual((b"abcdef", 1), (b"".join(second.pieces), second.ends))

    def test_too_large_to_keep(self) -> None:
        """Past 64 KiB nothing is kept, and there is no second try."""
        body, upstream = self.body(), Upstream()
        body.arrived(b"x" * 65_537, upstream)
        self.assertFalse(body.replayable)

    def test_small_pieces_are_small(self) -> None:
        """A byte is kept as a byte, however many pieces there are: before there is an upstream and for a second try."""
        body, upstream = self.body(), Upstream()
        for _ in range(30_000):
            body.arrived(b"x", None)
        body.send_to(upstream)
        for _ in range(30_000):
            body.arrived(b"y", upstream)
        self.assertEqual(b"x" * 30_000 + b"y" * 30_000, b"".join(upstream.pieces))
        self.assertLess(getsizeof(body._held) + getsizeof(body._sent), 100_000)

    def test_limits(self) -> None:
        """The tighter of route and gateway counts, to the byte; a piece that passes it is not sent."""
        for gateway, route, limit in ((None, None, None), (10, None, 10), (None, 7, 7), (10, 7, 7), (7, 10, 7)):
            self.assertEqual(limit, self.body(gateway, route).limit())
        body, upstream = self.body(10), Upstream()
        body.arrived(b"x" * 10, upstream)
        self.assertEqual([], self.stopped)
        body.arrived(b"y", upstream)
        self.assertIs(BODY_TOO_LARGE, self.stopped[0][0])
        self.assertEqual(b"x" * 10, b"".join(upstream.pieces))

    def collecting(self, body: Any) -> Deferred[bytes]:
        return Deferred.fromCoroutine(body.collect())

    def test_collect(self) -> None:
        """A plugin that waits for the whole gets it; it still goes to the upstream afterwards."""
        body, upstream = self.body(), Upstream()
        body.arrived(b"ab", None)
        waiting = self.collecting(body)
        self.assertTrue(body.awaited)
        self.assertEqual(1, self.resumed)
        body.arrived(b"cd", None)
        self.assertNoResult(waiting)
        body.end([], None)
        self.assertEqual(b"abcd", self.successResultOf(waiting))
        self.assertEqual(b"abcd", self.successResultOf(self.collecting(body)))
        body.send_to(upstream)
        self.assertEqual((b"abcd", 1), (b"".join(upstream.pieces), upstream.ends))

    def test_collect_is_bounded(self) -> None:
        """Without a limit a plugin can't gather more than 1 MiB, announced or not."""
        announced = self.failureResultOf(self.collecting(self.body(length=1024 * 1024 + 1)), HTTPError)
        self.assertEqual(413, announced.value.status)
        body = self.body()
        waiting = self.collecting(body)
        for _ in range(17):
            body.arrived(b"x" * 65_536, None)
        self.assertEqual(413, self.failureResultOf(waiting, HTTPError).value.status)

    def test_collect_too_late(self) -> None:
        """What is on its way to the upstream can't be had any more: an error, and never a part of it."""
        body = self.body()
        body.arrived(b"ab", Upstream())
        body._exchange.upstream = "10.0.0.1:80"
        self.failureResultOf(self.collecting(body), RuntimeError)
        body.end([], Upstream())
        self.failureResultOf(self.collecting(body), RuntimeError)
        self.assertFalse(body.collected)

    def test_lost(self) -> None:
        """A client that goes ends the wait."""
        body = self.body()
        waiting = self.collecting(body)
        body.lost()
        self.failureResultOf(waiting, CancelledError)

    def test_no_body(self) -> None:
        """What a request without a body has is one object for all, which nothing changes."""
        NO_BODY.rewind()
        NO_BODY.forget_sent()
        NO_BODY.lost()
        self.assertEqual(b"", self.successResultOf(self.collecting(NO_BODY)))
        self.assertEqual((True, True, 0), (NO_BODY.ended, NO_BODY.replayable, NO_BODY.received))
