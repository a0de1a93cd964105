"""grpc-web: browsers speak gRPC-Web, the service behind speaks gRPC (grpc/grpc doc/PROTOCOL-WEB.md).

Knows: both media types, the frame that stands for trailers, base64 in pieces. Refuses to know: messages: they are the
same in both. Strategy: only the last frame is new, so bodies pass as they come; nothing is held but what is left of a
group of base64.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from hmsgw.chain.api import HTTPError, Request, ResponseView
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.wire.grpc import GRPC, GRPC_WEB, GRPC_WEB_TEXT, UNKNOWN, call_kind, status_fields, status_in
from hmsgw.wire.headers import Headers

_KIND = "grpc-web"
_TRAILERS_FLAG = 0x80
_GROUP = 4
#: Groups of base64, of which any may be padded: its sender may have written in pieces.
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)*")
_PADDED = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """There is nothing to set."""


class GrpcWeb:
    """The steps. A request that is no gRPC-Web call passes untouched."""

    def run(self, req: Request) -> None:
        kind = call_kind(req.fields)
        if kind not in (GRPC_WEB, GRPC_WEB_TEXT):
            return
        if req.method != "POST":
            raise HTTPError(405, "A gRPC-Web call is a POST.", {"Allow": "POST"})
        req.state[_KIND] = kind
        req.headers["Content-Type"] = _retyped(req.headers["Content-Type"], kind, GRPC)

    def transform(self, req: Request) -> Call | None:
        kind = req.state.get(_KIND)
        if kind is None:
            return None
        return TextCall() if kind == GRPC_WEB_TEXT else Call()


class Call:
    """One call in the binary form."""

    kind = GRPC_WEB
    _says_status = False
    """The answer's head does, where it is all of the answer."""

    def response_begin(self, resp: ResponseView) -> bool:
        if call_kind(resp.fields) != GRPC:
            return False
        self._says_status = status_in(resp.fields) is not None
        resp.headers["Content-Type"] = _retyped(resp.headers["Content-Type"], GRPC, self.kind)
        return True

    def response(self, data: bytes) -> bytes:
        return data

    def response_end(self, trailers: Headers) -> bytes:
        """The trailers as the last frame of the body: browsers show no others. Where the service told no status, what
        gRPC's own callers make of it (doc/statuscodes.md): without a word some take the call for a success."""
        if not self._says_status and status_in(trailers.fields) is None:
            trailers.fields += status_fields(UNKNOWN, "The service ended the call without a status.")
        lines = b"".join(b"%b: %b\r\n" % (lower, value) for lower, _, value in trailers.fields)
        trailers.fields.clear()
        return bytes((_TRAILERS_FLAG,)) + len(lines).to_bytes(4, "big") + lines if lines else b""


class TextCall(Call):
    """One call in base64, for browsers that read answers as text."""

    kind = GRPC_WEB_TEXT

    def __init__(self) -> None:
        self._held = b""

    def request(self, data: bytes) -> bytes:
        data = self._held + data
        end = len(data) - len(data) % _GROUP
        self._held = data[end:]
        if _BASE64.fullmatch(data, 0, end) is None:
            raise HTTPError(400, "The body is not base64, as application/grpc-web-text has it.")
        return b"".join(b64decode(one) for one in _PADDED.findall(data, 0, end))

    def request_end(self) -> bytes:
        if self._held:
            raise HTTPError(400, "The body ends within a group of base64.")
        return b""

    def response(self, data: bytes) -> bytes:
        return b64encode(data)

    def response_end(self, trailers: Headers) -> bytes:
        return b64encode(super().response_end(trailers))


def _retyped(value: str, old: bytes, new: bytes) -> str:
    """The media type of another kind, with the same message format: `+proto`, `;charset`."""
    return new.decode() + value[len(old) :]


def build(settings: Settings, tools: Tools, use: UseInfo) -> GrpcWeb:
    return GrpcWeb()
