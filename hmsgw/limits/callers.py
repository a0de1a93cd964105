"""Whose counter a request belongs to.

Knows: the words `ip`, `user`, `key`, `route` and `all`, and what each reads of a request. Refuses to know: how a user
was recognised, and what is counted. Strategy: each word becomes one function, made when the plugin is built. Different
kinds of callers give values of different types or shapes, so that they can't share a counter by coincidence; and a
value that a client may make as long as it likes is kept as a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import blake2b
from socket import AF_INET6, inet_pton
from typing import Any, Protocol

WORDS = ("ip", "user", "route", "all")
LATER = ("key",)
"""Nothing says an API key in this version."""

_MAX_KEPT = 64
"""Characters of an issuer, subject or address that are kept as they are."""


class Address(Protocol):
    host: str


class Asking(Protocol):
    """What is read of a request. user, claims, api_key: set by the plugins that say who it is."""

    user: Any
    claims: dict[str, Any] | None
    api_key: str | None

    @property
    def client(self) -> Address: ...
    @property
    def route(self) -> str: ...


Caller = Callable[[Any], Hashable]


def caller(words: tuple[str, ...], ipv6_prefix: int) -> Caller:
    """The function from a request (`Asking`) to its caller. Several words: all of them together.

    words: of WORDS or LATER. ipv6_prefix: how many bits of an IPv6 address tell callers apart. A request without a
    user or without an API key counts for its address.
    """
    address = _address(ipv6_prefix)
    known: dict[str, Caller] = {
        "ip": address,
        "user": _user(address),
        "key": _api_key(address),
        "route": lambda req: (req.route,),
        "all": lambda req: (),
    }
    parts = tuple(known[word] for word in words)
    if len(parts) == 1:
        return parts[0]
    return lambda req: tuple(part(req) for part in parts)


def _address(ipv6_prefix: int) -> Caller:
    """IPv4: the address as text. IPv6: the first `ipv6_prefix` bits as bytes."""
    whole, rest = divmod(ipv6_prefix, 8)
    mask = 0xFF00 >> rest & 0xFF

    def of(req: Asking) -> Hashable:
        host = req.client.host
        if ":" not in host:
            return host if len(host) <= _MAX_KEPT else _digest("ip", host)
        try:
            packed = inet_pton(AF_INET6, host.partition("%")[0])
        except (OSError, ValueError):
            return _digest("ip", host)
        return packed[:whole] + bytes((packed[whole] & mask,)) if rest else packed[:whole]

    return of


def _user(otherwise: Caller) -> Caller:
    def of(req: Asking) -> Hashable:
        user = req.user
        if user is None:
            return otherwise(req)
        claims = req.claims
        issuer = claims.get("iss") if claims else None
        if type(user) is not str or len(user) > _MAX_KEPT:
            user = _digest("user", user)
        if issuer is not None and (type(issuer) is not str or len(issuer) > _MAX_KEPT):
            issuer = _digest("issuer", issuer)
        return issuer, user

    return of


def _api_key(otherwise: Caller) -> Caller:
    def of(req: Asking) -> Hashable:
        key = req.api_key
        return otherwise(req) if key is None else ("key", _digest("key", key))

    return of


def _digest(kind: str, value: object) -> bytes:
    """24 bytes: longer than an IPv6 address, so equal to none."""
    return blake2b(f"{kind}\0{value}".encode("utf-8", "surrogatepass"), digest_size=24).digest()
