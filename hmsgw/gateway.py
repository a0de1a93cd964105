"""The composition root of the data plane (`service` puts the rest around it).

Knows: what exists once a process (counters, key sets, clusters, doors, the log) and what a reload exchanges (the
plane); the order of starting and stopping. Refuses to know: how any of it works. Strategy: every room gets what it
needs as an argument; a reload builds a new plane aside and swaps one reference, and nothing else changes before that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall

from hmsgw.certificates import near_their_end, seconds_left
from hmsgw.chain.run import Chain
from hmsgw.chain.tools import Tools
from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Listener, Service
from hmsgw.deadlines import Deadlines
from hmsgw.edge.door import Crowd, Door
from hmsgw.edge.ending import LAST_CALL_S
from hmsgw.generation import Candidate, Parts, build_plane, key_urls
from hmsgw.identity.fetch import fetcher
from hmsgw.identity.keysets import KeySets
from hmsgw.limits.memory import Counters
from hmsgw.listeners import Listeners, Plan
from hmsgw.proxy.exchange import Exchange
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.trusted import canonical_host
from hmsgw.roster import Roster
from hmsgw.streams import Streams, services_of
from hmsgw.telemetry.access_log import LineWriter
from hmsgw.telemetry.admin import Readiness
from hmsgw.telemetry.lag import Lag
from hmsgw.telemetry.metrics import Metrics
from hmsgw.telemetry.refused_connections import RefusedConnections
from hmsgw.telemetry.request_line import request_line
from hmsgw.telemetry.upstream_faults import UpstreamFaults
from hmsgw.transport.become import become
from hmsgw.transport.connect import Connector
from hmsgw.transport.listen import open_socket, serve, sources_of
from hmsgw.transport.loops import soon_of
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.unsent import unsent
from hmsgw.transport.verified import HttpsPolicy
from hmsgw.upstream.cluster import Cluster
from hmsgw.upstream.states import endpoint_states

#: How long the first answers of registry and key sets are waited for before /ready (the contract, section 9).
FIRST_ANSWERS_S = 5.0
_LAST_WORDS_S = 1.0
_BATCH = 48
_COUNT_EVERY_S = 0.05


class Gateway(MultiService):
    """The running gateway. `apply` puts a configuration to work; `stopService` drains.

    candidate: what it starts with. notes: what else is not as it should be, by what it is about. dev: unsigned
    configurations run. environ: of the process. state_dir: writable.
    """

    def __init__(
        self,
        reactor: Any,
        candidate: Candidate,
        *,
        dev: bool,
        dev_secret: str | None,
        state_dir: str,
        environ: Mapping[str, str],
        writer: LineWriter,
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self.dev = dev
        self.started_wall_s = time.time()
        self.writer = writer
        self.metrics = Metrics(
            before_copy=self._count_all,
            read_endpoints=lambda: endpoint_states(self.clusters, time.monotonic()),
            read_ages=lambda: self.roster.ages(),
            read_certificates=lambda: seconds_left(self.candidate),
            read_lag=lambda: self.lag.worst_s(),
            read_lines_dropped=lambda: writer.dropped,
        )
        self.deadlines = Deadlines(reactor, time.monotonic)
        self.lag = Lag(reactor)
        self.refusals = RefusedConnections(reactor, self.metrics.count_refused)
        self.faults = UpstreamFaults(reactor)
        self.counters = Counters()
        self.key_sets = KeySets(reactor, fetcher(reactor, HttpsPolicy(ClientTls())))
        self.connector = Connector(reactor)
        self.roster = Roster(reactor, state_dir, environ, self._set_endpoints, self._own_addresses)
        self.streams = Streams(self.connector.connect, self.metrics, writer.write)
        self.listeners = Listeners(
            open_socket, self._serve, self._new_door, sources_of, self.streams.new_connection
        )
        self.clusters: dict[str, Cluster] = {}
        self._crowd = Crowd()
        self.notes: dict[str, str] = {}
        self.candidate = candidate
        self.plane: Plane | None = None
        self.draining = False
        self.answered = False
        self._dev_secret = dev_secret
        self._environ = environ
        self._chains: list[Chain] = []
        self._done: list[Exchange] = []
        self._counting: IDelayedCall | None = None
        self._log_target = "stdout"
        self._emptied: Deferred[None] | None = None
        self._last_call: IDelayedCall | None = None

    # --- putting a configuration to work

    def apply(self, candidate: Candidate, last: Callable[[], None] = lambda: None) -> list[str]:
        """Swap to `candidate`. Returns what changed, in words. Raises config.faults.Refused or
        transport.listen.BindError; then nothing has changed.

        last: called when nothing here can fail any more; what it raises is raised."""
        plan = self.listeners.plan([(one, candidate.server_tls[one.name]) for one in candidate.listeners])
        try:
            clusters = self._wanted_clusters(candidate)
            plane, chains = build_plane(candidate, self._parts(clusters), self._chains)
            streams = self.streams.build(candidate, self._parts(clusters), self._chains)
            self.listeners.hand_over(plan)
            last()
        except BaseException:
            self.listeners.abandon(plan)
            raise
        self.streams.commit(streams, candidate)
        return self._commit(candidate, plane, [*chains, *streams.chains], clusters, plan)

    def _commit(
        self, candidate: Candidate, plane: Plane, chains: list[Chain], clusters: dict[str, Cluster], plan: Plan
    ) -> list[str]:
        self.plane, self._chains, self.candidate = plane, chains, candidate
        gone = [cluster for name, cluster in self.clusters.items() if clusters.get(name) is not cluster]
        self.clusters = clusters
        for cluster in gone:
            cluster.close()
        said = self.listeners.commit(plan)
        self.streams.ready(self.listeners.doors)
        for door in self.listeners.doors:
            door.plane = plane
            door.limits = candidate.config.limits
            door.settings = candidate.config.deadlines
        self.roster.follow(candidate.config.registry, candidate.bundle.root_dir, self._watched())
        self.metrics.keep_routes((entry.name, entry.service) for entry in plane.entries)
        self.metrics.keep_plugins({use.prepared.name for chain in chains for use in chain.uses})
        self.metrics.keep_listeners({one.listener.name for one in self.listeners.open})
        self.metrics.config_serves(candidate.config.serial, candidate.digest, signed=False)
        self.key_sets.retain(key_urls(chains))
        if self._log_target != candidate.log_target:
            self._log_target = candidate.log_target
            self.writer.reopen(self._log_target)
        return said

    def _wanted_clusters(self, candidate: Candidate) -> dict[str, Cluster]:
        """service -> its cluster: the running one where its settings and its TLS stay the same."""
        wanted: dict[str, Cluster] = {}
        for name in services_of(candidate):
            settings = candidate.config.services.get(name) or Service()
            cluster = self.clusters.get(name)
            tls = candidate.upstream_tls.get(name)
            running_tls = self.candidate.upstream_tls.get(name)
            if cluster is None or not cluster.settings.is_like(settings) or running_tls != tls:
                cluster = self._new_cluster(name, settings, tls, candidate.config.limits.buffer)
            wanted[name] = cluster
        return wanted

    def _new_cluster(self, name: str, settings: Service, tls: Any, window_bytes: int) -> Cluster:
        def connect(
            endpoint: Endpoint, factory: Callable[[], Any], alpn: tuple[bytes, ...], first: bytes = b""
        ) -> Deferred[Any]:
            how = replace(tls or ClientTls(), alpn=alpn) if endpoint.scheme == "https" else None
            return self.connector.connect(factory, endpoint.host, endpoint.port, how, settings.timeouts.connect, first)

        soon = soon_of(self.reactor)
        cluster = Cluster(name, settings, connect, self.deadlines, time.monotonic, soon, become, window_bytes)
        if settings.endpoints:
            cluster.set_endpoints(tuple(Endpoint.parse(url) for url in settings.endpoints))
        else:
            there = self.clusters.get(name)
            known = tuple(member.endpoint for member in there.members) if there is not None else ()
            cluster.set_endpoints(known or self.roster.known(name))
        return cluster

    def _watched(self) -> set[str]:
        return {name for name in self.clusters if not self.clusters[name].settings.endpoints}

    def _set_endpoints(self, service: str, endpoints: tuple[Endpoint, ...]) -> None:
        cluster = self.clusters.get(service)
        if cluster is not None and not cluster.settings.endpoints:
            cluster.set_endpoints(endpoints)

    def _parts(self, clusters: dict[str, Cluster]) -> Parts:
        return Parts(
            deadlines=self.deadlines,
            seconds=time.monotonic,
            wall=time.time,
            cluster=clusters.__getitem__,
            route_stats=self.metrics.route,
            service_stats=self.metrics.service,
            finished=self._finished,
            count_retry=self.metrics.count_retry,
            tools=self._tools,
        )

    def _tools(self, candidate: Candidate, previous: list[Chain]) -> Tools:
        return Tools(
            clock=self.reactor,
            seconds=time.monotonic,
            wall=time.time,
            counters=self.counters,
            key_set=self.key_sets.get,
            bundle=candidate.bundle,
            count_decision=self.metrics.count_decision,
            decision_cell=self.metrics.decision_cell,
            environ=self._environ,
            dev_secret=self._dev_secret,
            signed=False,
            realm="hmsgw",
            previous=previous,
        )

    # --- the doors

    def _new_door(self, listener: Listener) -> Door:
        config = self.candidate.config
        door = Door(
            listener.name,
            "http" if listener.tls is None else "https",
            config.limits,
            config.deadlines,
            self.deadlines,
            time.monotonic,
            Exchange,
            canonical_host,
            self.metrics.connections(listener.name, "http/1.1"),
            self._crowd,
            h2_gauge=self.metrics.connections(listener.name, "h2"),
            websocket_gauge=self.metrics.connections(listener.name, "websocket"),
            become=become,
            soon=soon_of(self.reactor),
            unsent=unsent,
            protocols=listener.protocols,
        )
        door.plane = self.plane
        door.emptied = self._door_emptied
        door.refused = partial(self._refused, listener.name)
        return door

    def _serve(self, sock: Any, new_protocol: Callable[[], Any], tls: Any, door: Door) -> Any:
        return serve(
            self.reactor, sock, new_protocol, tls,
            max_pending=door.limits.connections, handshake_timeout_s=door.settings.tls,
            refused=door.refused,
        )  # fmt: skip

    def _refused(self, listener: str, client: str, reason: str, why: str) -> None:
        self.refusals.refused(listener, canonical_host(client), reason, why)

    def _own_addresses(self) -> set[tuple[str, int]]:
        """The gateway's own listeners, which no service may point to."""
        return {one.address for one in self.listeners.open}

    # --- every exchange, exactly once

    def _finished(self, exchange: Exchange) -> None:
        """Exchanges are counted and logged a few dozen at a time: the code and the counters are then in the
        processor's cache, which makes it half as dear. Nobody sees a number that is not up to date (`_count_all`)."""
        self._done.append(exchange)
        if len(self._done) >= _BATCH:
            self._count_all()

    def _count_all(self) -> None:
        """Count and log what has finished."""
        done, self._done = self._done, []
        write = self.writer.write
        for exchange in done:
            entry, reason = exchange.entry, exchange.reason
            entry.stats.finished(
                exchange.method, exchange.status, reason, exchange.duration_s, exchange.bytes_in, exchange.bytes_out
            )
            upstream_s = exchange.upstream_s
            if upstream_s is not None:
                entry.upstream_stats.upstream_s(upstream_s)
            write(request_line(exchange))
            if exchange.grpc_status is not None:
                entry.stats.call_ended(exchange.grpc_status)
            if reason and exchange.upstream_fault:
                self.faults.fault(exchange)

    def _count_in_time(self) -> None:
        if self._done:
            self._count_all()
        self._counting = self.reactor.callLater(_COUNT_EVERY_S, self._count_in_time)

    # --- starting and stopping

    def startService(self) -> None:
        """The reactor is about to run, privileges are dropped: accept and ask; ready when the first answers came."""
        super().startService()
        self.listeners.start()
        self.lag.start()
        self._count_in_time()
        self.roster.start()
        first = DeferredList([self.roster.first_answers(), self.key_sets.first_answers()], consumeErrors=True)
        first.addTimeout(FIRST_ANSWERS_S, self.reactor)
        first.addBoth(self._first_answers_came)

    def _first_answers_came(self, _: object) -> None:
        self.answered = True

    def stopService(self) -> Deferred[None]:
        """Stop accepting, let what runs finish for up to `deadlines.shutdown`, then close."""
        if not self.running:
            return succeed(None)
        self.draining = True
        self.listeners.stop_accepting()
        drained: Deferred[None] = succeed(None)
        if self.listeners.connections() or self.listeners.coming():
            drained = self._emptied = Deferred()
            drained.addTimeout(self.candidate.config.deadlines.shutdown, self.reactor)
            self._last_call = self.reactor.callLater(LAST_CALL_S, self._door_emptied)
        return drained.addBoth(self._close)

    def hurry(self) -> None:
        """End what still runs: the operator has asked twice."""
        emptied, self._emptied = self._emptied, None
        if emptied is not None:
            emptied.callback(None)

    def _door_emptied(self) -> None:
        arriving = self.listeners.coming() and self._last_call is not None and self._last_call.active()
        if self._emptied is not None and not self.listeners.connections() and not arriving:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _close(self, _: object) -> Deferred[None]:
        self._emptied = None
        self.listeners.stop()
        if not self.listeners.connections():
            return self._end(None)
        # The last answers are on their way out.
        told: Deferred[None] = Deferred()
        self._emptied = told
        told.addTimeout(_LAST_WORDS_S, self.reactor)
        return told.addBoth(self._end)

    def _end(self, _: object) -> Deferred[None]:
        self._emptied = None
        self.listeners.abort()
        for cluster in self.clusters.values():
            cluster.close()
        self.key_sets.stop()
        self.deadlines.stop()
        self.lag.stop()
        self._count_all()
        self.refusals.stop()
        self.faults.stop()
        for call in (self._counting, self._last_call):
            if call is not None and call.active():
                call.cancel()
        stopped = self.roster.stop()
        return stopped.addBoth(self._closed)

    def _closed(self, _: object) -> Any:
        return super().stopService()

    # --- what it says of itself

    def readiness(self) -> Readiness:
        """For /ready."""
        if self.plane is None or not self.running:
            return Readiness("starting: no configuration is served yet")
        if self.draining:
            return Readiness("draining")
        if not self.answered:
            return Readiness("starting: waiting for the first answers of registry and key sets")
        return Readiness(None, tuple(self.degraded()))

    def degraded(self) -> list[str]:
        """All that is not as it should be, but keeps nobody from being served."""
        found = ["the configuration is unsigned (--dev)"] if self.dev else []
        found += self.notes.values()
        found += near_their_end(self.candidate)
        found += self.roster.degraded()
        found += [f"key set {url}: {fault}" for url, fault in self.key_sets.status().items() if fault]
        if self.writer.fault is not None:
            found.append(self.writer.fault)
        return found
