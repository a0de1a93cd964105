"""A page of a server that behaves badly, by path; what fetching from it must bear."""

from __future__ import annotations

import gzip
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET


class BadServer(Resource):
    """/good answers with `content` and one field; /redirect, /packed, /long (2000 bytes) and /slow do what they say;
    everything else is a 500. seen: the requests."""

    isLeaf = True

    def __init__(self, content: bytes, field: tuple[bytes, bytes]) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self._content = content
        self._field = field

    def render_GET(self, request: Any) -> Any:
        self.seen.append(request)
        path = request.path
        if path == b"/good":
            request.setHeader(*self._field)
            return self._content
        if path == b"/redirect":
            request.redirect(b"http://other.example/")
            return b""
        if path == b"/packed":
            request.setHeader(b"Content-Encoding", b"gzip")
            return gzip.compress(b"0" * 1_000_000)
        if path == b"/long":
            return b"x" * 2000
        if path == b"/slow":
            request.write(b"x")
            return NOT_DONE_YET
        request.setResponseCode(500)
        return b"No cluster leader"
