"""Which route a request takes.

Knows: the order of the contract (section 3, Matching): exact host over wildcard host over none; then the most specific
path, segment by segment, literal over `{name}` over `*`; then more header conditions over fewer; a route matches only
if all its conditions do. Refuses to know: what a route leads to, and how a path is normalised (`wire.target`).
Strategy: a tree of segments a host, built once and never changed. A request walks it by dictionary look-ups, so ten
thousand routes cost what ten do; going back is bounded by the tree, not by the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from hmsgw.wire.headers import Field, text


class Conditions(Protocol):
    """What the router reads of a route."""

    @property
    def path(self) -> str: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def methods(self) -> tuple[str, ...]: ...
    @property
    def headers(self) -> dict[str, str]: ...


R = TypeVar("R", bound=Conditions)


class _Node(Generic[R]):
    """ends, rest: the routes that end here, and those that take all that follows; any_segment: `{name}`."""

    __slots__ = ("any_segment", "children", "ends", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node[R]] = {}
        self.any_segment: _Node[R] | None = None
        self.ends: tuple[R, ...] = ()
        self.rest: tuple[R, ...] = ()


class NotMatched:
    """No route. allowed: the methods that some route would have taken (then the answer is 405), else empty."""

    __slots__ = ("allowed",)

    def __init__(self, allowed: frozenset[str]) -> None:
        self.allowed = allowed


def _find(
    node: _Node[R], segments: list[str], at: int, method: str, fields: Sequence[Field], allowed: list[str]
) -> R | None:
    """The most specific route below `node` for the segments from `at`. allowed: gathers methods of near misses."""
    if at == len(segments):
        return _choose(node.ends, method, fields, allowed)
    segment = segments[at]
    child = node.children.get(segment)
    if child is not None:
        found = _find(child, segments, at + 1, method, fields, allowed)
        if found is not None:
            return found
    if node.any_segment is not None and segment:
        found = _find(node.any_segment, segments, at + 1, method, fields, allowed)
        if found is not None:
            return found
    return _choose(node.rest, method, fields, allowed) if node.rest else None


def _choose(routes: tuple[R, ...], method: str, fields: Sequence[Field], allowed: list[str]) -> R | None:
    for route in routes:
        if route.headers and not _headers_match(route.headers, fields):
            continue
        methods = route.methods
        if not methods or method in methods:
            return route
        allowed.extend(methods)
    return None


def _headers_match(wanted: dict[str, str], fields: Sequence[Field]) -> bool:
    for name, value in wanted.items():
        lower = name.encode()
        if not any(low == lower and text(there) == value for low, _, there in fields):
            return False
    return True


class Router(Generic[R]):
    """Immutable after construction. Paths of routes and of requests are in the one normal spelling."""

    def __init__(self, routes: Iterable[R]) -> None:
        self._exact: dict[str, _Node[R]] = {}
        self._wildcard: dict[str, _Node[R]] = {}
        self._any_host: _Node[R] = _Node()
        for route in routes:
            for host in route.hosts or (None,):
                self._insert(self._tree_for(host), route)

    def match(self, host: str, path: str, method: str, fields: Sequence[Field]) -> R | NotMatched:
        """host: lower-case, without port. path: normalised, starting with `/`."""
        segments = path.split("/")
        allowed: list[str] = []
        if self._exact and (tree := self._exact.get(host)) is not None:
            found = _find(tree, segments, 1, method, fields, allowed)
            if found is not None:
                return found
        if self._wildcard:
            dot = host.find(".")
            while dot >= 0:
                tree = self._wildcard.get(host[dot:])
                if tree is not None:
                    found = _find(tree, segments, 1, method, fields, allowed)
                    if found is not None:
                        return found
                dot = host.find(".", dot + 1)
        found = _find(self._any_host, segments, 1, method, fields, allowed)
        if found is not None:
            return found
        return NotMatched(frozenset(allowed))

    def _tree_for(self, host: str | None) -> _Node[R]:
        if host is None:
            return self._any_host
        if host.startswith("*."):
            return self._wildcard.setdefault(host[1:], _Node())
        return self._exact.setdefault(host, _Node())

    def _insert(self, node: _Node[R], route: R) -> None:
        segments = route.path[1:].split("/")
        rest = segments[-1] == "*"
        if rest:
            segments.pop()
        for segment in segments:
            if segment.startswith("{"):
                if node.any_segment is None:
                    node.any_segment = _Node()
                node = node.any_segment
            else:
                node = node.children.setdefault(segment, _Node())
        there = node.rest if rest else node.ends
        routes = tuple(sorted((*there, route), key=lambda r: -len(r.headers)))
        if rest:
            node.rest = routes
        else:
            node.ends = routes
