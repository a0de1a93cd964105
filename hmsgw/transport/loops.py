"""Which event loop is under the reactor.

Knows: how to tell a uvloop reactor from others. Refuses to know: transports. `hmsgw.tap` chooses; everybody else asks.
"""

from __future__ import annotations

from typing import Any


def uvloop_of(reactor: Any) -> Any:
    """The uvloop loop that `reactor` runs on, or None."""
    loop = getattr(reactor, "_asyncioEventloop", None)
    return loop if loop is not None and type(loop).__module__.split(".")[0] == "uvloop" else None
