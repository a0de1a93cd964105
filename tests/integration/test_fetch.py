"""Fetching over real connections: what hostile servers do, and that no connection stays open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from hmsgw.identity.fetch import NotFetched, fetcher
from hmsgw.identity.keysets import KeySets
from tests.identity.minting import jwk, key_set, rsa_key

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Server(Protocol):
    """Sends what its factory says as soon as there is a request."""

    factory: Any

    def dataReceived(self, data: bytes) -> None:
        self.factory.script(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.lost.callback(None)


class FetchTests(TestCase):
    def serve(self, script: Callable[[Any], None]) -> tuple[str, Deferred[None]]:
        """Its URL, and what fires when the connection has ended."""
        factory = Factory.forProtocol(Server)
        factory.script = script  # type: ignore[attr-defined]
        factory.lost = Deferred()  # type: ignore[attr-defined]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}/jwks.json", factory.lost  # type: ignore[attr-defined]

    async def refused(self, script: Callable[[Any], None], words: str, timeout_s: float = 5.0) -> None:
        url, lost = self.serve(script)
        failure = await self.assertFailure(fetcher(reactor)(url, 1000, timeout_s), NotFetched)
        self.assertIn(words, str(failure))
        await lost

    async def test_good(self) -> None:
        """A document arrives, and the connection is closed."""
        url, lost = self.serve(lambda out: out.write(HEAD + b"Content-Length: 2\r\n\r\n{}"))
        body, fields = await fetcher(reactor)(url, 1000, 5.0)
        self.assertEqual((body, fields["content-type"]), (b"{}", "application/json"))
        await lost

    async def test_endless(self) -> None:
        """A body without an end is cut at its bound."""
        await self.refused(lambda out: out.write(HEAD + b"\r\n" + b"x" * 100_000), "too long")

    async def test_hanging(self) -> None:
        """A server that says nothing, or stops in the middle, is cut at the deadline."""
        await self.refused(lambda out: None, "no answer", 0.2)
        await self.refused(lambda out: out.write(HEAD + b"Content-Length: 9\r\n\r\n{"), "no answer", 0.2)

    async def test_dripping(self) -> None:
        """One that always has a little more is cut at the deadline as well."""

        def script(out: Any) -> None:
            out.write(HEAD + b"Content-Length: 900\r\n\r\n")
            drip = LoopingCall(out.write, b"{")
            drip.start(0.02)
            self.addCleanup(drip.stop)

        await self.refused(script, "no answer", 0.3)

    async def test_redirect(self) -> None:
        """A redirect is not followed."""
        await self.refused(
            lambda out: out.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 9\r\n\r\n"),
            "redirects",
        )

    async def test_packed(self) -> None:
        """A compressed body is refused unread."""
        await self.refused(lambda out: out.write(HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b"), "compressed")

    async def test_cut_short(self) -> None:
        """Half a document is none."""

        def script(out: Any) -> None:
            out.write(HEAD + b"Content-Length: 9\r\n\r\n{")
            out.loseConnection()

        await self.refused(script, "broke")

    async def test_a_key_set(self) -> None:
        """A key set is fetched and used as it is."""
        raw = key_set(jwk(rsa_key(), kid="a"))
        url, lost = self.serve(lambda out: out.write(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)))
        sets = KeySets(reactor, fetcher(reactor))  # type: ignore[arg-type]
        self.addCleanup(sets.stop)
        keys = sets.get(url)
        await sets.first_answers()
        self.assertEqual((keys.version, sets.status()), (1, {url: None}))
        await lost
