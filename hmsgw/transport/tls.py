"""TLS as the gateway speaks it, on both sides (NIST SP 800-52r2).

Knows: versions, cipher suites, which certificate answers to which name, and that an upstream's certificate is always
verified. Refuses to know: sockets, and where the bytes come from. Strategy: contexts are built from bytes once a
reload; a name is looked up in a dictionary at each handshake.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hmsgw.config.faults import Fault, Refused
from hmsgw.config.model import Where
from hmsgw.transport.pem import BadCertificate, load_chain, names_of

#: TLS 1.2: forward secrecy and AES-GCM only; no CBC, no RSA key transport, no ChaCha20 (SP 800-52r2 section 3.3.1).
CIPHERS_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def _hardened(context: ssl.SSLContext, minimum: str) -> ssl.SSLContext:
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(CIPHERS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


class ServerTls:
    """The certificates of one listener.

    pairs: (chain PEM, key PEM), the first for names that no other has. alpn: protocols in order of preference. where:
    for faults. Raises Refused.
    """

    def __init__(
        self, pairs: tuple[tuple[bytes, bytes], ...], minimum: str, alpn: tuple[bytes, ...], *, where: Where
    ) -> None:
        self.pairs = pairs
        self.minimum = minimum
        self.alpn = alpn
        self._by_name: dict[str, ssl.SSLContext] = {}
        contexts = []
        faults = []
        for index, (chain, key) in enumerate(pairs):
            try:
                names = names_of(chain, key)
                context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), minimum)
                load_chain(context, chain, key)
            except BadCertificate as error:
                faults.append(Fault(where, f"certificate {index + 1} of this listener: {error}"))
                continue
            context.set_alpn_protocols([protocol.decode() for protocol in alpn])
            contexts.append(context)
            for name in names:
                self._by_name.setdefault(name, context)
        if faults:
            raise Refused(faults)
        self.context: ssl.SSLContext = contexts[0]
        if len(contexts) > 1:
            self.context.sni_callback = self._choose

    def _choose(self, session: Any, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            lower = name.lower()
            found = self._by_name.get(lower) or self._by_name.get("*." + lower.partition(".")[2])
            if found is not None:
                session.context = found

    def same_as(self, other: ServerTls | None) -> bool:
        """Nothing would change for a client."""
        return other is not None and (self.pairs, self.minimum, self.alpn) == (other.pairs, other.minimum, other.alpn)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How to speak TLS to a service. ca: PEM, None for the host's own trust store. name: that the certificate must
    carry, None for the endpoint's host. certificate, key: to show, PEM. Verification is always on."""

    ca: bytes | None = None
    name: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    def context(self) -> ssl.SSLContext:
        """The context for a connection. Raises BadCertificate."""
        return _client_context(self)


@lru_cache(maxsize=256)
def _client_context(tls: ClientTls) -> ssl.SSLContext:
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "1.2")
    try:
        if tls.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=tls.ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise BadCertificate(f"the CA is not PEM: {error}") from None
    if tls.certificate is not None and tls.key is not None:
        names_of(tls.certificate, tls.key)
        load_chain(context, tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    return context
