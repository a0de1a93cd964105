"""The start of a message, whatever wire it came by.

Knows: the parts of a request head and of a response head, and how a body is framed. Refuses to know: bytes on a wire.
Strategy: slotted records made once by a codec; lists of fields are handed on, not copied.
"""

from __future__ import annotations

from collections.abc import Iterable

from hmsgw.reasons import can_be_sent
from hmsgw.wire.fieldnames import NOT_SENDABLE
from hmsgw.wire.headers import Field, Headers

#: As bytes on a wire -> as everybody else knows them. Any other token is a method too, but not a usual one.
METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
}  # fmt: skip


#: Statuses whose answers have no content (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5).
NO_CONTENT = frozenset({204, 205, 304})


def has_content(head: ResponseHead, method: bytes) -> bool:
    """Whether a body follows this answer to a request of this method (RFC 9112 section 6.3, rule 1)."""
    return head.body and method != b"HEAD" and head.code != 204 and head.code != 304


def sendable_fields(fields: Iterable[Field]) -> list[Field]:
    """Fields that plugins have had in their hands, without those that would change how the message is framed."""
    return [field for field in fields if field[0] not in NOT_SENDABLE]


class RequestHead:
    """method: bytes. target: origin-form bytes, or `*`. authority: Host or :authority, lower-cased, b"" when none.
    fields: without Host, never written. length: bytes of the body, 0 for none, None when chunked. has_length:
    Content-Length was there. strip: some field must not be forwarded as it is. close: the client ends the connection
    after this message. expect_continue: it waits for 100. te_trailers: it takes trailers. connection: lower-case names
    that `Connection` nominates. websocket: it opens a WebSocket; then
    length is None. What most requests do not have is a default of the class, not a store for each.

    A client sends nearly the same head again and again. So a connection keeps the record and only sets method and
    target anew; what was found out about the fields stays with them (`forwardable`, `encoded`, `pairs`, `call`).
    """

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    authority: bytes = b""
    protocol: str = "http/1.1"
    length: int | None = 0
    has_length: bool = False
    chunked: bool = False
    close: bool = False
    strip: bool = False
    expect_continue: bool = False
    te_trailers: bool = False
    connection: frozenset[bytes] = frozenset()
    websocket: bool = False
    forwardable: tuple[Field, ...] | None = None
    """The fields that may go on (`proxy.forwarding`), once asked for."""
    encoded: bytes | None = None
    """Those as HTTP/1.1 field lines, once asked for."""
    pairs: list[tuple[bytes, bytes]] | None = None
    """Those as HTTP/2 carries them, once asked for."""
    call: tuple[bytes | None, float | None] | None = None
    """What kind of call it is, and how long its caller waits (`wire.grpc`), once asked for."""


def unreadable_request(is_head: bool) -> RequestHead:
    """What stands for a request whose head could not be read: the log and the metrics need a method and a path.

    is_head: as much was read that its method is HEAD; then no answer to it has a body (RFC 9110 section 9.3.2).
    """
    head = RequestHead()
    head.method, head.target, head.fields, head.close = b"HEAD" if is_head else b"-", b"/", (), True
    return head


class ResponseHead:
    """A response's head on its way to the client; `resp` of response steps. fields may be written until it is sent.

    code: the status, which `status` is as response steps see it. length: bytes of the body, None when chunked or ended
    by the close. body: False when none follows whatever the fields say (HEAD, 204, 304). dated: it has a Date field.
    framed: its Content-Length field is among the fields. edited: plugins have had the headers in their hands. close:
    the connection it came by can't be kept. switch: what follows is no HTTP (`wire.websocket`).
    """

    chunked: bool = False
    close: bool = False
    body: bool = True
    dated: bool = False
    framed: bool = False
    edited: bool = False
    switch: bool = False
    _headers: Headers | None = None

    def __init__(self, status: int, fields: list[Field], length: int | None) -> None:
        self.code = status
        self.fields = fields
        self.length = length

    def again(self) -> ResponseHead:
        """A copy that nobody has had in their hands, of one that was kept for that."""
        copy = ResponseHead(self.code, self.fields.copy(), self.length)
        if self.dated:
            copy.dated = True
        if self.framed:
            copy.framed = True
        return copy

    def settle(self) -> None:
        """After plugins that had the headers or the status: drop what they may not have changed, see what is there."""
        self.fields = sendable_fields(self.fields)
        self.framed = False
        self.edited = False
        self.dated = any(field[0] == b"date" for field in self.fields)
        if self.code in NO_CONTENT:
            self.body, self.length = False, 0 if self.code == 205 else None

    @property
    def status(self) -> int:
        """200 to 599."""
        return self.code

    @status.setter
    def status(self, value: int) -> None:
        if not can_be_sent(value):
            raise ValueError(f"{value!r} is not a status that can be sent; it is a number from 200 to 599")
        self.code = int(value)
        self.edited = True  # another status may ask for another framing

    @property
    def headers(self) -> Headers:
        """The fields as plugins see them."""
        if self._headers is None or self._headers.fields is not self.fields:
            self._headers = Headers(self.fields)
        self.edited = True
        return self._headers
