"""Why a client's TLS handshake failed, in words for an operator.

Knows: OpenSSL's words, as `ssl` and pyOpenSSL hand them over. Refuses to know: sockets, and who is told. Strategy: what
a client did is worth a line; a connection that merely went away, as every port scan's and every health check's does,
is not.
"""

from __future__ import annotations

import ssl

from hmsgw.transport.client_certificate import CLIENT_CERTIFICATE

TLS_HANDSHAKE = "tls-handshake"
"""The metric's word for a client with which no TLS could be agreed on."""

#: OpenSSL's words for a handshake that the client's certificate, or the want of one, has ended.
_OVER_CERTIFICATE = {
    "peer did not return a certificate": "the client shows no certificate, and this listener requires one",
    "certificate verify failed": "the client's certificate does not hold",
}
_DISTRUSTS = "the client does not trust the certificate of this listener"
_WORDS = {
    "http request": "the client speaks plain HTTP, and this listener speaks TLS",
    "wrong version number": "what the client sent is no TLS, which this listener speaks",
    "unsupported protocol": "the client offers only versions of TLS below `tls.minimum`",
    "no shared cipher": "the client offers no cipher suite that is taken here",
    "tlsv1 alert unknown ca": _DISTRUSTS,
    "sslv3 alert bad certificate": _DISTRUSTS,
    "sslv3 alert certificate unknown": _DISTRUSTS,
    "sslv3 alert certificate expired": _DISTRUSTS,
}
_GONE = "unexpected eof while reading"


def handshake_fault(error: BaseException) -> tuple[str, str] | None:
    """(the metric's word, a sentence) of a server's handshake that failed for what the client did; None where it just
    went away. error: `ssl`'s, or pyOpenSSL's."""
    if isinstance(error, ssl.SSLError):
        words = [(getattr(error, "reason", None) or "").lower().replace("_", " ")]
    else:
        queue = error.args[0] if error.args and isinstance(error.args[0], list) else ()
        words = [str(entry[-1]).lower() for entry in queue if entry]
    for word in words:
        if word in _OVER_CERTIFICATE:
            said = _OVER_CERTIFICATE[word]
            more = f": {error.verify_message}" if isinstance(error, ssl.SSLCertVerificationError) else ""
            return CLIENT_CERTIFICATE, said + more
    word = next((word for word in words if word in _WORDS), words[0] if words else "")
    if not word or word == _GONE:
        return None
    return TLS_HANDSHAKE, _WORDS.get(word, f"no TLS was agreed on: {word}")


def handshake_late(timeout_s: float) -> tuple[str, str]:
    """The same of one that was not done in time."""
    return TLS_HANDSHAKE, f"the TLS handshake was not done within {timeout_s:g} s (`deadlines.tls`)"
