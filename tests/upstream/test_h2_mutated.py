"""A backend that sends any HTTP/2 in any order: nothing escapes, every exchange ends once, nothing stays behind."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service, Timeouts
from tests.walks.h2_client import H2Client, frame
from tests.walks.walk import Turns, Walk, Wire

_HEADS = (
    b"\x88", b"\x88\x5c\x015", b"\x89", b"\x8d", b"\x48\x03103", b"\x48\x03101", b"\x00\x01a\x01b", b"\xff\xff\xff\xff",
    b"\x88\x00\x03x\r\n\x01b", b"\x00\x0bgrpc-status\x010", b"\x88\x00\x0aconnection\x05close", b"",
)  # fmt: skip
_REQUESTS = (
    b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
)


class Conversation:
    """One, by dice alone."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.turns = Turns()
        timeouts = Timeouts(connect=1.0, first_byte=2.0, idle=2.0)
        service = Service(protocol="h2c", timeouts=timeouts, retries=Retries(attempts=dice.randrange(3), budget=1.0))
        self.walk = Walk(service=service, turns=self.turns)
        self.walk.connect_at_once = dice.random() < 0.8
        self.clients: list[Wire] = []
        self.calls = H2Client(self.walk)

    def run(self) -> None:
        self.ask()
        for _ in range(self.dice.randrange(3, 25)):
            self.dice.choices((self.send, self.ask, self.meddle, self.turn, self.wait), (14, 4, 3, 8, 1))[0]()
        for client in (*self.clients, self.calls.wire):
            client.lost()
        while self.walk.connecting:
            self.walk.connects()
        self.turns.one(3)
        for wire in self.walk.upstreams:
            wire.lost()
        self.turns.one(3)

    def ask(self) -> None:
        if self.dice.random() < 0.2:
            if self.calls.wire.closed is None:
                self.calls.request(b"/c", b"POST", (b"content-type", b"application/grpc"), ended=False)
            return
        client = self.walk.new_client()
        self.clients.append(client)
        client.protocol.dataReceived(self.dice.choice(_REQUESTS))

    def turn(self) -> None:
        self.turns.one()
        if self.walk.connecting:
            self.dice.choice((self.walk.connects, self.walk.connects, self.walk.connect_fails))()
            self.turns.one()

    def wait(self) -> None:
        self.walk.passes(self.dice.choice((0.2, 1.0, 3.0)))
        self.turns.one()

    def meddle(self) -> None:
        """With a client: it goes, reads no more, reads again, sends more."""
        client = self.dice.choice(self.clients or [self.calls.wire])
        what = self.dice.randrange(4)
        if client.closed is not None:
            return
        if what == 0:
            client.lost()
        elif what == 1 and client.producer is not None:
            client.producer.pauseProducing()
        elif what == 2 and client.producer is not None:
            client.producer.resumeProducing()
        elif what == 3:
            client.protocol.dataReceived(b"5\r\nworld\r\n0\r\n\r\n")

    def send(self) -> None:
        there = [wire for wire in self.walk.upstreams if wire.closed is None]
        if not there:
            return
        wire = self.dice.choice(there)
        if self.dice.random() < 0.1:
            wire.lost()
            return
        start = frame(4, 0, 0) if self.dice.random() < 0.5 else b""
        data = start + b"".join(self.frame() for _ in range(self.dice.randrange(1, 5)))
        cut = self.dice.randrange(len(data))
        for part in (data[:cut], data[cut:]):
            if part and wire.closed is None:
                wire.protocol.dataReceived(part)
        wire.take()

    def frame(self) -> bytes:
        dice = self.dice
        number = dice.choice((0, 1, 1, 1, 3, 3, 5, 7, 2, 99))
        flags = dice.choice((0, 1, 4, 4, 4, 5, 5, 8))
        kind = dice.choice((0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 77))
        payload = {
            0: bytes(dice.choice((0, 1, 5, 1000, 16384))),
            1: dice.choice(_HEADS),
            3: dice.randrange(14).to_bytes(4, "big"),
            4: dice.choice((b"", b"\0\3" + dice.randrange(3).to_bytes(4, "big"), b"\0\4\0\0\0\0", b"\0\4\xff\xff\xff\xff")),
            6: bytes(8),
            7: dice.choice((0, 1, 3, 2**31 - 1)).to_bytes(4, "big") + bytes(4),
            8: dice.choice((0, 1, 60_000, 2**31 - 1)).to_bytes(4, "big"),
            9: dice.choice(_HEADS),
        }.get(kind, bytes(dice.randrange(9)))
        if kind in (4, 6, 7) and dice.random() < 0.9:
            flags, number = 0, 0
        return frame(kind, flags, number, payload)


class MutatedTests(SynchronousTestCase):
    """Connections, streams and those who wait for one, together."""

    def test_any_conversation(self) -> None:
        """Each exchange ends once; no lease, no place, no wire and no client is left."""
        ended = 0
        for seed in range(1500):
            conversation = Conversation(random.Random(seed))
            walk = conversation.walk
            try:
                conversation.run()
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
            self.assertEqual(len(walk.finished), len({id(one) for one in walk.finished}), seed)
            left = (walk.cluster.active, walk.cluster.retrying, [one for one in walk.door.open if one is not walk.client.protocol])
            self.assertEqual((0, 0, []), left, seed)
            self.assertEqual([], [wire for wire in walk.upstreams if wire.closed is None], seed)
            self.assertTrue(all(exchange.done for exchange in walk.finished), seed)
            ended += len(walk.finished)
        self.assertGreater(ended, 3000)
