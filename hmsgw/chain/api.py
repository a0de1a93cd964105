"""What a plugin may import: the two ways to end a request, and the shapes of what it is given.

Knows: the contract with plugin authors (docs/plugins.md). Refuses to know: how steps are run, and what an exchange is.
Drop-ins find HTTPError and Response in their namespace without an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from hmsgw.reasons import CLIENT_GONE, can_be_sent
from hmsgw.wire.headers import Headers, pairs_of


class HTTPError(Exception):
    """Refuse the request.

    status: 400..599, but for 499, which is never sent. message: the `detail` of the problem+json body, for the person
    who meets it. headers: extra response fields. reason: a word of `hmsgw.reasons.ALL`; without one it follows from the
    status (401 unauthenticated, 403 forbidden, ...), else it is `plugin`.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        if not can_be_sent(status, 400):
            raise ValueError(f"an HTTPError has a status from 400 to 599, not {status!r}")
        if reason == CLIENT_GONE.word:
            raise ValueError(f"{reason} is said of a client that no answer can reach")
        super().__init__(status, message)
        self.status = int(status)
        self.message = message
        self.headers = dict(headers) if headers is not None else {}
        self.reason = reason


class Response:
    """Answer the request from a request step: return one from `run`.

    status: 200..599, but for 499. headers: response fields, as a mapping or as pairs, in which names may be repeated
    (Set-Cookie). body: bytes, or str (sent as UTF-8); never sent with 204, 205 and 304.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: bytes | str = b"",
    ) -> None:
        if not can_be_sent(status):
            raise ValueError(f"a Response has a status from 200 to 599, not {status!r}")
        self.status = int(status)
        self.headers = Headers()
        for name, value in pairs_of(headers or ()):
            self.headers.add(name, value)
        if not isinstance(body, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"a Response has a body of bytes or str, not {type(body).__name__}")
        self.body = body.encode() if isinstance(body, str) else bytes(body)


class OptionError(ValueError):
    """A fault in a plugin's options. `option`: the key at fault (dotted, `keys[0].name`), or None for the whole.
    `others`: more faults, to be told together with it."""

    def __init__(self, message: str, option: str | None = None, *, others: Sequence[OptionError] = ()) -> None:
        super().__init__(message)
        self.option = option
        self.others = tuple(others)


class Client(Protocol):
    """The client as the gateway sees it, after trusted proxies: host is an IP address, IPv4-mapped ones as IPv4."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def certificate(self) -> Any:
        """None without one, else: subject and issuer (RFC 4514), sans (`DNS:...`, `email:...`, `URI:...`, `IP:...`,
        `UPN:...`), serial and fingerprint (SHA-256) in hexadecimal, not_before and not_after (UTC), der, pem."""


class Request(Protocol):
    """The request as a plugin sees it. method, path, query, headers, user and state may be written, each only with
    what can be sent; a plugin that finds out who asks writes claims and api_key too. A write to anything else raises
    AttributeError."""

    method: str
    path: str
    query: str
    body_limit: int | None
    """The most bytes of body that this request may bring, None: `limits.body`. A step may only lower it; that raises
    HTTPError 413 when more has come."""
    user: Any
    claims: dict[str, Any] | None
    api_key: str | None
    """Set by the plugin that recognised an API key."""
    limits: list[Any] | None
    """What the limits said that were asked (`limits.fields.Said`), until they are told to the client."""
    state: dict[str, Any]
    fields: Sequence[tuple[bytes, bytes, bytes]]
    """The fields behind `headers`, as (lower-case name, name, value) bytes: the fast way for the catalogue. Put another
    sequence in its place to change them; this one may belong to the whole connection."""

    @property
    def headers(self) -> Headers: ...
    @property
    def client(self) -> Client: ...
    @property
    def host(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def route(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def params(self) -> dict[str, str]: ...
    @property
    def id(self) -> str: ...
    @property
    def awaits_body(self) -> bool: ...
    async def body(self) -> bytes: ...


class ResponseView(Protocol):
    """What `on_response` gets: the head that is about to go to the client."""

    status: int
    fields: list[tuple[bytes, bytes, bytes]]
    """The fields behind `headers`, as in `Request`."""

    @property
    def headers(self) -> Headers: ...
