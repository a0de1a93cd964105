"""Which event loop is under the reactor.

Knows: how to tell a uvloop reactor from others, and how each does a thing a little later. Refuses to know: transports.
`hmsgw.tap` chooses; everybody else asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def soon_of(reactor: Any) -> Callable[[Callable[[], None]], object]:
    """Calls what it is given once the events that are there now have been handled."""
    loop = uvloop_of(reactor)
    if loop is not None:
        return loop.call_soon  # type: ignore[no-any-return]
    return lambda call: reactor.callLater(0, call)


def uvloop_of(reactor: Any) -> Any:
    """The uvloop loop that `reactor` runs on, or None."""
    loop = getattr(reactor, "_asyncioEventloop", None)
    return loop if loop is not None and type(loop).__module__.split(".")[0] == "uvloop" else None
