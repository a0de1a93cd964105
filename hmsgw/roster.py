"""Which registry is followed, and for which services: part of the composition root.

Knows: that a changed `registry:` section means another source, which begins with what the last one knew.
Refuses to know: how a registry is asked, and what endpoints are for. Strategy: one poller at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from os.path import join
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import NOWHERE, Registry
from hmsgw.registry.guards import Guard
from hmsgw.registry.kinds import source_of
from hmsgw.registry.last_good import LastGood
from hmsgw.registry.own_address import is_own_address
from hmsgw.registry.poller import RegistryPoller
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.verified import HttpsPolicy


class Roster:
    """on_endpoints: (service, endpoints), at every change. own_addresses: the gateway's own listeners.

    Nothing is asked before `start`: threads and connections do not survive becoming a daemon.
    """

    def __init__(
        self,
        reactor: Any,
        state_dir: str,
        environ: Mapping[str, str],
        on_endpoints: Callable[[str, tuple[Endpoint, ...]], None],
        own_addresses: Callable[[], set[tuple[str, int]]],
    ) -> None:
        self._reactor = reactor
        self._state_dir = state_dir
        self._environ = environ
        self._on_endpoints = on_endpoints
        self._own_addresses = own_addresses
        self._poller: RegistryPoller | None = None
        self._section: tuple[Registry, str] | None = None
        self._wanted: tuple[Registry, str, set[str]] | None = None
        self._running = False

    def follow(self, registry: Registry, root_dir: str, services: set[str]) -> None:
        """Follow these services in that registry from now on."""
        self._wanted = (registry, root_dir, services)
        if self._running:
            self._follow()

    def start(self) -> None:
        self._running = True
        self._follow()

    def _follow(self) -> None:
        if self._wanted is None:
            return
        registry, root_dir, services = self._wanted
        # The section's place in the file moves when lines are added above it.
        section = replace(registry, where=NOWHERE), root_dir
        if self._poller is None or section != self._section:
            known = None if self._poller is None else self._poller.known()
            if self._poller is not None:
                self._poller.stop()
            self._section = section
            self._poller = self._new_poller(registry, root_dir, known)
        self._poller.watch(services)

    def _new_poller(
        self, registry: Registry, root_dir: str, known: dict[str, tuple[Endpoint, ...]] | None
    ) -> RegistryPoller:
        """known: what the poller before this one knew. Only the first, made before requests come, reads the disk."""
        source = source_of(
            registry,
            self._reactor,
            environ=self._environ,
            root_dir=root_dir,
            in_thread=self._in_thread,
            policy=HttpsPolicy(ClientTls()),
        )
        last_good = LastGood(join(self._state_dir, "registry.json"), source.name)
        return RegistryPoller(
            self._reactor,
            source,
            self._on_endpoints,
            guard=Guard(registry.allow_networks, self._own_addresses, is_own_address),
            remembered=last_good.load() if known is None else known,
            remember=lambda services: self._in_thread(lambda: last_good.save(services)),
        )

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)

    def known(self, service: str) -> tuple[Endpoint, ...]:
        """What the registry last said of a service."""
        return () if self._poller is None else self._poller.known().get(service, ())

    def first_answers(self) -> Deferred[None]:
        """Fires when every service has had its first answer, good or bad."""
        return succeed(None) if self._poller is None else self._poller.first_answers

    def ages(self) -> dict[str, float | None]:
        """Seconds since the last good answer, by service; of nothing where there is no registry to answer."""
        if self._poller is None or self._section is None or self._section[0].kind == "none":
            return {}
        return self._poller.ages(self._reactor.seconds())

    def degraded(self) -> list[str]:
        """What is wrong, in sentences."""
        return [] if self._poller is None else self._poller.degraded()

    def stop(self) -> Deferred[None]:
        """Fires when the last good endpoints are written down."""
        self._running = False
        return succeed(None) if self._poller is None else self._poller.stop()
