"""No registry: services have the endpoints that the configuration gives them, and others have none.

Knows: that. Refuses to know: anything else. Strategy: one answer, and never news.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from hmsgw.registry.source import Answer


class NoSource:
    """See the module."""

    name = "no registry"
    deadline_s: float | None = None

    def ask(self, service: str, cursor: int) -> Deferred[Answer]:
        """No endpoints; asked again, it waits for ever."""
        return succeed(Answer((), cursor=1)) if cursor == 0 else Deferred()

    def stop(self) -> None:
        """Nothing runs."""
