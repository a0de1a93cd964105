"""What a route must be apart from the kinds of its keys, and what routes must be to each other.

Knows: names, `strip_prefix` and `rewrite` of one route; when two routes can't be told apart. Refuses to know: how a
request finds its route (`proxy.router`), plugins and services. Strategy: one pass over the routes with a table of what
each can be told apart by, so that ten thousand of them cost no more than a reading of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hmsgw.config.faults import quoted
from hmsgw.config.model import Route
from hmsgw.config.paths import rewritten, shape, stripped_prefix
from hmsgw.config.places import Where
from hmsgw.config.reading import At


def checked_route(route: Route, at: At) -> Route:
    """The route with its name, prefix and rewrite as they are used."""
    if route.strip_prefix is not None and route.rewrite is not None:
        at.fault("rewrite", "a route has `strip_prefix` or `rewrite`, not both")
    return replace(
        route,
        name=route.name or route.path,
        hosts=tuple(dict.fromkeys(route.hosts)),
        methods=tuple(dict.fromkeys(route.methods)),
        strip_prefix=_changed(route.strip_prefix, "strip_prefix", stripped_prefix, route.path, at),
        rewrite=_changed(route.rewrite, "rewrite", rewritten, route.path, at),
    )


def _changed(text: str | None, key: str, change: Callable[[str, str], str], path: str, at: At) -> str | None:
    if text is None:
        return None
    try:
        return change(text, path)
    except ValueError as error:
        at.fault(key, f"{quoted(text)} {error}")
        return None


def tell_twins(routes: tuple[Route, ...], at: At) -> None:
    """Tell each pair of routes that some request would match alike: host, path, header conditions and method."""
    methods_of: dict[object, dict[str, Where]] = {}
    for route in routes:
        conditions = (shape(route.path), frozenset(route.headers.items()))
        for host in route.hosts or (None,):
            taken = methods_of.setdefault((host, conditions), {})
            twin = _twin(taken, route.methods)
            if twin is not None:
                on_host = f" on {host}" if host else ""
                at.fault_at(route.where, "routes", (
                    f"{quoted(route.path)}{on_host} can't be told apart from the route in line {twin.line}: same path, "
                    "same `headers`, and a method in common; change one, or remove it"
                ))  # fmt: skip
                break
            for method in route.methods or ("",):
                taken[method] = route.where


def tell_namesakes(routes: tuple[Route, ...], at: At) -> None:
    """Tell each route that is given a name which another one has. Routes of one path share it until they have names."""
    taken: dict[str, Route] = {}
    for route in routes:
        other = taken.setdefault(route.name, route)
        if other is not route and not route.name == route.path == other.path:
            at.fault_at(route.where, "routes", (
                f"the name {quoted(route.name)} is that of the route in line {other.where.line} already; give each a "
                "`name` of its own"
            ))  # fmt: skip


def _twin(taken: dict[str, Where], methods: tuple[str, ...]) -> Where | None:
    """The place of a route that takes one of these methods too. The method "" is any."""
    if not taken:
        return None
    if not methods or "" in taken:
        return taken.get("") or next(iter(taken.values()))
    return next((taken[method] for method in methods if method in taken), None)
