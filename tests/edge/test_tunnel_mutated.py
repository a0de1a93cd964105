"""WebSockets whose ends do anything in any order: nothing escapes, nothing is left behind, nothing is out of order."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Deadlines, Limits, Service, Timeouts
from hmsgw.wire.websocket import Direction
from tests.walks.walk import OK, Walk
from tests.walks.websocket import AWAY, OPENING, frame, switched

NO = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"


class Mutation:
    """One conversation. dice: decides everything. up, down: what either side has said in the WebSocket."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.walk = Walk(
            limits=Limits(head=2048), service=Service(timeouts=Timeouts(total=dice.choice([None, 50.0]))),
            deadlines=Deadlines(body_progress=20),
        )  # fmt: skip
        self.up = self.down = self.seen_up = self.seen_down = b""
        self.answered = False
        self.yes = False
        self.drained = False

    def run(self) -> None:
        """To the end of the connection."""
        self.walk.client_sends(OPENING)
        self.take()
        for _ in range(self.dice.randrange(1, 25)):
            self.dice.choices(CALLS, WEIGHTS)[0](self)
            self.take()
        for wire in (self.walk.client, *self.walk.upstreams):
            if wire.closed is None:
                wire.lost(self.dice.random() < 0.5)
                self.take()
        self.walk.passes(30)

    def take(self) -> None:
        """Both ends read what there is."""
        if self.walk.upstreams:
            for head, _, rest in [self.walk.upstreams[0].take().rpartition(b"Sec-WebSocket-Key: ")]:
                self.seen_up += rest.partition(b"\r\n\r\n")[2] if head else rest
        data = self.walk.client.take()
        if data.startswith(b"HTTP/1.1 101 "):
            data = data.partition(b"\r\n\r\n")[2]
        if self.yes:
            self.seen_down += data

    def client_speaks(self) -> None:
        if self.walk.client.closed is None and self.walk.client.reading:
            data = self.words(masked=True)
            self.up += data
            self.walk.client_sends(data)

    def words(self, *, masked: bool) -> bytes:
        data = frame(self.dice.randbytes(self.dice.choice([0, 1, 125, 126, 3000])), masked=masked)
        return data[: self.dice.choice([1, 3, 1000, 4000])]

    def upstream_speaks(self) -> None:
        (wire,) = self.walk.upstreams
        if wire.closed is not None or not wire.reading:
            return
        if not self.answered:
            self.answered = True
            answer = self.dice.choice([switched(), switched(), switched(), OK, NO, b"x\r\n\r\n", switched(b"x" * 24)])
            self.yes = answer == switched()
            wire.protocol.dataReceived(answer)
        elif self.yes:
            data = self.words(masked=False)
            self.down += data
            wire.protocol.dataReceived(data)

    def ends(self) -> None:
        wire = self.dice.choice([self.walk.client, self.walk.upstreams[0]])
        if wire.closed is None:
            wire.lost(self.dice.random() < 0.7)

    def fills(self) -> None:
        wire = self.dice.choice([self.walk.client, self.walk.upstreams[0]])
        if wire.producer is not None:
            self.dice.choice([wire.producer.pauseProducing, wire.producer.resumeProducing])()

    def time_passes(self) -> None:
        self.walk.passes(self.dice.choice([1, 6, 70]))

    def drains(self) -> None:
        self.drained = True
        self.walk.door.drain()

    def stops(self) -> None:
        self.walk.door.stop_all()


CALLS = (
    Mutation.client_speaks, Mutation.upstream_speaks, Mutation.ends, Mutation.fills, Mutation.time_passes,
    Mutation.drains, Mutation.stops,
)  # fmt: skip
WEIGHTS = (8, 8, 0.5, 3, 1, 0.5, 0.1)


class MutatedTests(SynchronousTestCase):
    """As `tests.edge.test_h2_mutated`, with what becomes of a connection of HTTP/1.1."""

    def test_anything(self) -> None:
        """Each exchange ends once, each connection is let go; what is seen is the beginning of what was said, and behind
        it nothing but a goodbye, between two frames; nothing goes up without a yes."""
        opened = 0
        for seed in range(1500):
            mutation = Mutation(random.Random(seed))
            mutation.run()
            walk = mutation.walk
            left = (walk.cluster.active, walk.door.open, walk.door.crowd.n, walk.door.gauge.n, walk.door.websocket_gauge.n)
            self.assertEqual(left, (0, set(), 0, 0, 0), seed)
            self.assertTrue(all(wire.closed for wire in walk.upstreams), seed)
            if not mutation.yes:
                self.assertEqual(b"", mutation.seen_up, seed)
                continue
            opened += 1
            self.assertEqual(1, len(walk.records), seed)
            for said, seen, goodbye in (
                (mutation.up, mutation.seen_up, 4 + len(AWAY)), (mutation.down, mutation.seen_down, len(AWAY)),
            ):  # fmt: skip
                if not said.startswith(seen):
                    self.assertTrue(mutation.drained, seed)
                    self.assertTrue(said.startswith(seen[:-goodbye]), seed)
                    self.assertEqual(0x88, seen[-goodbye], seed)
                    before = Direction()
                    before.pass_on(seen[:-goodbye])
                    self.assertTrue(before.is_between_frames, seed)
        self.assertGreater(opened, 500)
