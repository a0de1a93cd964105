"""One service's watch: ask, judge, wait, ask again.

Knows: back-off after failures, the pace under churn, and which answers are held back. Refuses to know: other services.
Strategy: one coroutine a service, so that there is never more than one question under way; every step of it that waits
can be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.guards import Guard
from hmsgw.registry.source import Answer, BadAnswer, Source

BACK_OFF_S = (0.1, 1.0)
_BURST = 5
_PACE_S = 1.0
"""Under churn: `_BURST` questions at once, then one a second."""

_log = Logger()

Endpoints = tuple[Endpoint, ...]


class WatchStatus(NamedTuple):
    """state: `waiting` (no answer yet), `ok`, `held` (an answer was not taken), `failing` (no answers now).

    age_s: seconds since the last good answer, None before the first. fault: why it is not `ok`, in words.
    refused: instances that the registry names and that are not used.
    """

    state: str
    endpoints: Endpoints
    age_s: float | None
    fault: str | None
    refused: int


class Watch:
    """changed(name, endpoints), answered(name): told of each change, and of the first answer or failure."""

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        source: Source,
        slots: DeferredSemaphore,
        guard: Guard,
        uniform: Callable[[float, float], float],
        changed: Callable[[str, Endpoints], None],
        answered: Callable[[str], None],
    ) -> None:
        self.endpoints: Endpoints = ()
        self.fault: str | None = None
        self._name = name
        self._clock = clock
        self._source = source
        self._slots = slots
        self._guard = guard
        self._uniform = uniform
        self._changed = changed
        self._answered = answered
        self._state = "waiting"
        self._told: Endpoints | None = None
        self._good_at: float | None = None
        self._skipped: tuple[str, ...] = ()
        self._failures = 0
        self._credit = float(_BURST)
        self._credit_at = clock.seconds()
        self._running: Deferred[None] | None = None
        self.stopped = False

    def start(self, remembered: Endpoints | None) -> None:
        """Begin, with what is remembered of the service, if anything is."""
        usable = tuple(e for e in remembered or () if self._guard.refusal(e.host, e.port) is None)
        if usable:
            self._use(usable)
        running = Deferred.fromCoroutine(self._run())
        if not running.called:
            self._running = running
        running.addErrback(self._ended)

    def stop(self) -> None:
        """End, also after `stopped` was set; nothing is called any more."""
        self.stopped = True
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def age_s(self, now: float) -> float | None:
        """Seconds since the last good answer."""
        return None if self._good_at is None else max(0.0, now - self._good_at)

    def status(self, now: float) -> WatchStatus:
        """How it stands."""
        return WatchStatus(self._state, self.endpoints, self.age_s(now), self.fault, len(self._skipped))

    async def _run(self) -> None:
        cursor = 0
        while not self.stopped:
            await self._pace()
            try:
                answer = await self._ask(cursor)
            except Exception as error:
                if self.stopped:
                    return
                self._failed(_in_words(error, self._source.name))
            else:
                cursor = answer.cursor
                self._failures = 0
                self._good_at = self._clock.seconds()
                self._judge(answer)
            if not self.stopped:
                self._answered(self._name)
            if self._failures and not self.stopped:
                await deferLater(self._clock, self._back_off_s())

    async def _ask(self, cursor: int) -> Answer:
        await self._slots.acquire()
        try:
            if self.stopped:
                raise CancelledError
            asked = self._source.ask(self._name, cursor)
            if self._source.deadline_s is not None:
                asked.addTimeout(self._source.deadline_s, self._clock, self._too_late)
            return await asked
        finally:
            self._slots.release()

    def _too_late(self, _: object, deadline_s: float) -> NoReturn:
        raise BadAnswer(f"{self._source.name} gave no answer in {deadline_s:g} s")

    async def _pace(self) -> None:
        now = self._clock.seconds()
        self._credit = min(_BURST, self._credit + (now - self._credit_at) / _PACE_S)
        self._credit_at = now
        if self._credit < 1.0:
            wait_s = (1.0 - self._credit) * _PACE_S
            await deferLater(self._clock, wait_s)
            self._credit = 1.0
            self._credit_at = self._clock.seconds()
        self._credit -= 1.0

    def _back_off_s(self) -> float:
        least, most = BACK_OFF_S
        return min(most, least * 2.0 ** min(self._failures - 1, 10)) * self._uniform(0.5, 1.0)

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._state != "failing" or self.fault != why:
            kept = f"its {len(self.endpoints)} endpoints stay" if self.endpoints else "it has no endpoints"
            _log.warn("service {service}: {why}; {kept}", service=self._name, why=why, kept=kept)
        self._state, self.fault = "failing", why

    def _judge(self, answer: Answer) -> None:
        usable, refused = [], list(answer.skipped)
        for endpoint in answer.endpoints:
            why = self._guard.refusal(endpoint.host, endpoint.port)
            if why is None:
                usable.append(endpoint)
            else:
                refused.append(f"{endpoint.authority}: {why}")
        self._note_refused(tuple(refused))
        endpoints = tuple(usable)
        held = self._why_held(endpoints, answer.partial)
        if held is not None:
            if self._state != "held" or self.fault != held:
                _log.warn("service {service}: {why}", service=self._name, why=held)
            self._state, self.fault = "held", held
            return
        if self._state in ("held", "failing"):
            _log.info("service {service}: the registry answers as it should again", service=self._name)
        self._state, self.fault = "ok", None
        self._use(endpoints)

    def _why_held(self, endpoints: Endpoints, partial: bool) -> str | None:
        kept = f"the {len(self.endpoints)} that it had stay in use"
        if self.endpoints and not endpoints:
            return f"the registry names no endpoint that can be used; {kept}"
        if partial and not {e[:3] for e in self.endpoints} <= {e[:3] for e in endpoints}:
            return f"the registry's token may not see all endpoints; {kept}"
        return None

    def _note_refused(self, refused: tuple[str, ...]) -> None:
        for why in refused:
            if why not in self._skipped:
                _log.warn("service {service}: an endpoint is not used: {why}", service=self._name, why=why)
        self._skipped = refused

    def _use(self, endpoints: Endpoints) -> None:
        if endpoints != self._told:
            self._told = self.endpoints = endpoints
            self._changed(self._name, endpoints)

    def _ended(self, failure: object) -> None:
        if not self.stopped:
            _log.error("service {service}: its watch has ended: {fault}", service=self._name, fault=str(failure))


def _in_words(error: Exception, source: str) -> str:
    """Why a question failed; the error's own text only where it is known to be harmless."""
    if isinstance(error, BadAnswer):
        return str(error)
    if isinstance(error, DNSLookupError):
        return f"the host name of {source} can't be resolved"
    if isinstance(error, ConnectError):
        return f"{source} can't be reached: {error.__doc__ or 'no connection'}".rstrip(".")
    return f"{source} gave no answer ({type(error).__name__})"
