"""Follows the registry, one watch a service, and says when a service's endpoints change.

Knows: when to ask again, and what an answer may do. Refuses to know: how a registry is asked (`source.py`), and what
endpoints are used for. Strategy: only a good answer changes anything. Errors, hangs and garbage leave the last good
endpoints where they are; so does an answer that would leave a service with none. Watches of services that stay survive
a reload.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.guards import Guard
from hmsgw.registry.source import Source
from hmsgw.registry.watch import Watch, WatchStatus

MAX_ASKING = 100
"""Questions under way at once; Consul allows 200 connections from one address (`limits.http_max_conns_per_client`).
More services take turns."""
_REMEMBER_S = 5.0

_log = Logger()

Endpoints = tuple[Endpoint, ...]


class RegistryPoller:
    """on_endpoints(service, endpoints): called on every change, and once for a service that has none.

    guard: which addresses are used at all. remembered: the endpoints to begin with, until the registry answers.
    remember: writes the last good endpoints of all services down; called at most every 5 s, and at the end.
    uniform: `random.uniform`, for jitter. first_answers: fires once, when every service of the first `watch` has had
    its first answer or failure; nothing bounds the wait.
    """

    def __init__(
        self,
        clock: IReactorTime,
        source: Source,
        on_endpoints: Callable[[str, Endpoints], None],
        *,
        guard: Guard,
        remembered: Mapping[str, Endpoints] | None = None,
        remember: Callable[[dict[str, Endpoints]], Deferred[None]] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.first_answers: Deferred[None] = Deferred()
        self._clock = clock
        self._source = source
        self._on_endpoints = on_endpoints
        self._guard = guard
        self._remembered = dict(remembered or {})
        self._remember = remember
        self._uniform = uniform
        self._slots = DeferredSemaphore(MAX_ASKING)
        self._watches: dict[str, Watch] = {}
        self._first: set[str] | None = None
        self._remember_call: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._stopped = False

    def watch(self, names: Iterable[str]) -> None:
        """Follow exactly these services from now on."""
        wanted = set(names)
        _stop([self._watches.pop(name) for name in self._watches.keys() - wanted])
        new = sorted(wanted - self._watches.keys())
        for name in new:
            self._watches[name] = Watch(
                name, self._clock, self._source, self._slots, self._guard, self._uniform, self._changed, self._answered
            )
        if self._first is None:
            self._first = set(new)
            self._check_first()
        for name in new:
            # A source may answer at once, and the answer may lead to another call of this method.
            if name in self._watches:
                self._watches[name].start(self._remembered.pop(name, None))
        self._remembered.clear()

    def stop(self) -> Deferred[None]:
        """Ask no more. Fires when the last good endpoints are written down."""
        self._stopped = True
        _stop(self._watches.values())
        self._source.stop()
        if self._remember_call is not None:
            self._remember_call.cancel()
            self._remember_call = None
            self._write()
        return self._writing or succeed(None)

    def known(self) -> dict[str, Endpoints]:
        """The endpoints of every service that has some: what another poller may begin with."""
        return {name: watch.endpoints for name, watch in self._watches.items() if watch.endpoints}

    def ages(self, now: float) -> dict[str, float | None]:
        """Seconds since the registry last gave a good answer, by service; None: not yet. now: by the clock."""
        return {name: watch.age_s(now) for name, watch in self._watches.items()}

    def status(self) -> dict[str, WatchStatus]:
        """How each service's watch fares."""
        now = self._clock.seconds()
        return {name: watch.status(now) for name, watch in self._watches.items()}

    def degraded(self) -> list[str]:
        """What is not as it should be, a sentence for each cause."""
        causes: dict[str, list[str]] = {}
        for name, watch in sorted(self._watches.items()):
            if watch.fault is not None or not watch.endpoints:
                causes.setdefault(watch.fault or "no endpoint", []).append(name)
        return [f"registry: {_listed(names)}: {cause}" for cause, names in causes.items()]

    def _changed(self, name: str, endpoints: Endpoints) -> None:
        try:
            self._on_endpoints(name, endpoints)
        except Exception:
            _log.failure("service {service}: its new endpoints could not be put to use", service=name)
        if self._remember is not None and self._remember_call is None and not self._stopped:
            self._remember_call = self._clock.callLater(_REMEMBER_S, self._remember_in_time)

    def _answered(self, name: str) -> None:
        if self._first:
            self._first.discard(name)
            self._check_first()

    def _check_first(self) -> None:
        if not self._first and not self.first_answers.called:
            self.first_answers.callback(None)

    def _remember_in_time(self) -> None:
        self._remember_call = None
        if self._writing is not None:
            self._remember_call = self._clock.callLater(_REMEMBER_S, self._remember_in_time)
        else:
            self._write()

    def _write(self) -> None:
        if self._remember is None:
            return

        def written(result: Any) -> None:
            self._writing = None

        before, remember = self._writing or succeed(None), self._remember
        self._writing = writing = before.addCallback(lambda _: remember(self.known()))
        writing.addErrback(
            lambda failure: _log.warn(
                "the endpoints of the registry could not be written down: {fault}; "
                "a restart without the registry would know older ones",
                fault=failure.getErrorMessage(),
            )
        )
        writing.addCallback(written)


def _stop(watches: Collection[Watch]) -> None:
    """All of them know of it before the first one gives its turn back, so that none of them takes it."""
    for watch in watches:
        watch.stopped = True
    for watch in watches:
        watch.stop()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
