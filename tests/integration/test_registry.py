"""Following a registry over real connections: kept ones, broken ones, and ones that hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.consul_source import ConsulSource
from hmsgw.registry.fetch import KeptConnections
from hmsgw.registry.guards import Guard
from hmsgw.registry.poller import RegistryPoller

Script = Callable[[Any], None]


def answer(*addresses: str, index: int = 7) -> Script:
    """Consul's answer with these instances."""
    body = orjson.dumps([{"Node": {}, "Service": {"Address": address, "Port": 8080}} for address in addresses])
    head = b"HTTP/1.1 200 OK\r\nX-Consul-Index: %d\r\nContent-Length: %d\r\n\r\n" % (index, len(body))
    return lambda out: out.write(head + body)


def hang(out: Any) -> None:
    """Say nothing."""


class Registry(Protocol):
    """Does for each question what comes next in its factory's script."""

    factory: Any

    def connectionMade(self) -> None:
        self.factory.connections += 1

    def dataReceived(self, data: bytes) -> None:
        self.factory.questions.append(data)
        scripts = self.factory.scripts
        (scripts.pop(0) if scripts else hang)(self.transport)


class RegistryTests(TestCase):
    async def follow(self, *scripts: Script, deadline_s: float = 6.3) -> Any:
        """Follow a registry that does all this, until it has been asked once more than that."""
        factory: Any = Factory.forProtocol(Registry)
        factory.scripts, factory.questions, factory.connections = list(scripts), [], 0
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        kept = KeptConnections(reactor, 10)
        source = ConsulSource(f"http://127.0.0.1:{port.getHost().port}", "t0ken", kept.fetch, kept.close)
        source.deadline_s = deadline_s
        self.told: list[tuple[Endpoint, ...]] = []
        poller = RegistryPoller(reactor, source, lambda _, endpoints: self.told.append(endpoints), guard=Guard())  # type: ignore[arg-type]
        self.addCleanup(poller.stop)
        poller.watch({"clinics"})
        while len(factory.questions) <= len(scripts):
            pause: Deferred[None] = Deferred()
            reactor.callLater(0.01, pause.callback, None)  # type: ignore[attr-defined]
            await pause
        self.status = poller.status()["clinics"]
        return factory

    def hosts(self) -> list[list[str]]:
        return [[endpoint.host for endpoint in endpoints] for endpoints in self.told]

    async def test_kept_connection(self) -> None:
        """All questions go over one connection, with the token and the index of the last answer."""
        factory = await self.follow(answer("10.0.0.1"), answer("10.0.0.1", "10.0.0.2", index=8))
        self.assertEqual((self.hosts(), factory.connections), ([["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]], 1))
        self.assertNotIn(b"index=", factory.questions[0])
        self.assertIn(b"index=7&wait=5s", factory.questions[1])
        self.assertIn(b"index=8&wait=5s", factory.questions[2])
        self.assertIn(b"X-Consul-Token: t0ken", factory.questions[0].replace(b"x-consul-token", b"X-Consul-Token"))

    async def test_broken_answers(self) -> None:
        """Cut, not HTTP, not JSON, an error, nothing at all, endless, empty: the endpoints stay through all of it."""
        await self.follow(
            answer("10.0.0.1"),
            lambda out: out.abortConnection(),
            lambda out: (out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"), out.loseConnection()),
            lambda out: (out.write(b"SSH-2.0-OpenSSH\r\n"), out.loseConnection()),
            lambda out: out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
            lambda out: out.write(b"HTTP/1.1 500 No\r\nContent-Length: 17\r\n\r\nNo cluster leader"),
            lambda out: out.write(b"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
            lambda out: out.write(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (5 << 20)),
            answer(),
        )
        self.assertEqual((self.hosts(), self.status.state), ([["10.0.0.1"]], "held"))

    async def test_slow_drip(self) -> None:
        """An answer that comes in too slowly is given up at its deadline, its connection with it."""
        factory = await self.follow(
            answer("10.0.0.1"),
            lambda out: out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n["),
            hang,
            answer("10.0.0.2"),
            deadline_s=0.2,
        )
        self.assertEqual((self.hosts(), factory.connections), ([["10.0.0.1"], ["10.0.0.2"]], 3))
