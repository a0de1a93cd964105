"""What is wrong between keys that are each right: the checks of one section, and of sections against each other.

Knows: pairs that belong together, names and ports that are taken twice, what this version can serve. Refuses to know:
routes (`hmsgw.config.routes`) and the form of values. Strategy: one function a class of the model, called with the
finished value and its place; it tells faults and returns the value to take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os.path import join, normpath

from hmsgw.config.model import Config, Listener, ListenerTls, Log, Registry, Route, Service, Stream, UpstreamTls
from hmsgw.config.netkinds import overlap
from hmsgw.config.places import Where
from hmsgw.config.reading import At, Check
from hmsgw.config.routes import checked_route, tell_namesakes, tell_twins
from hmsgw.config.streams import checked_stream, tell_streams


def _listener(listener: Listener, at: At) -> Listener:
    if listener.proxy_protocol == "required" and not listener.proxy_from:
        at.fault("proxy_protocol", "`proxy_from` is missing: the networks of the proxies that send the header")
    if listener.proxy_protocol == "off" and listener.proxy_from:
        at.fault("proxy_from", "no PROXY header is read here; write `proxy_protocol: required` too")
    return listener


def _listener_tls(tls: ListenerTls, at: At) -> ListenerTls:
    if tls.client_auth != "none" and tls.client_ca is None:
        at.fault("client_auth", "`client_ca` is missing: the CA whose clients are let in")
    if tls.client_auth == "none" and tls.client_ca is not None:
        at.fault("client_ca", "nobody is asked for a certificate; write `client_auth: optional` or `required` too")
    return tls


def _log(log: Log, at: At) -> Log:
    if not log.access:
        at.fault("access", "write `stdout` or the path of a file")
    return log if log.access == "stdout" else replace(log, access=normpath(join(at.root_dir, log.access)))


def _registry(registry: Registry, at: At) -> Registry:
    if registry.kind == "file" and registry.path is None:
        at.fault("path", "`path` is missing: a registry of kind file is read from one")
    for key, kind, given in (
        ("path", "file", registry.path is not None),
        ("url", "consul", registry.url is not None),
        ("token", "consul", registry.token is not None),
    ):
        if given and registry.kind != kind:
            at.fault(key, f"this belongs to `kind: {kind}`, and the kind is {registry.kind}; leave it out")
    return registry


def _service(service: Service, at: At) -> Service:
    for n, url in enumerate(service.endpoints):
        if url in service.endpoints[:n]:
            at.fault("endpoints", f"{url} stands here twice")
            break
    scheme = {"h2": "https", "h2c": "http"}.get(service.protocol)
    if scheme is not None and any(not url.startswith(f"{scheme}://") for url in service.endpoints):
        how = "h2 is HTTP/2 over TLS" if scheme == "https" else "h2c is HTTP/2 without TLS"
        at.fault("protocol", f"{how}: every endpoint begins with {scheme}://")
    if service.proxy_protocol == "v2" and service.protocol in ("h2", "h2c"):
        at.fault("proxy_protocol", "a connection of HTTP/2 serves many clients, a PROXY header names one; leave it out")
    return service


def _upstream_tls(tls: UpstreamTls, at: At) -> UpstreamTls:
    if (tls.certificate is None) != (tls.key is None):
        given, other = ("certificate", "key") if tls.key is None else ("key", "certificate")
        at.fault(given, f"`{other}` is missing: a certificate and its key go together")
    return tls


def _config(config: Config, at: At) -> Config:
    names: dict[str, Where] = {}
    for listener in config.listeners:
        if listener.name in names:
            there = f"there is a listener called `{listener.name}` in line {names[listener.name].line} already"
            at.fault_at(listener.where, "listeners", there)
        names.setdefault(listener.name, listener.where)
    _tell_clashes(config, at)
    tell_twins(config.routes, at)
    tell_namesakes(config.routes, at)
    tell_streams(config, at)
    return config


def _tell_clashes(config: Config, at: At) -> None:
    """Two sockets on one port, as far as the addresses overlap."""
    taken: dict[int, list[tuple[str, Where, str]]] = {}
    doors = [(listener.address, listener.port, listener.where, listener.name) for listener in config.listeners]
    if config.listeners:
        doors.append((config.admin.address, config.admin.port, at.place("admin"), "admin"))
    for address, port, where, name in doors:
        for other, there, other_name in taken.get(port, ()):
            if port and overlap(address, other):
                line = f" in line {there.line}" if there != at.where else ""
                if name == "admin" and where == at.where:
                    at.fault_at(there, "listeners", f"port {port} of {other} is the admin port; give `admin` another")
                else:
                    at.fault_at(where, name, f"port {port} of {address} is taken by `{other_name}`{line}")
                break
        taken.setdefault(port, []).append((address, where, name))


CHECKS: Mapping[type, Check] = {
    Config: _config,
    Listener: _listener,
    ListenerTls: _listener_tls,
    Log: _log,
    Registry: _registry,
    Route: checked_route,
    Service: _service,
    Stream: checked_stream,
    UpstreamTls: _upstream_tls,
}
