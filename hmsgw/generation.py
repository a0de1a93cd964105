"""From a file to a generation of the data plane, in two halves.

Knows: which rooms have to agree before a configuration may run (config, chain, TLS), and how a plane is put together
from them. Refuses to know: when it is done (`service`, `control.reload`). Strategy: `read_candidate` is blocking code
for a thread and finds every fault; `build_plane` runs on the reactor, is cheap, and changes nothing that runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hmsgw.chain.build import build as build_chains
from hmsgw.chain.prepare import Prepared, prepare
from hmsgw.chain.run import Chain
from hmsgw.chain.tools import Tools
from hmsgw.config.bundle import Bundle
from hmsgw.config.faults import Fault, Refused
from hmsgw.config.load import Loaded, load
from hmsgw.config.model import Config, Listener, Route
from hmsgw.config.snapshot import Snapshot
from hmsgw.deadlines import Deadlines
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.router import Router
from hmsgw.proxy.trusted import TrustedProxies
from hmsgw.transport.pem import BadCertificate
from hmsgw.transport.tls import ClientAuth, ClientTls, ServerTls
from hmsgw.upstream.cluster import Cluster

_URL = re.compile(r"https?://[^/\s]+")
#: What a listener without certificates serves with, under names that no file has.
_SELF_SIGNED, _SELF_SIGNED_KEY = "(self-signed certificate)", "(self-signed key)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that has been read and found sound. path: as given, "" for the built-in empty one.

    listeners: with the built-in one filled in. server_tls: listener name -> None for plain HTTP.
    upstream_tls: service name -> how to speak TLS to its endpoints.
    """

    path: str
    config: Config
    bundle: Bundle
    prepared: Prepared
    digest: str
    listeners: tuple[Listener, ...]
    server_tls: dict[str, ServerTls | None]
    upstream_tls: dict[str, ClientTls]

    @property
    def log_target(self) -> str:
        """`stdout`, or the access log's absolute path."""
        access = self.config.log.access
        return access if access == "stdout" else os.path.join(self.bundle.root_dir, access)


def read_candidate(
    path: str | None,
    *,
    port: int,
    dev: bool,
    environ: Mapping[str, str],
    state_dir: str,
    self_signed: Callable[[], tuple[bytes, bytes]],
    previous: Prepared | None,
) -> Candidate:
    """Read and check everything. Blocking: call it in a thread once the reactor runs.

    self_signed: (certificate, key) in PEM for listeners that name none. Raises config.faults.Refused.
    """
    if path is None:
        config, bundle = Config(), Bundle(os.getcwd(), {}, True)
    else:
        config, bundle = _loaded(path, environ, state_dir, dev)
    named = environ.get("REG_URL", "")
    if named and config.registry.kind == "consul" and config.registry.url is None and not _URL.match(named):
        why = f"$REG_URL is {named!r}, which is no URL; write it as http://host:8500"
        raise Refused([Fault(config.registry.where, why)])
    listeners = config.listeners or (Listener(name="public", port=port),)
    if any(listener.tls is not None and not listener.tls.certificates for listener in listeners):
        _keep_self_signed(bundle, *self_signed())
    return _checked(path or "", config, bundle, listeners, dev, environ, previous)


def _loaded(path: str, environ: Mapping[str, str], state_dir: str, dev: bool) -> Loaded:
    """Faults of plugins are told together with those of the keys, as far as they can be."""
    try:
        return load(path, environ=environ, state_dir=state_dir)
    except Refused as refused:
        if refused.rest is None:
            raise
        config, bundle = refused.rest
        try:
            prepare(config, bundle, None, environ=environ, dev=dev, signed=False)
        except Refused as more:
            raise Refused([*refused.faults, *more.faults]) from None
        raise


def _keep_self_signed(bundle: Bundle, certificate: bytes, key: bytes) -> None:
    """Into the bundle: whoever gets the bundle can serve without a state directory."""
    bundle.files.update({_SELF_SIGNED: certificate, _SELF_SIGNED_KEY: key})
    bundle.ungoverned.update((_SELF_SIGNED, _SELF_SIGNED_KEY))


def _checked(
    path: str,
    config: Config,
    bundle: Bundle,
    listeners: tuple[Listener, ...],
    dev: bool,
    environ: Mapping[str, str],
    previous: Prepared | None,
) -> Candidate:
    faults: list[Fault] = []
    prepared = _made(lambda: prepare(config, bundle, previous, environ=environ, dev=dev, signed=False), faults)
    server_tls = {one.name: _made(partial(_server_tls, one, bundle), faults) for one in listeners}
    upstream_tls = {name: _made(partial(_client_tls, config, name, bundle), faults) for name in config.services}
    if prepared is not None:
        faults += _without_certificates(prepared, listeners)
        faults += _without_http2(prepared, config)
    if faults:
        raise Refused(faults)
    return Candidate(path, config, bundle, prepared, bundle.digest(), listeners, server_tls, upstream_tls)


def _without_certificates(prepared: Prepared, listeners: tuple[Listener, ...]) -> list[Fault]:
    """Uses of `mtls` where no listener asks anybody for a certificate: they could only refuse."""
    if any(one.tls is not None and one.tls.client_auth != "none" for one in listeners):
        return []
    uses = {use.where: use for route in prepared.routes for use in route.uses if use.plugin == "mtls"}
    why = "no listener asks clients for a certificate; give one `tls: {client_auth: optional, client_ca: FILE}`"
    return [Fault(where, f"{use.name}: {why}") for where, use in uses.items()]


def _without_http2(prepared: Prepared, config: Config) -> list[Fault]:
    """Uses of `grpc-web` where the service is never spoken to in the HTTP/2 that gRPC needs."""
    faults: dict[object, Fault] = {}
    for route in prepared.routes:
        name = route.route.service or ""
        service = config.services.get(name)
        if service is not None and (service.protocol == "http/1.1" or service.proxy_protocol != "off"):
            key = "proxy_protocol" if service.protocol != "http/1.1" else "protocol: http/1.1"
            why = f"gRPC needs HTTP/2, and service {name} has `{key}`"
            for use in route.uses:
                if use.plugin == "grpc-web":
                    faults[use.where, name] = Fault(use.where, f"{use.name}: {why}")
    return list(faults.values())


def _made(make: Callable[[], Any], faults: list[Fault]) -> Any:
    """What `make` gives; None when it is refused, with its faults appended, so that what comes next is looked at."""
    try:
        return make()
    except Refused as refused:
        faults += refused.faults
        return None


def snapshot_of(candidate: Candidate, *, dev: bool) -> Snapshot:
    """The candidate as one value without a handle, for another process or for later (`config.snapshot.encode`)."""
    bundle = candidate.bundle
    options = {"path": candidate.path, "root_dir": bundle.root_dir, "ungoverned": sorted(bundle.ungoverned)}
    return Snapshot(
        config=replace(candidate.config, listeners=candidate.listeners),
        bundle_files=bundle.files,
        root_file=os.path.basename(candidate.path),
        digest=candidate.digest,
        dev=dev,
        options=options,
    )


def candidate_of(snapshot: Snapshot, environ: Mapping[str, str], previous: Prepared | None = None) -> Candidate:
    """The way back: from the same bytes, without a disk. Raises config.faults.Refused."""
    options = snapshot.options
    bundle = Bundle(options["root_dir"], snapshot.bundle_files, True)
    bundle.ungoverned.update(options["ungoverned"])
    config = snapshot.config
    return _checked(options["path"], config, bundle, config.listeners, snapshot.dev, environ, previous)


def _server_tls(listener: Listener, bundle: Bundle) -> ServerTls | None:
    tls = listener.tls
    if tls is None:
        return None
    pairs = [(bundle.read(pair.certificate), bundle.read(pair.key)) for pair in tls.certificates]
    places = tuple(pair.where for pair in tls.certificates)
    own = pairs or [(bundle.read(_SELF_SIGNED), bundle.read(_SELF_SIGNED_KEY))]
    alpn = tuple(name.encode() for name in listener.protocols)
    clients = None
    if tls.client_ca is not None and tls.client_auth != "none":
        clients = ClientAuth(bundle.read(tls.client_ca), tls.client_auth == "required", tls.client_ca_where)
    return ServerTls(tuple(own), tls.minimum, alpn, where=listener.where, places=places, clients=clients)


def _client_tls(config: Config, name: str, bundle: Bundle) -> ClientTls:
    tls = config.services[name].tls
    built = ClientTls(
        ca=bundle.read(tls.ca) if tls.ca else None,
        name=tls.name,
        certificate=bundle.read(tls.certificate) if tls.certificate else None,
        key=bundle.read(tls.key) if tls.key else None,
    )
    try:
        built.context()
    except BadCertificate as error:
        raise Refused([Fault(tls.where, f"services.{name}.tls: {error}")]) from None
    return built


@dataclass(frozen=True, slots=True)
class Parts:
    """What a plane is made from besides its configuration: the things that outlive a reload."""

    deadlines: Deadlines
    seconds: Callable[[], float]
    wall: Callable[[], float]
    cluster: Callable[[str], Cluster]
    route_stats: Callable[[str, str], Any]
    service_stats: Callable[[str], Any]
    finished: Callable[[Any], None]
    count_retry: Callable[[str], None]
    tools: Callable[[Candidate, list[Chain]], Tools]


def build_plane(candidate: Candidate, parts: Parts, previous: list[Chain]) -> tuple[Plane, list[Chain]]:
    """The plane and its chains. Raises config.faults.Refused; then nothing has changed."""
    chains = build_chains(candidate.prepared, parts.tools(candidate, previous))
    entries = tuple(
        Entry(
            prepared.route,
            chain if chain.uses else None,
            parts.cluster(prepared.route.service) if prepared.route.service else None,
            parts.route_stats(prepared.route.name, prepared.route.service or ""),
            parts.service_stats(prepared.route.service) if prepared.route.service else None,
        )
        for prepared, chain in zip(candidate.prepared.routes, chains, strict=True)
    )
    unrouted = Entry(Route(path="/", name=""), None, None, parts.route_stats("", ""), None)
    plane = Plane(
        router=Router(entries),
        entries=entries,
        unrouted=unrouted,
        limits=candidate.config.limits,
        trusted={
            listener.name: TrustedProxies(listener.trusted_proxies)
            for listener in candidate.listeners
            if listener.trusted_proxies
        },
        deadlines=parts.deadlines,
        seconds=parts.seconds,
        wall=parts.wall,
        finished=parts.finished,
        count_retry=parts.count_retry,
        config=candidate.digest.removeprefix("sha256:")[:12],
    )
    return plane, chains


def key_urls(chains: list[Chain]) -> set[str]:
    """The key sets that built plugins need."""
    urls = (getattr(use.plugin, "key_url", None) for chain in chains for use in chain.uses)
    return {url for url in urls if isinstance(url, str)}
