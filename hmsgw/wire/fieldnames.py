"""The fields that a gateway must not treat like any other, by lower-case name; the one place that lists them.

Knows: which fields frame a message, which belong to one hop, which only a gateway may write. Refuses to know: what is
done about them: dropped, refused or looked at, each reader says. Strategy: sets that readers combine, so that a name
that is added here is heeded by parsers, trailers, plugins and forwarding alike.
"""

from __future__ import annotations

#: Belong to one hop (RFC 9110 section 7.6.1), or offer what this hop does not do (Upgrade, HTTP2-Settings).
HOP_BY_HOP = frozenset({
    b"connection", b"proxy-connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"trailer",
    b"http2-settings", b"proxy-authenticate", b"proxy-authorization",
})  # fmt: skip

#: Belong to a connection of HTTP/1.1 and make an HTTP/2 message malformed (RFC 9113 section 8.2.2).
HTTP1_ONLY = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})

#: A codec writes these itself.
FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host"})

#: Nobody but who frames the message writes one of these.
NOT_SENDABLE = HOP_BY_HOP | FRAMING

#: Written by the gateway into every request (the contract, section 6).
WRITTEN = frozenset({
    b"via", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id",
    b"traceparent",
})  # fmt: skip

#: Said by a gateway about a request, so never taken from a client as they are; two of them this gateway does not write.
MANAGED = WRITTEN | {b"x-forwarded-port", b"x-real-ip"}
