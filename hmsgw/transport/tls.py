"""TLS as the gateway speaks it, on both sides (NIST SP 800-52r2).

Knows: versions, cipher suites, which certificate answers to which name, and that an upstream's certificate is always
verified. Refuses to know: sockets, and where the bytes come from. Strategy: contexts are built from bytes once a
reload, which also renews the keys of session tickets; a name is looked up in a dictionary at each handshake. Curves are
left to OpenSSL, whose FIPS provider offers the approved ones only; so are the suites of TLS 1.3, where the server's
preference makes it AES-GCM for any client that has the suite that RFC 8446 demands.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.logger import Logger

from hmsgw.config.faults import Fault, Refused
from hmsgw.config.model import NOWHERE, Where
from hmsgw.transport.pem import BadCertificate, Leaf, load_chain, read_authorities, read_pair

#: TLS 1.2: forward secrecy and AES-GCM only; no CBC, no RSA key transport, no ChaCha20 (SP 800-52r2 section 3.3.1).
CIPHERS_1_2 = "ECDHE+AES128+AESGCM:ECDHE+AES256+AESGCM"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


_log = Logger()
_Context = TypeVar("_Context")


def certificate_for(name: str, by_name: Mapping[str, _Context]) -> _Context | None:
    """What is kept for a server name: under itself, else under its wildcard, which stands for one label (RFC 9525
    section 6.3)."""
    lower = name.lower()
    return by_name.get(lower) or by_name.get("*." + lower.partition(".")[2])


def _hardened(context: ssl.SSLContext, minimum: str) -> ssl.SSLContext:
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(CIPHERS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """Clients are asked for a certificate. ca: PEM, the authorities whose are taken. required: a client without one is
    refused. where: of the CA file."""

    ca: bytes
    required: bool
    where: Where = field(default=NOWHERE, compare=False)


class ServerTls:
    """The certificates of one listener.

    pairs: (chain PEM, key PEM), the first for names that no other has. alpn: protocols in order of preference. where:
    of the listener, for faults; places: of each pair, where it has one. Raises Refused.

    clients: who has to prove themselves, None for nobody. leaves: what each pair's certificate says.
    """

    def __init__(
        self,
        pairs: tuple[tuple[bytes, bytes], ...],
        minimum: str,
        alpn: tuple[bytes, ...],
        *,
        where: Where,
        places: tuple[Where, ...] = (),
        clients: ClientAuth | None = None,
    ) -> None:
        self.clients = clients
        self.pairs = pairs
        self.minimum = minimum
        self.alpn = alpn
        self._by_name: dict[str, ssl.SSLContext] = {}
        contexts = []
        leaves: list[Leaf] = []
        faults = []
        for index, (chain, key) in enumerate(pairs):
            try:
                leaf = read_pair(chain, key)
                context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), minimum)
                load_chain(context, chain, key)
            except BadCertificate as error:
                place = places[index] if places else where
                faults.append(Fault(place, f"certificate {index + 1} of this listener: {error}"))
                continue
            context.set_alpn_protocols([protocol.decode() for protocol in alpn])
            context.num_tickets = 1  # clients keep one; OpenSSL's default is to send two
            contexts.append(context)
            leaves.append(leaf)
            now = datetime.now(timezone.utc)
            if leaf.is_near_end(now):
                # Served all the same: the listener's other names, and clients that do not look, go on.
                _log.warn(
                    "{where}: certificate {number} of this listener {ends} on {day}; renew it, clients refuse it then",
                    where=where, number=index + 1, day=leaf.expires.date().isoformat(),
                    ends="expired" if leaf.expires < now else "expires",
                )  # fmt: skip
            for name in leaf.names:
                self._by_name.setdefault(name, context)
        if clients is not None:
            try:
                authorities = b"".join(one.public_bytes(Encoding.DER) for one in read_authorities(clients.ca))
            except BadCertificate as error:
                faults.append(Fault(clients.where, f"client_ca: {error}"))
            else:
                # In each: after SNI has chosen another, that one's authorities are asked.
                for context in contexts:
                    context.verify_mode = ssl.CERT_REQUIRED if clients.required else ssl.CERT_OPTIONAL
                    context.load_verify_locations(cadata=authorities)
        if faults:
            raise Refused(faults)
        self.leaves = tuple(leaves)
        self.context: ssl.SSLContext = contexts[0]
        if len(contexts) > 1:
            self.context.sni_callback = self._choose

    def _choose(self, session: Any, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            found = certificate_for(name, self._by_name)
            if found is not None:
                session.context = found

    def same_as(self, other: ServerTls | None) -> bool:
        """Nothing would change for a client."""
        ours = (self.pairs, self.minimum, self.alpn, self.clients)
        return other is not None and ours == (other.pairs, other.minimum, other.alpn, other.clients)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How to speak TLS to a service. ca: PEM, None for the host's own trust store. name: that the certificate must
    carry, None for the endpoint's host. certificate, key: to show, PEM. alpn: what to offer, in order of preference.
    Verification is always on."""

    ca: bytes | None = None
    name: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    alpn: tuple[bytes, ...] = (b"http/1.1",)

    def context(self) -> ssl.SSLContext:
        """A context for its connections. Blocking: it reads the host's trust store. Raises BadCertificate."""
        context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "1.2")
        try:
            if self.ca is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(cadata=self.ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            read_authorities(self.ca or b"")  # says what it holds, where it can be told
            raise BadCertificate("the CA is not PEM, or what is between its lines is damaged") from None
        if (self.certificate is None) != (self.key is None):
            raise BadCertificate("a certificate to show needs its key, and a key its certificate")
        if self.certificate is not None and self.key is not None:
            read_pair(self.certificate, self.key)
            load_chain(context, self.certificate, self.key)
        context.set_alpn_protocols([protocol.decode() for protocol in self.alpn])
        return context
