"""HTTP/2 on both sides, at random: calls begin, go on, end and break off in any order, and bytes come in any pieces."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Limits, Service
from tests.walks.h2_client import H2Client
from tests.walks.h2_server import H2Server
from tests.walks.walk import Turns, Walk

_SEEDS = 25
_STEPS = 1200
_MOST_OPEN = 12
_BUFFER = 16384
_CANCEL, _REFUSED = 8, 7
_HEAD = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"api.example"), (b":path", b"/a")]


class Pieces:
    """Bytes on their way from one side to another, which arrive in pieces of any size."""

    def __init__(self) -> None:
        self.waiting = b""

    def some(self, random: Random | None) -> bytes:
        """What arrives next. random: None for all of it."""
        size = len(self.waiting) if random is None or random.random() < 0.4 else random.randint(0, len(self.waiting))
        came, self.waiting = self.waiting[:size], self.waiting[size:]
        return came


class Chaos:
    """One client, the gateway, one backend. `step` does something, `settle` lets everything end.

    Each call has a number in its path, by which its two halves find each other. What both sides finished in peace must
    have arrived whole.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.turns = Turns()
        self.walk = Walk(service=Service(protocol="h2c"), turns=self.turns, limits=Limits(buffer=_BUFFER))
        self.client = H2Client(self.walk, window=1000)
        self.server: H2Server | None = None
        self.up, self.down, self.there, self.back = Pieces(), Pieces(), Pieces(), Pieces()
        self.sent: dict[int, bytes] = {}
        self.open: set[int] = set()
        self.broken: set[int] = set()
        self.said: dict[int, bytes] = {}
        self.answering: set[int] = set()
        self.answered: set[int] = set()

    # --- bytes

    def carry(self, random: Random | None) -> bool:
        """Some bytes on each way; whether there were any."""
        wire, session = self.client.wire, self.client.session
        self.up.waiting += session.data_to_send()
        came = self.up.some(random)
        if came:
            wire.protocol.dataReceived(came)
        self.down.waiting += wire.take()
        told = self.down.some(random)
        if told:
            session.receive_data(told)
        for event in session.events():
            self.client._heed(event)
        moved = bool(came or told)
        if self.server is None and self.walk.upstreams:
            self.server = H2Server(self.walk, self.walk.upstream, window=1000)
        if self.server is not None:
            server = self.server
            self.there.waiting += server.wire.take()
            came = self.there.some(random)
            if came:
                server.session.receive_data(came)
            for event in server.session.events():
                server._heed(event)
            self.back.waiting += server.session.data_to_send()
            told = self.back.some(random)
            if told:
                server.wire.protocol.dataReceived(told)
            moved = moved or bool(came or told)
        if random is None or random.random() < 0.5:
            moved = self.turns.one() or moved
        return moved

    # --- what the two ends do

    def step(self) -> None:
        """Something, by whoever is next."""
        do = self.random.choice((self.begin, self.begin_whole, self.go_on, self.go_on, self.give_up, self.answer, self.answer))
        do()
        for _ in range(self.random.randint(0, 3)):
            self.carry(self.random)

    def begin(self) -> None:
        if len(self.open) < _MOST_OPEN:
            number = self.client.session.send_request(self.head(), end_stream=False)
            self.sent[number] = b""
            self.open.add(number)

    def begin_whole(self) -> None:
        """Head and body together; or no body."""
        body = self.random.randbytes(self.random.choice((0, 1, 700, 9000)))
        number = self.client.session.send_request(self.head(), end_stream=not body)
        if body:
            cut = self.random.randint(0, len(body))
            self.client.session.send_data(number, body[:cut])
            self.up.waiting += self.client.session.data_to_send()  # a frame of its own
            self.client.session.send_data(number, body[cut:], end_stream=True)
        self.sent[number] = body

    def head(self) -> list[tuple[bytes, bytes]]:
        call = [(b"content-type", b"application/grpc"), (b"te", b"trailers")] if self.random.random() < 0.5 else []
        return [*_HEAD, *call, (b"x-number", b"%d" % len(self.sent))]

    def go_on(self) -> None:
        if self.open:
            number = self.random.choice(sorted(self.open))
            if not self.is_over(number):
                self.send(number, ended=self.random.random() < 0.4)

    def send(self, number: int, *, ended: bool) -> None:
        data = self.random.randbytes(self.random.choice((0, 1, 50, 1500)))
        self.client.session.send_data(number, data, end_stream=ended)
        self.sent[number] += data
        if ended:
            self.open.discard(number)

    def is_over(self, number: int) -> bool:
        """The stream is closed already, by whatever the gateway said."""
        got = self.client.got.get(number)
        if got is not None and got.ended is not None:
            self.open.discard(number)
        return number not in self.open

    def give_up(self) -> None:
        if self.sent and self.random.random() < 0.3:
            number = self.random.choice(sorted(self.sent))
            got = self.client.got.get(number)
            if number not in self.broken and (got is None or got.ended is None):
                self.client.session.reset_stream(number, _CANCEL)
                self.broken.add(number)
                self.open.discard(number)

    def answer(self) -> None:
        """Begin, go on with, end or break off some answer."""
        if self.server is None:
            return
        session, asked = self.server.session, self.server.asked
        there = [number for number in asked if asked[number].ended is None and number not in self.answered]
        if not there:
            return
        number = self.random.choice(there)
        how = self.random.random()
        if how < 0.1:
            session.reset_stream(number, self.random.choice((_CANCEL, _REFUSED)))
            self.answered.add(number)
            self.said.pop(number, None)
            return
        if number not in self.answering:
            self.answering.add(number)
            self.said[number] = b""
            if how < 0.2:
                session.send_informational_response(number, [(b":status", b"103")])
            session.send_response(number, [(b":status", b"200"), (b"x-up", b"%d" % number)])
        for _ in range(self.random.randint(0, 2)):
            if number not in self.answered:
                self.say(number)
                self.back.waiting += session.data_to_send()  # a frame of its own

    def say(self, number: int, *, end: bool = False) -> None:
        assert self.server is not None
        session = self.server.session
        data = self.random.randbytes(self.random.choice((0, 1, 60, 9000)))
        how = self.random.random()
        self.said[number] += data
        if end or how < 0.3:
            self.answered.add(number)
            if self.random.random() < 0.5:
                if data:
                    session.send_data(number, data)
                session.send_trailers(number, [(b"grpc-status", b"0"), (b"x-end", b"%d" % number)])
            else:
                session.send_data(number, data, end_stream=True)
        elif data:
            session.send_data(number, data)

    # --- the end

    def settle(self) -> None:
        """All that is open is ended in peace."""
        for number in sorted(self.open):
            if not self.is_over(number):
                self.send(number, ended=True)
        while self.carry(None) or self.finish():
            pass

    def finish(self) -> bool:
        """Whether the backend still had something to answer."""
        if self.server is None:
            return False
        asked = self.server.asked
        there = [number for number in asked if asked[number].ended is None and number not in self.answered]
        for number in there:
            if number not in self.answering:
                self.answering.add(number)
                self.said[number] = b""
                self.server.session.send_response(number, [(b":status", b"200"), (b"x-up", b"%d" % number)])
            self.say(number, end=True)
        return bool(there)


class ChaosTests(SynchronousTestCase):
    """See the module."""

    def test_at_random(self) -> None:
        """Each exchange ends once, nothing stays behind, and what ended in peace arrived whole."""
        whole = 0
        for seed in range(_SEEDS):
            chaos = Chaos(seed)
            for _ in range(_STEPS):
                chaos.step()
            chaos.settle()
            whole += self.look(chaos, seed)
        self.assertGreater(whole, _SEEDS * 100)

    def look(self, chaos: Chaos, seed: int) -> int:
        """What is left. Returns how many answers came whole."""
        walk, server, got = chaos.walk, chaos.server, chaos.client.got
        assert server is not None
        self.assertEqual([], chaos.client.goaways, seed)
        self.assertEqual([], server.goaways, seed)
        self.assertEqual((0, 1), (walk.cluster.active, len(walk.upstreams)), seed)
        # What was taken has been given back, but for what is not worth a frame yet.
        self.assertGreaterEqual(chaos.client.session.remote_window_size, 2 * _BUFFER, seed)
        self.assertGreaterEqual(server.session.remote_window_size, 50 * _BUFFER, seed)
        self.assertEqual({}, chaos.client.wire.protocol.streams, seed)
        self.assertEqual({}, server.wire.protocol._streams, seed)
        self.assertEqual(len(walk.finished), len(set(map(id, walk.finished))), seed)
        self.assertTrue(all(exchange.done for exchange in walk.finished), seed)
        whole = 0
        for number in chaos.sent.keys() - chaos.broken:
            self.assertIsNotNone(got[number].ended, (seed, number))
            in_peace = got[number].whole and got[number].trailers.get(b"grpc-status", b"0") == b"0"
            if b"x-up" not in got[number].fields or not in_peace:
                continue
            whole += 1
            up = int(got[number].fields[b"x-up"])
            self.assertEqual(chaos.said[up], got[number].body, (seed, number))
            if b"x-end" in got[number].trailers:
                self.assertEqual(b"%d" % up, got[number].trailers[b"x-end"], (seed, number))
            if server.asked[up].whole:
                self.assertEqual(chaos.sent[number], server.asked[up].body, (seed, number))
        return whole
