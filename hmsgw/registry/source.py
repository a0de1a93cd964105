"""What the poller asks, whatever stands behind it.

Knows: the shape of a question and of an answer. Refuses to know: Consul, files, and what becomes of an answer.
Strategy: every source is a long poll: a question waits at the source until there is news, or for a while.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from hmsgw.config.endpoint import Endpoint


class Answer(NamedTuple):
    """What a source says of a service now.

    endpoints: sorted, each once. cursor: what to ask with next. skipped: instances that can't be used, in words.
    partial: the source says that it may not tell all, so what is missing proves nothing.
    """

    endpoints: tuple[Endpoint, ...]
    cursor: int
    skipped: tuple[str, ...] = ()
    partial: bool = False


class BadAnswer(Exception):
    """No answer, or one that can't be understood. str(): why, for an operator; it holds no secret."""


class Source(Protocol):
    """name: what it is and where, in words; endpoints remembered from another name are not used.

    deadline_s: how long an answer may take; None: for ever.
    """

    @property
    def name(self) -> str: ...
    @property
    def deadline_s(self) -> float | None: ...
    def ask(self, service: str, cursor: int) -> Deferred[Answer]:
        """cursor: 0 asks for what is there now; else the last answer's, and the answer may wait for news.
        Fails with anything; may be cancelled."""

    def stop(self) -> None:
        """Nothing will be asked any more."""


def unique(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Sorted, one for each address; the greatest weight counts."""
    by_address: dict[tuple[str, str, int], Endpoint] = {}
    for endpoint in sorted(endpoints):
        by_address[endpoint[:3]] = endpoint
    return tuple(by_address.values())
