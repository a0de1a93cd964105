"""Signed tokens (JWS compact form, RFC 7515; JWT, RFC 7519), read with every doubt against them.

Knows: how a token is spelled, and what its claims may be. Refuses to know: keys and signatures (`keys.py`), and where a
token came from. Strategy: pure functions; whatever two readers could take in two ways is refused before any signature
is looked at: loose base64, duplicate members, deep nesting, numbers that are none. A refusal names what is wrong in
words that may be sent to the client and hold nothing of the token.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_TOKEN_BYTES = 16 * 1024
_MAX_DEPTH = 16
_LATEST_S = 253402300799
"""The end of the year 9999; a later time is a mistake, or a probe."""

_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
#: The last characters of base64url whose unused bits are zero, by length modulo 4 (RFC 4648 section 3.5).
_CANONICAL_END = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_PLAIN_TYPES = frozenset({"jwt", "at+jwt"})


class BadToken(Exception):
    """The token is refused. str(): the reason, printable ASCII without quotes (RFC 6750 `error_description`)."""


class Header(NamedTuple):
    """The parts of a JOSE header that count. typ: lower-case, without `application/`; None when there is none."""

    alg: str
    kid: str | None
    typ: str | None


class Token(NamedTuple):
    """A token as spelled; nothing of it is believed yet. signed: the bytes that `signature` is over."""

    header: Header
    payload: bytes
    signed: bytes
    signature: bytes


#: An issuer's tokens have one header, as long as it has one key: spelled -> what it says, for sound ones only.
_headers: dict[bytes, Header] = {}
_MAX_HEADERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What claims have to be. issuers, audiences: any of them; empty: not looked at. leeway_s: for clocks that differ.
    types: allowed `typ` of the header, lower-case; empty: an ordinary JWT or access token, or none said.
    may_be_bound: to a client certificate, which the caller compares (`thumbprint`)."""

    may_be_bound: bool = False
    issuers: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    leeway_s: float = 30.0
    require_exp: bool = True
    types: frozenset[str] = frozenset()


def read(token: bytes, max_bytes: int = MAX_TOKEN_BYTES) -> Token:
    """Take a token apart. Raises BadToken."""
    if len(token) > max_bytes:
        raise BadToken("the token is too long")
    found = _COMPACT.fullmatch(token)
    if found is None:
        if token.count(b".") == 4:
            raise BadToken("the token is encrypted, and only signed tokens are taken")
        raise BadToken("the token is not three parts of base64url")
    spelled, payload, signature = found.groups()
    header = _headers.get(spelled)
    if header is None:
        header = read_header(decoded(spelled))
        if len(_headers) >= _MAX_HEADERS:
            _headers.clear()
        _headers[spelled] = header
    return Token(header, decoded(payload), token[: found.end(2)], decoded(signature))


def read_header(raw: bytes) -> Header:
    """The JOSE header from its JSON. Raises BadToken."""
    members = read_object(raw)
    alg, kid, typ = members.get("alg"), members.get("kid"), members.get("typ")
    if type(alg) is not str:
        raise BadToken("the token names no algorithm")
    if "crit" in members or "b64" in members:
        raise BadToken("the token demands an extension that is not known here")
    if "zip" in members or "enc" in members:
        raise BadToken("the token is encrypted or compressed, and only signed tokens are taken")
    if kid is None:
        if "kid" in members:
            raise BadToken("kid is not a string")
    elif type(kid) is not str:
        raise BadToken("kid is not a string")
    if typ is None:
        if "typ" in members:
            raise BadToken("typ is not a string")
    elif type(typ) is not str:
        raise BadToken("typ is not a string")
    else:
        typ = typ.lower().removeprefix("application/")
    return Header(alg, kid, typ)


def decoded(part: bytes) -> bytes:
    """Bytes of a base64url part (RFC 7515 section 2) whose alphabet was checked. Raises BadToken.

    No padding, and no bits that are thrown away: one value has one spelling.
    """
    odd = len(part) % 4
    if odd:
        if odd == 1 or part[-1] not in _CANONICAL_END[odd]:
            raise BadToken("a part of the token is not base64url as it has to be")
        part += b"=" * (4 - odd)
    return a2b_base64(part.translate(_TO_STANDARD))


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises BadToken for anything else, and for what readers disagree about: duplicate members, NaN,
    lone surrogates, nesting deeper than 16."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadToken("a part of the token is not UTF-8") from None
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH and _depth(text) > _MAX_DEPTH:
        raise BadToken("a part of the token is nested too deep")
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise BadToken("a part of the token is not JSON") from None
    if type(value) is not dict:
        raise BadToken("a part of the token is not a JSON object")
    if b"\\u" in raw and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise BadToken("a part of the token holds half a character")
    return value


def check(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> float:
    """Judge the claims of a token whose signature holds, at `now` (POSIX seconds).

    Returns when the token ceases to be good, leeway included; infinity when it does not say. Raises BadToken.
    """
    if rules.types:
        if header.typ not in rules.types:
            raise BadToken("the token is of another type than is taken here")
    elif header.typ is not None and header.typ not in _PLAIN_TYPES:
        raise BadToken("the token is of another type than an access token")
    for name in ("iss", "sub"):
        if name in claims and type(claims[name]) is not str:
            raise BadToken(f"{name} is not a string")
    if "cnf" in claims and not (rules.may_be_bound and thumbprint(claims)):
        raise BadToken("the token is bound to a key, and bearing it proves nothing")
    ends = _check_times(claims, rules, now)
    if rules.issuers and claims.get("iss") not in rules.issuers:
        raise BadToken("the token is from another issuer")
    audience = claims.get("aud", [])
    if type(audience) is str:
        audience = [audience]
    elif type(audience) is not list or any(type(one) is not str for one in audience):
        raise BadToken("aud is neither a string nor a list of strings")
    if rules.audiences and rules.audiences.isdisjoint(audience):
        raise BadToken("the token is for another audience")
    return ends


def thumbprint(claims: Mapping[str, Any]) -> bytes | None:
    """SHA-256 of the certificate that a token is bound to (RFC 8705 section 3.1); None when it is not, or is bound to
    anything else as well."""
    bound = claims.get("cnf")
    if type(bound) is not dict or list(bound) != ["x5t#S256"]:
        return None
    spelled = bound["x5t#S256"]
    if type(spelled) is not str or _THUMBPRINT.fullmatch(spelled) is None:
        return None
    try:
        return decoded(spelled.encode("ascii"))
    except BadToken:
        return None


def scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """What a token permits: `scope` (RFC 8693 section 4.2: words in a string), or `scp` as some issuers call it."""
    granted: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if type(value) is str:
            granted.update(value.split(" "))
        elif type(value) is list:
            granted.update(one for one in value if type(one) is str)
    return frozenset(granted)


def _check_times(claims: Mapping[str, Any], rules: Rules, now: float) -> float:
    ends = float("inf")
    if "exp" in claims:
        ends = _time(claims, "exp") + rules.leeway_s
        if now >= ends:
            raise BadToken("the token has expired")
    elif rules.require_exp:
        raise BadToken("the token does not say when it expires")
    if "nbf" in claims and now < _time(claims, "nbf") - rules.leeway_s:
        raise BadToken("the token is not valid yet")
    if "iat" in claims and now < _time(claims, "iat") - rules.leeway_s:
        raise BadToken("the token was issued in the future")
    return ends


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2)."""
    value = claims[name]
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= _LATEST_S:
        raise BadToken(f"{name} is not a time")
    return float(value)


def _depth(text: str) -> int:
    deepest = depth = 0
    for found in _BRACKET_OR_STRING.finditer(text):
        mark = found.group(0)
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadToken("a part of the token has two members of one name")
    return members


def _no_number(word: str) -> Any:
    raise BadToken("a part of the token holds a number that is none")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
