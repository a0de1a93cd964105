"""Services that nobody can find: sound as a text, and of no use to anybody who asks for them.

Knows: when a name leads nowhere whatever happens later. Refuses to know: what a registry answers, and who is told.
Strategy: no fault, because a gateway serves its other routes all the same, and says 503 `no-endpoint` on these.
"""

from __future__ import annotations

from difflib import get_close_matches

from hmsgw.config.faults import Fault, quoted
from hmsgw.config.model import Config
from hmsgw.config.places import Where


def unreachable(config: Config) -> list[Fault]:
    """One for each such service, where a route or a stream first names it."""
    if config.registry.kind != "none":
        return []
    first: dict[str, Where] = {}
    for route in config.routes:
        if route.service is not None:
            first.setdefault(route.service, route.service_where)
    for stream in config.streams:
        first.setdefault(stream.service, stream.service_where)
    found = []
    for name, where in first.items():
        service = config.services.get(name)
        if service is None:
            close = get_close_matches(name, config.services, 1)
            hint = f"did you mean {quoted(close[0])}?" if close else "give it `endpoints` there"
            what = f"{quoted(name)} is not under `services:`"
        elif not service.endpoints:
            what, hint = f"{quoted(name)} has no `endpoints`", "list them"
        else:
            continue
        found.append(Fault(where, f"{what}, and with `registry: {{kind: none}}` nothing else finds it; {hint}"))
    return found
