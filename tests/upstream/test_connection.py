"""One connection to a backend, lease after lease."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.deadlines import Deadlines
from hmsgw.reasons import UPSTREAM_PROTOCOL, UPSTREAM_RESET, UPSTREAM_TIMEOUT
from hmsgw.upstream.connection import UpstreamConnection
from hmsgw.wire.bodies import MAX_CHUNKS
from tests.walks.walk import Turns, Wire

_ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Owner:
    """Where connections go back to. back: whether each could be used again."""

    name = "10.0.0.1:80"

    def __init__(self) -> None:
        self.back: list[bool] = []
        self.idle_lost = 0

    def released(self, connection: Any, reusable: bool) -> None:
        self.back.append(reusable)

    def lost_idle(self, connection: Any) -> None:
        self.idle_lost += 1


class Hearing:
    """An exchange. told: the events, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def upstream_informational(self, head: Any) -> None:
        self.told.append(("informational", head.status))

    def upstream_head(self, head: Any, now: float) -> None:
        self.told.append(("head", head.status))

    def upstream_whole(self, head: Any, body: bytes, now: float) -> None:
        self.told += [("head", head.status), ("data", body), ("end",)]

    def upstream_data(self, data: bytes) -> None:
        self.told.append(("data", bytes(data)))

    def upstream_end(self, trailers: Any) -> None:
        self.told.append(("end",))

    def upstream_failed(self, reason: Any, detail: str, untouched: bool) -> None:
        self.told.append(("failed", reason.word, untouched))

    def upstream_full(self) -> None:
        self.told.append(("full",))

    def upstream_ready_for_more(self) -> None:
        self.told.append(("ready",))

    def flush_edge(self) -> None:
        """Nothing gathers here."""

    def said(self) -> tuple[int | None, bytes, str]:
        """(status, body, how it ended)."""
        status = next((event[1] for event in self.told if event[0] == "head"), None)
        body = b"".join(event[1] for event in self.told if event[0] == "data")
        return status, body, self.told[-1][0] if self.told else ""


_TINY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000


class ConnectionTests(SynchronousTestCase):
    """`UpstreamConnection`."""

    def setUp(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.clock, self.turns = Clock(), Turns()
        self.wheel = Deadlines(self.clock, self.clock.seconds)
        self.owner, self.wire = Owner(), Wire("10.0.0.1")
        self.connection = UpstreamConnection(
            self.owner, self.wheel, self.clock.seconds, 30.0, 60.0, 4.0, 8192, self.turns.soon
        )
        self.wire.protocol = self.connection
        self.connection.makeConnection(self.wire)

    def lease(self, method: bytes = b"GET") -> Hearing:
        hearing = Hearing()
        self.connection.exchange = hearing
        self.connection.uses += 1
        self.connection.send_request(method, _ASK, self.clock.seconds())
        return hearing

    def test_tiny_chunks_wait_for_others(self) -> None:
        """An answer in chunks of a byte gets one turn's work at a time, and nothing more is read meanwhile."""
        hearing = self.lease()
        self.connection.dataReceived(_TINY + b"0\r\n\r\n")
        told = [len(event[1]) for event in hearing.told if event[0] == "data"]
        self.assertEqual((1, False), (len(told), self.wire.reading))
        self.assertLessEqual(told[0], MAX_CHUNKS)
        self.turns.one(20)
        self.assertEqual((200, b"a" * 5000, "end"), hearing.said())
        self.assertEqual(([True], True), (self.owner.back, self.wire.reading))

    def test_tiny_chunks_and_a_pause(self) -> None:
        """While the client takes no more, what was read already waits too; after it, it goes on, once a turn."""
        hearing = self.lease()
        self.connection.dataReceived(_TINY)
        self.connection.pause()
        self.turns.one(2)
        self.assertEqual(1, len([event for event in hearing.told if event[0] == "data"]))
        self.connection.resume()
        self.connection.resume()
        self.assertFalse(self.wire.reading)
        self.turns.one()
        self.assertEqual(2, len([event for event in hearing.told if event[0] == "data"]))
        self.connection.abort()
        self.turns.one()
        self.assertEqual("aborted", self.wire.closed)

    def pass_s(self, seconds: float) -> None:
        for _ in range(int(seconds * 10) + 3):
            self.clock.advance(0.1)

    def test_lease_after_lease(self) -> None:
        """An answer that is whole frees the connection for the next request, before it is told."""
        for _ in range(3):
            hearing = self.lease()
            self.connection.dataReceived(_OK)
            self.assertEqual((200, b"hello", "end"), hearing.said())
        self.assertEqual([True] * 3, self.owner.back)

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from([
        _OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + _OK,
    ]), st.lists(st.integers(0, 120), max_size=6))  # fmt: skip
    def test_any_split(self, answer: bytes, cuts: list[int]) -> None:
        """However the network cuts an answer, and a second one like it, the same is told and the connection kept."""
        self.begin()
        for _ in range(2):
            hearing = self.lease()
            places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
            for start, end in pairwise(places):
                self.connection.dataReceived(answer[start:end])
            self.assertEqual((200, b"hello", "end"), hearing.said())
        self.assertEqual([True, True], self.owner.back)

    def test_unasked(self) -> None:
        """Bytes that nobody asked for would be the next request's answer: the connection is cut off."""
        self.lease()
        self.connection.dataReceived(_OK)
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(("aborted", True), (self.wire.closed, self.connection.lost))

    def test_too_much(self) -> None:
        """An answer with more behind it is told, but the connection is not used again."""
        hearing = self.lease()
        self.connection.dataReceived(_OK + b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual((200, b"hello", "end"), hearing.said())
        self.assertEqual([False], self.owner.back)

    def test_head_and_no_content(self) -> None:
        """An answer to HEAD, and a 204, end at their heads whatever their fields say."""
        hearing = self.lease(b"HEAD")
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        self.assertEqual((200, b"", "end"), hearing.said())
        hearing = self.lease()
        self.connection.dataReceived(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual((204, b"", "end"), hearing.said())
        self.assertEqual([True, True], self.owner.back)

    def test_ended_by_close(self) -> None:
        """An answer without a length ends with a clean close, and is a failure with an unclean one."""
        hearing = self.lease()
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\n\r\nhel")
        self.connection.dataReceived(b"lo")
        self.wire.lost(clean=True)
        self.assertEqual((200, b"hello", "end"), hearing.said())
        self.begin()
        hearing = self.lease()
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\n\r\nhel")
        self.wire.lost(clean=False)
        self.assertEqual(("failed", UPSTREAM_RESET.word, False), hearing.told[-1])

    def test_cut_short(self) -> None:
        """A close before the announced end is never told as an end."""
        hearing = self.lease()
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        self.wire.lost()
        self.assertEqual(("failed", UPSTREAM_RESET.word, False), hearing.told[-1])

    def test_untouched(self) -> None:
        """Only a close of a connection that was used before, without a byte of answer, may be tried again."""
        hearing = self.lease()
        self.wire.lost()
        self.assertEqual(("failed", UPSTREAM_RESET.word, False), hearing.told[-1])
        self.begin()
        self.lease()
        self.connection.dataReceived(_OK)
        hearing = self.lease()
        self.wire.lost()
        self.assertEqual(("failed", UPSTREAM_RESET.word, True), hearing.told[-1])
        self.begin()
        self.lease()
        self.connection.dataReceived(_OK)
        hearing = self.lease()
        self.connection.dataReceived(b"HT")
        self.wire.lost()
        self.assertEqual(("failed", UPSTREAM_RESET.word, False), hearing.told[-1])

    def test_garbage(self) -> None:
        """What is no HTTP, a switch of protocols nobody asked for, and a head without end are the backend's fault."""
        for answer in (
            b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):  # fmt: skip
            self.begin()
            hearing = self.lease()
            self.connection.dataReceived(answer)
            self.assertEqual(("failed", UPSTREAM_PROTOCOL.word, False), hearing.told[-1], answer[:40])
            self.assertEqual(("aborted", [False]), (self.wire.closed, self.owner.back))

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
    def test_any_bytes(self, pieces: list[bytes]) -> None:
        """Whatever a backend sends, nothing is raised, and the lease ends at most once."""
        self.begin()
        hearing = self.lease()
        for piece in [b"HTTP/1.1 ", *pieces]:
            if not self.connection.lost:
                self.connection.dataReceived(piece)
        self.assertLessEqual(sum(event[0] in ("end", "failed") for event in hearing.told), 1)
        self.assertLessEqual(len(self.owner.back), 1)

    def test_first_byte(self) -> None:
        """A backend that does not begin to answer in time is a timeout."""
        hearing = self.lease()
        self.pass_s(29)
        self.assertEqual([], hearing.told)
        self.pass_s(1.5)
        self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])

    def test_progress(self) -> None:
        """Each piece of an answer renews the time; silence ends it; a pause of ours does not count."""
        hearing = self.lease()
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        for _ in range(3):
            self.pass_s(50)
            self.connection.dataReceived(b"x")
        self.connection.pause()
        self.pass_s(100)
        self.connection.resume()
        self.assertNotIn("failed", [event[0] for event in hearing.told])
        self.pass_s(61)
        self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])

    def half_sent(self) -> Hearing:
        """A request some of whose body has gone up."""
        hearing = Hearing()
        self.connection.exchange = hearing
        self.connection.begin_request(b"POST", _ASK, True)
        self.connection.send_data(b"abc")
        return hearing

    def test_waits_for_the_client(self) -> None:
        """While the rest of a request is still to come, the backend owes nothing, whether it has begun to answer."""
        for begun in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx"):
            self.begin()
            hearing = self.half_sent()
            if begun:
                self.connection.dataReceived(begun)
            self.pass_s(300)
            self.assertNotIn("failed", [event[0] for event in hearing.told])

    def test_first_byte_of_a_whole_request(self) -> None:
        """The time to begin an answer counts from the request's end; that to go on with one does too."""
        hearing = self.half_sent()
        self.pass_s(100)
        self.connection.send_end([])
        self.pass_s(29)
        self.assertEqual([], hearing.told)
        self.pass_s(1.5)
        self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])
        self.begin()
        hearing = self.half_sent()
        self.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        self.pass_s(100)
        self.connection.send_end([])
        self.pass_s(59)
        self.assertEqual([("head", 200)], hearing.told)
        self.pass_s(1.5)
        self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])

    def test_takes_no_more(self) -> None:
        """A backend that does not read its request is given up; one that reads on has its time to answer anew."""
        for whole in (False, True):
            self.begin()
            hearing = self.half_sent()
            self.wire.producer.pauseProducing()
            if whole:
                self.connection.send_end([])
            self.pass_s(59)
            self.assertEqual([("full",)], hearing.told)
            self.pass_s(1.5)
            self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])
        self.begin()
        hearing = self.half_sent()
        self.wire.producer.pauseProducing()
        self.connection.send_end([])
        self.pass_s(50)
        self.wire.producer.resumeProducing()
        self.pass_s(29)
        self.assertEqual([("full",), ("ready",)], hearing.told)
        self.pass_s(1.5)
        self.assertEqual(("failed", UPSTREAM_TIMEOUT.word, False), hearing.told[-1])

    def test_idle_in_the_pool(self) -> None:
        """What waits longer than it may is closed."""
        self.lease()
        self.connection.dataReceived(_OK)
        self.pass_s(3.5)
        self.assertIsNone(self.wire.closed)
        self.pass_s(1)
        self.assertEqual("closed", self.wire.closed)

    def test_answer_before_the_request_ended(self) -> None:
        """An answer to half a request is told; what is left of the request has nowhere to go."""
        hearing = Hearing()
        self.connection.exchange = hearing
        self.connection.begin_request(b"POST", _ASK, True)
        self.connection.send_data(b"abc")
        self.connection.dataReceived(_OK)
        self.assertEqual((200, b"hello", "end"), hearing.said())
        self.assertEqual(([False], "aborted"), (self.owner.back, self.wire.closed))

    def test_chunks(self) -> None:
        """A body of unknown length goes out in chunks, whatever the size of its pieces."""
        self.connection.exchange = Hearing()
        self.connection.begin_request(b"POST", _ASK, True)
        self.assertEqual(_ASK, self.wire.take())
        self.connection.send_data(b"abc")
        self.connection.send_data(b"x" * 100_000)
        self.connection.send_end([])
        self.assertEqual(b"3\r\nabc\r\n186a0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n", self.wire.take())

    def test_back_pressure(self) -> None:
        """The transport's pause and resume reach the exchange."""
        hearing = self.lease()
        self.wire.producer.pauseProducing()
        self.wire.producer.resumeProducing()
        self.assertEqual([("full",), ("ready",)], hearing.told)

    def test_abort(self) -> None:
        """A lease that is given up takes the connection with it and is told nothing more."""
        hearing = self.lease()
        self.connection.abort()
        self.assertEqual(([], [False], "aborted"), (hearing.told, self.owner.back, self.wire.closed))
