"""Frames in any order, good ones and bad ones, cut anywhere: nothing escapes, and nothing is left behind."""

from __future__ import annotations

import random
from collections.abc import Callable

from hpack import Encoder
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Limits
from tests.walks.h2_client import PREFACE, frame
from tests.walks.walk import OK, Walk
from tests.walks.websocket import AWAY, key_sent, switched

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n"
ANSWERS = (OK, LONG, LONG + bytes(50_000), CHUNKED, b"no HTTP at all\r\n\r\n")


class Mutation:
    """One conversation. dice: decides everything."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.walk = Walk(limits=Limits(buffer=32 * 1024, body=dice.choice([None, 4])))
        self.later: list[Callable[[], None]] = []
        if dice.random() < 0.5:
            self.walk.door.soon = self.later.append
        self.held = PREFACE

    def run(self) -> None:
        """To the end of the connection."""
        for _ in range(self.dice.randrange(2, 16)):
            self.dice.choices(CALLS, WEIGHTS)[0](self)
        self.send()
        self.upstreams_answer()
        if self.walk.client.closed is None:
            self.walk.client.lost()
        self.catch_up()

    def sends(self) -> None:
        """One more frame; now, or together with the next."""
        self.held += self.frame()
        if self.dice.random() < 0.5:
            self.send()

    def send(self) -> None:
        data, self.held = self.held, b""
        if self.walk.client.closed is None and data:
            self.walk.client.protocol.dataReceived(data)
            self.catch_up()

    def catch_up(self) -> None:
        while self.later:
            self.later.pop(0)()

    def upstreams_answer(self) -> None:
        self.send()
        for wire in self.walk.upstreams:
            sent = wire.take() if wire.closed is None else b""
            if b"\r\nSec-WebSocket-Key: " in sent and self.dice.random() < 0.7:
                wire.protocol.dataReceived(switched(key_sent(sent)) + self.dice.choice([b"", AWAY, b"\x81"]))
            elif sent:
                wire.protocol.dataReceived(self.dice.choice(ANSWERS))
        self.catch_up()

    def upstreams_go(self) -> None:
        for wire in self.walk.upstreams:
            if wire.closed is None:
                wire.lost()

    def time_passes(self) -> None:
        self.walk.passes(self.dice.choice([1, 80]))

    def drains(self) -> None:
        self.send()
        self.walk.door.drain()
        self.catch_up()

    def frame(self) -> bytes:
        dice = self.dice
        number = dice.choice([1, 3, 5, 7, 2, 0])
        frames = (
            lambda: frame(HEADERS, dice.choice([4, 5, 5, 0, 12]), number, self.head()),
            lambda: frame(DATA, dice.choice([0, 1]), number, b"d" * dice.choice([0, 1, 5, 100])),
            lambda: frame(RST_STREAM, 0, number, b"\0\0\0\x08"),
            lambda: frame(WINDOW_UPDATE, 0, number, dice.choice([0, 1, 65535, 2**31 - 1]).to_bytes(4, "big")),
            lambda: frame(SETTINGS, 0, 0, b"\0\4" + dice.choice([0, 5, 2**31 - 1, 2**32 - 1]).to_bytes(4, "big")),
            lambda: frame(PING, 0, 0, bytes(dice.choice([8, 8, 7]))),
            lambda: frame(GOAWAY, 0, 0, bytes(8)),
            lambda: frame(dice.randrange(20), dice.randrange(256), number, dice.randbytes(dice.randrange(30))),
        )
        return dice.choices(frames, (8, 4, 2, 2, 1, 1, 1, 1))[0]()

    def head(self) -> bytes:
        dice = self.dice
        method = dice.choice([b"GET", b"GET", b"POST", b"HEAD", b"CONNECT", b"get it"])
        path = dice.choice([b"/a", b"/b", b"/%2f", b"x"])
        fields = [(b":method", method), (b":scheme", b"http"), (b":authority", b"a"), (b":path", path)]
        if dice.random() < 0.2:
            fields[0] = (b":method", b"CONNECT")
            fields += [(b":protocol", dice.choice([b"websocket", b"websocket", b"x"])), (b"sec-websocket-version", b"13")]
        if dice.random() < 0.3:
            fields.append((b"content-length", dice.choice([b"0", b"5", b"x"])))
        if dice.random() < 0.2:
            fields.append((b"connection", b"close"))
        if dice.random() < 0.2:
            dice.shuffle(fields)
        return bytes(Encoder().encode(fields, huffman=dice.random() < 0.5))


CALLS = (Mutation.sends, Mutation.upstreams_answer, Mutation.upstreams_go, Mutation.time_passes, Mutation.drains)
WEIGHTS = (12, 3, 1, 1, 0.3)


class MutatedTests(SynchronousTestCase):
    """As `tests.integration.test_mutated` does with HTTP/1.1, without a socket."""

    def test_anything(self) -> None:
        """No exception reaches the transport; every exchange ends, every upstream and connection is let go."""
        for seed in range(1500):
            mutation = Mutation(random.Random(seed))
            mutation.run()
            walk = mutation.walk
            left = (walk.cluster.active, walk.cluster.retrying, walk.door.open, walk.door.crowd.n, walk.door.h2_gauge.n)
            self.assertEqual(left, (0, 0, set(), 0, 0), seed)
