"""Client certificates in handshakes, on whichever event loop: who comes in, and what a resumed session carries."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from hmsgw.transport.pem import load_chain
from hmsgw.transport.tls import ClientAuth
from tests.integration.wire import Recorder, WireCase, dial, server_tls, trusting
from tests.transport.minting import Pair, authority, leaf, mint

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
STRANGE = mint("strange authority", ca=True, days=30)


class Teller(Recorder):
    """Says whose certificate the connection has."""

    def connectionMade(self) -> None:
        found = getattr(self.transport, "client_certificate", None)
        self.transport.write(b"nobody" if found is None else found.subject.encode())


def clients(required: bool = True, ca: Pair | None = None) -> ClientAuth:
    return ClientAuth((ca or authority()).pem, required)


def showing(pair: Pair | None, version: ssl.TLSVersion = VERSIONS[1]) -> ssl.SSLContext:
    context = trusting()
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    if pair is not None:
        load_chain(context, *pair.both)
    return context


class ClientAuthTests(WireCase):
    """Who comes in."""

    async def told(self, serving: Any, context: ssl.SSLContext, name: str = "localhost") -> str:
        def ask() -> bytes:
            with dial(serving.address[1], context, name) as sock:
                return bytes(sock.recv(100))

        return str((await self.apart(ask)).decode())

    async def refused(self, serving: Any, context: ssl.SSLContext, words: str) -> None:
        """The client gets nothing, the Protocol hears of nobody, and one refusal is told."""
        before, made = len(self.refusals), [one for one in self.made if one.transport is not None]
        try:
            self.assertEqual("", await self.told(serving, context))
        except (ssl.SSLError, ConnectionError):
            pass
        await self.until(lambda: len(self.refusals) > before and serving.handshaking == 0)
        self.assertEqual(made, [one for one in self.made if one.transport is not None])
        client, reason, why = self.refusals[-1]
        self.assertEqual((before + 1, "127.0.0.1", "client-certificate"), (len(self.refusals), client, reason))
        self.assertIn(words, why)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_shown(self) -> None:
        """With either version of TLS, and under every certificate of ours, the connection has the client's."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), leaf("second.gov"), clients=clients()))
        for version in VERSIONS:
            for name in ("localhost", "second.gov", "unknown.gov"):
                self.assertEqual("CN=clerk", await self.told(serving, showing(leaf("clerk"), version), name))
        self.assertEqual([], self.refusals)

    async def test_required(self) -> None:
        """Nobody comes in without one; there is a sentence that says so."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), leaf("second.gov"), clients=clients()))
        for version in VERSIONS:
            await self.refused(serving, showing(None, version), "shows no certificate")

    async def test_optional(self) -> None:
        """Without one a client comes in as nobody; with one that does not hold it does not come in at all."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), clients=clients(required=False)))
        for version in VERSIONS:
            self.assertEqual("nobody", await self.told(serving, showing(None, version)))
            self.assertEqual("CN=clerk", await self.told(serving, showing(leaf("clerk"), version)))
            await self.refused(serving, showing(mint("clerk", (), STRANGE), version), "does not hold")

    async def test_not_asked(self) -> None:
        """A listener that asks nobody takes no certificate."""
        serving = self.serve(Teller, server_tls(leaf("localhost")))
        self.assertEqual("nobody", await self.told(serving, showing(leaf("clerk"))))

    async def test_does_not_hold(self) -> None:
        """Of another authority, expired, only for servers, or signed by what is no authority."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), clients=clients()))
        bad = (
            mint("clerk", (), STRANGE), leaf("clerk", days=0), mint("clerk"), mint("clerk", (), leaf("mallory")),
            mint("clerk", (), authority(), use=ExtendedKeyUsageOID.SERVER_AUTH),
        )  # fmt: skip
        for pair in bad:
            for version in VERSIONS:
                await self.refused(serving, showing(pair, version), "does not hold")

    async def resumed(self, serving: Any, context: ssl.SSLContext, between: Any = lambda: None) -> tuple[bool, str]:
        """(whether a second connection was a resumed one, what it was told)."""

        def twice() -> tuple[bool, str]:
            session = None
            for turn in range(2):
                sock = socket.create_connection(("127.0.0.1", serving.address[1]), 5)
                with context.wrap_socket(sock, server_hostname="localhost", session=session) as secured:
                    said = secured.recv(100)
                    session, reused = secured.session, bool(secured.session_reused)
                if turn == 0:
                    between()
            return reused, said.decode()

        reused, said = await self.apart(twice)
        return bool(reused), str(said)

    async def test_resumed(self) -> None:
        """A resumed session still has its certificate, and who had none has none."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), leaf("b.gov"), clients=clients(required=False)))
        for version in VERSIONS:
            self.assertEqual((True, "CN=clerk"), await self.resumed(serving, showing(leaf("clerk"), version)))
            self.assertEqual("nobody", (await self.resumed(serving, showing(None, version)))[1])

    async def test_resumed_after_a_change(self) -> None:
        """Once other authorities count, a session of before is worth nothing."""
        for version in VERSIONS:
            serving = self.serve(Teller, server_tls(leaf("localhost"), clients=clients()))
            other = server_tls(leaf("localhost"), clients=clients(ca=STRANGE))
            try:
                found = await self.resumed(serving, showing(leaf("clerk"), version), partial(serving.set_tls, other))
            except (ssl.SSLError, ConnectionError):
                found = (False, "")
            self.assertEqual((False, ""), found)
            await self.until(lambda: len(self.refusals) == 1)

    async def test_resumed_elsewhere(self) -> None:
        """A session that was made where nobody is asked opens no listener that asks."""
        open_to_all = self.serve(Teller, server_tls(leaf("localhost")))
        asking = self.serve(Teller, server_tls(leaf("localhost"), clients=clients()))
        for version in VERSIONS:
            context = showing(None, version)

            def carried(context: ssl.SSLContext = context) -> bytes:
                sock = socket.create_connection(("127.0.0.1", open_to_all.address[1]), 5)
                with context.wrap_socket(sock, server_hostname="localhost") as first:
                    first.recv(100)
                    session = first.session
                sock = socket.create_connection(("127.0.0.1", asking.address[1]), 5)
                try:
                    with context.wrap_socket(sock, server_hostname="localhost", session=session) as second:
                        return bytes(second.recv(100))
                except (ssl.SSLError, ConnectionError):
                    return b""

            self.assertEqual(b"", await self.apart(carried))

    async def test_kept_over_a_change(self) -> None:
        """An open connection does not notice that certificates and authorities are exchanged."""
        serving = self.serve(Teller, server_tls(leaf("localhost"), clients=clients()))
        sock = await self.apart(dial, serving.address[1], showing(leaf("clerk")))
        self.assertEqual(b"CN=clerk", await self.apart(sock.recv, 100))
        serving.set_tls(server_tls(leaf("localhost", "x.gov"), clients=clients(ca=STRANGE)))
        await self.apart(sock.sendall, b"still here")
        await self.until(lambda: self.made[0].received == b"still here")
        sock.close()
