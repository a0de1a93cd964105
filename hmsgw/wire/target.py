"""Request targets: one spelling for every host and path, before anything decides by it (RFC 3986 section 6.2.2).

Knows: what an authority may hold; percent-escapes, dot segments, empty segments. Refuses to know: routes. Strategy:
what needs no change is seen with a few substring searches; only then is a path rebuilt, segment by segment. What is
matched is what is forwarded.
"""

from __future__ import annotations

import re

from hmsgw.reasons import BAD_PATH, BAD_REQUEST
from hmsgw.wire.faults import EdgeFault

#: Host and port as Host carries them (RFC 3986 section 3.2.2), without user information. Use `AUTHORITY.fullmatch`.
AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")

VISIBLE = re.compile(rb"[!-~]+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_PLAIN_TARGET_BYTES = 256
_ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BAD_BYTES = re.compile(rb"[\x00-\x20\x7f-\xff]")


class Authorities(dict[bytes, bytes]):
    """Host values seen before -> lower case; bounded, checked once."""

    def __missing__(self, host: bytes) -> bytes:
        if AUTHORITY.fullmatch(host) is None:
            raise EdgeFault("The Host field is not a host with an optional port.")
        if len(self) >= 1024:
            self.clear()
        lower = self[host] = host.lower()
        return lower


authorities = Authorities()


def check_visible(target: bytes) -> None:
    """Raises EdgeFault for a request target that holds anything but visible ASCII: bad-path where a control character
    stands in its path."""
    if VISIBLE.fullmatch(target) is None:
        in_path = _CONTROL.search(target.partition(b"?")[0]) is not None
        why = BAD_PATH if in_path else BAD_REQUEST
        raise EdgeFault("The request target holds a byte that must be percent-encoded.", why)


def is_plain_target(target: bytes) -> bool:
    """A path of ordinary length, with a query perhaps, that needs no second look before it is matched."""
    return (
        target[:1] == b"/"
        and 0x23 not in target
        and len(target) <= _PLAIN_TARGET_BYTES
        and VISIBLE.fullmatch(target) is not None
    )


def host_of(authority: bytes) -> str:
    """The host of an authority that `AUTHORITY` matches, without port, brackets and final dot; "" of none."""
    host = authority.decode("ascii")
    if host[:1] == "[":
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def normalise_path(path: bytes) -> bytes:
    """The one spelling of `path`: it starts with `/`, has no empty or dot segment and no needless escape.

    path: visible ASCII only, as a codec lets it through (`checked_path` for any other). Raises EdgeFault bad-path for
    an encoded slash, a backslash or a control character in either form, an escape that is none, and a path that climbs
    above the root.
    """
    # An int is looked for in a third of the time that a byte string takes: `in` tries that one as a number first.
    if 0x25 in path:
        path = _ESCAPE.sub(_one_escape, path)
    if 0x5C in path:
        raise EdgeFault("The path holds a backslash.", BAD_PATH)
    if path.find(b"//") >= 0 or path.find(b"/.") >= 0:
        return _without_dots(path)
    return path


def checked_path(path: bytes) -> bytes:
    """`normalise_path` for a path that no codec has looked at."""
    if path[:1] != b"/" or _BAD_BYTES.search(path) is not None:
        raise EdgeFault("The path has no slash in front, or holds a byte that must be percent-encoded.", BAD_PATH)
    return normalise_path(path)


def _one_escape(match: re.Match[bytes]) -> bytes:
    digits = match.group(1)
    try:
        if len(digits) != 2 or not digits.isalnum():
            raise ValueError
        code = int(digits, 16)
    except ValueError:
        raise EdgeFault("A `%` in the path is not followed by two hexadecimal digits.", BAD_PATH) from None
    if code == 0x2F:
        raise EdgeFault("The path holds an encoded slash.", BAD_PATH)
    if code < 0x20 or code == 0x7F or code == 0x5C:
        raise EdgeFault("The path holds an encoded backslash or control character.", BAD_PATH)
    return bytes((code,)) if code in _UNRESERVED else b"%" + digits.upper()


def _without_dots(path: bytes) -> bytes:
    segments = path.split(b"/")
    last = segments[-1]
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            if not kept:
                raise EdgeFault("The path climbs above the root.", BAD_PATH)
            kept.pop()
        elif segment not in (b"", b"."):
            if segment.startswith((b"..;", b".;")):
                # Some servers take the parameter off and climb then (Tomcat and its kin); nobody means it well.
                raise EdgeFault("The path holds a dot segment with a parameter.", BAD_PATH)
            kept.append(segment)
    tail = b"/" if kept and last in (b"", b".", b"..") else b""
    return b"/" + b"/".join(kept) + tail
