"""The paths that routes name: one spelling, the same that requests are brought to.

Knows: `{name}` segments, `/*`, `strip_prefix`, `rewrite`. Refuses to know: matching. Strategy: segment by segment, each
literal one through `wire.target.normalise_path`, so that a route can only name what a request can be.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.target import normalise_path

_PARAM = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PARAM_TEXT = "a parameter is a whole segment, `{name}` of letters, digits and `_`"
#: Everything visible in ASCII stays as it is: a request's path may hold it unescaped.
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))


def route_path(text: str) -> str:
    """The path of a route in its one spelling. Raises ValueError with words that follow the quoted text."""
    segments = _segments(text, "path")
    seen: set[str] = set()
    spelled = []
    for n, segment in enumerate(segments):
        last = n == len(segments) - 1
        param = _PARAM.fullmatch(segment)
        if segment == "*":
            if not last:
                raise ValueError("has `*` in the middle: it stands for all that follows, so it can only be the end")
            if "rest" in seen:
                raise ValueError("calls a segment `{rest}`, which is what `/*` matched; give it another name")
        elif param is not None:
            if param[1] in seen:
                raise ValueError(f"has two segments called `{{{param[1]}}}`; give one another name")
            seen.add(param[1])
        elif "{" in segment or "}" in segment:
            raise ValueError(f"has a brace in a segment: {_PARAM_TEXT}; a literal brace is written %7B or %7D")
        elif "*" in segment:
            raise ValueError("has `*` inside a segment: it stands alone, at the end; a literal one is written %2A")
        elif not segment and not last:
            raise ValueError("has an empty segment (`//`); requests come to be matched with single slashes only")
        else:
            segment = _literal(segment)
        spelled.append(segment)
    return "/" + "/".join(spelled)


def parameters(path: str) -> frozenset[str]:
    """The names that a rewrite of a route with this path may use."""
    names = set(_PARAM.findall(path))
    return frozenset(names | {"rest"} if path.endswith("/*") else names)


def shape(path: str) -> str:
    """`path` with the names of its parameters taken out: two routes of one shape match the same paths."""
    return _PARAM.sub("{}", path) if "{" in path else path


def stripped_prefix(text: str, path: str) -> str:
    """A `strip_prefix` without the slash at its end. Raises ValueError as `route_path` does."""
    prefix = "/" + "/".join(_literal(segment) for segment in _segments(text.rstrip("/") or "/", "prefix"))
    if prefix == "/":
        raise ValueError("strips nothing; leave it out")
    if "{" in text or "*" in text:
        raise ValueError("has a placeholder: a prefix is literal; use `rewrite` instead")
    if path != prefix and not path.startswith(prefix + "/"):
        raise ValueError(f"is not how the path begins ({path}), segment by segment")
    return prefix


def rewritten(text: str, path: str) -> str:
    """A `rewrite` that can be filled in. Raises ValueError as `route_path` does."""
    known = parameters(path)
    spelled = []
    for segment in _segments(text, "rewrite"):
        literal = _PARAM.sub("", segment)
        if "{" in literal or "}" in literal:
            raise ValueError("has a brace that is no `{name}`")
        for name in _PARAM.findall(segment):
            if name not in known:
                there = ", ".join(f"`{{{name}}}`" for name in sorted(known)) or "none"
                raise ValueError(f"uses `{{{name}}}`, which the path does not have (it has {there})")
        if segment in (".", ".."):
            raise ValueError("has a dot segment; write the path as it is to be")
        spelled.append(quote(segment, safe=_VISIBLE))
    return "/" + "/".join(spelled)


def _segments(text: str, what: str) -> list[str]:
    if not text.startswith("/"):
        raise ValueError(f"does not begin with `/`, as a {what} does")
    if len(text) > 4096:
        raise ValueError("is longer than 4096 characters")
    if "?" in text or "#" in text:
        raise ValueError(f"holds `?` or `#`, which end a {what}; routes are not chosen by the query")
    return text[1:].split("/")


def _literal(segment: str) -> str:
    """One segment in the spelling of a request. Non-ASCII characters and spaces are percent-encoded UTF-8."""
    if segment.lower().replace("%2e", ".") in (".", ".."):
        raise ValueError("has a dot segment; requests come to be matched without any")
    try:
        spelled = normalise_path(b"/" + quote(segment, safe=_VISIBLE).encode())
    except EdgeFault as fault:
        raise ValueError(f"can't be matched. {fault.detail}") from None
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair") from None
    return spelled[1:].decode()
