"""A source that tests answer by hand."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.source import Answer

A, B, C = (Endpoint("http", f"10.0.0.{number}", 8080) for number in (1, 2, 3))


class FakeSource:
    """asked: (service, cursor) of every question. deadline_s: as of a `Source`."""

    def __init__(self, deadline_s: float | None = 6.0) -> None:
        self.name = "http://registry:8500"
        self.deadline_s = deadline_s
        self.asked: list[tuple[str, int]] = []
        self.waiting: dict[str, Deferred[Answer]] = {}
        self.cancelled: list[str] = []
        self.stopped = False
        self.broken: Exception | None = None

    def ask(self, service: str, cursor: int) -> Deferred[Answer]:
        self.asked.append((service, cursor))
        if self.broken is not None:
            raise self.broken
        self.waiting[service] = Deferred(lambda _: self._cancel(service))
        return self.waiting[service]

    def _cancel(self, service: str) -> None:
        self.cancelled.append(service)
        del self.waiting[service]

    def answer(self, service: str, *endpoints: Endpoint, cursor: int = 7, **more: object) -> None:
        self.waiting.pop(service).callback(Answer(endpoints, cursor, **more))  # type: ignore[arg-type]

    def fail(self, service: str, error: Exception) -> None:
        self.waiting.pop(service).errback(error)

    def stop(self) -> None:
        self.stopped = True
