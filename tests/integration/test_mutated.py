"""Requests with seeded accidents in them: whatever an accident makes of a request, the service behind gets good HTTP."""

from __future__ import annotations

import random

from tests.integration.asking import Wire
from tests.integration.origins import Origin, Received
from tests.integration.running import GatewayCase, on_both_transports

GOOD = [
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n",
    b"GET /a?b=c HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive, X-B\r\nX-B: 1\r\nExpect: 100-continue\r\n\r\n",
    b"HEAD /%41/../b HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"PUT http://a/b HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nUpgrade: x\r\nConnection: upgrade, te\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
]
ACCIDENTS = [
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\xff", b"0", b"-", b"+", b"chunked",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"%2f", b"..", b"#", b"\x7f", b'"', b"HTTP/1.1",
    b"Host: \r\n", b"Connection: content-length\r\n", b"Connection: transfer-encoding, close\r\n",
]  # fmt: skip
ROUNDS = 250


def mutated(chance: random.Random) -> bytes:
    """One to three pipelined requests with up to three accidents."""
    data = bytearray(b"".join(chance.choice(GOOD) for _ in range(chance.randint(1, 3))))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        kind = chance.random()
        if kind < 0.6:
            data[at:at] = chance.choice(ACCIDENTS)
        elif kind < 0.8:
            del data[at : at + chance.randint(1, 4)]
        else:
            data[at] = chance.randrange(256)
    return bytes(data)


def is_good(got: Received) -> bool:
    """One framing, one host, an absolute path, no control characters, and the gateway's own fields once each."""
    return (
        len(got.values("content-length")) + len(got.values("transfer-encoding")) <= 1
        and all(len(got.values(name)) == 1 for name in ("host", "via", "x-forwarded-for", "x-request-id"))
        and got.target.startswith("/")
        and "/../" not in got.target
        and not any(
            ord(char) < 0x20 or ord(char) == 0x7F for _, value in got.fields for char in value.replace("\t", "")
        )
    )


@on_both_transports
class MutatedTests(GatewayCase):
    def test_nothing_ambiguous_goes_on(self) -> None:
        """What reaches the service has one meaning; every connection ends; nothing stays open."""
        origin = Origin()
        self.addCleanup(origin.close)
        gateway = self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            "deadlines: {head: 100ms, body_progress: 100ms, keep_alive: 100ms}\n"
            f"services: {{web: {{endpoints: ['{origin.url}']}}}}\nroutes: [{{path: /*, service: web}}]\n"
        )
        port, chance, statuses = gateway.port(), random.Random(2), set()
        for _ in range(ROUNDS):
            data = mutated(chance)
            cut = chance.randrange(len(data))
            with Wire(port) as wire:
                wire.send(data[:cut])
                try:
                    wire.send(data[cut:])
                except OSError:
                    pass  # refused already
                answers = wire.rest().split(b"HTTP/1.1 ")
                statuses |= {answer[:3] for answer in answers[1:]}
        self.assertEqual([got.raw for got in origin.got if not is_good(got)], [])
        self.assertTrue({b"200", b"400"} <= statuses, statuses)
        self.assertEqual([one["connections"] for one in gateway.status()["listeners"]], [0])
        self.assertEqual([one["requests"] for one in gateway.status()["services"]["web"]], [0])
