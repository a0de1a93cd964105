"""One generation of the data plane: all that a request needs, fixed when it begins.

Knows: the routes and bounds of one accepted configuration. Refuses to know: how it was loaded, and its successor.
Strategy: immutable; a reload makes another one and swaps a single reference. A request keeps the one it began with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hmsgw.config.model import Limits
from hmsgw.deadlines import Deadlines
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.router import Router
from hmsgw.proxy.trusted import TrustedProxies


@dataclass(frozen=True, slots=True)
class Plane:
    """router, entries: the routes. unrouted: what a request that matches none is counted under.

    seconds: monotonic seconds. wall: seconds since 1970. finished: told of each exchange exactly once, at its end.
    config: the short digest that the access log carries. trusted: listener name -> whom to believe.
    """

    router: Router[Entry]
    entries: tuple[Entry, ...]
    unrouted: Entry
    limits: Limits
    trusted: dict[str, TrustedProxies]
    deadlines: Deadlines
    seconds: Callable[[], float]
    wall: Callable[[], float]
    finished: Callable[[Any], None]
    count_retry: Callable[[str], None]
    config: str
