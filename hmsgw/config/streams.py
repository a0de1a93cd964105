"""What a stream must be apart from the kinds of its keys, and what streams must be to each other and to listeners.

Knows: which listener can carry streams, when two streams can't be told apart. Refuses to know: how a connection finds
its stream (`stream.table`), plugins and services. Strategy: as in `hmsgw.config.routes`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from hmsgw.config.faults import quoted
from hmsgw.config.model import Config, Listener, Stream
from hmsgw.config.places import Where
from hmsgw.config.reading import At


def checked_stream(stream: Stream, at: At) -> Stream:
    """The stream with its name, and each of its server names once."""
    names = tuple(dict.fromkeys(stream.sni))
    for name in names:
        if _is_address(name):
            at.fault("sni", f"{quoted(name)} is an address; clients send only names (RFC 6066 section 3)")
    return replace(stream, sni=names, name=stream.name or "/".join((stream.listener, *names)))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def tell_streams(config: Config, at: At) -> None:
    """Tell what is wrong between streams, listeners and routes."""
    listeners = {one.name: one for one in config.listeners}
    taken: dict[tuple[str, str], Where] = {}
    named: dict[str, Where] = {}
    for stream in config.streams:
        listener = listeners.get(stream.listener)
        if listener is None:
            there = ", ".join(listeners) or "none: the one on --port serves HTTP"
            why = f"no listener is called {quoted(stream.listener)}; there are {there}"
            at.fault_at(stream.listener_where, "streams", why)
        service = config.services.get(stream.service)
        if service is not None and any(url.startswith("https://") for url in service.endpoints):
            why = f"`{stream.service}` has https:// endpoints, and TLS of ours is never put round a stream; write http://"
            at.fault_at(stream.service_where, "streams", why)
        for name in stream.sni or ("",):
            twin = taken.setdefault((stream.listener, name), stream.where)
            if twin is not stream.where:
                what = f"takes {name} already" if name else "takes all that no other does; give one `sni`"
                at.fault_at(stream.sni_where, "streams", f"the stream in line {twin.line} of this listener {what}")
        other = named.setdefault(stream.name, stream.where)
        if other is not stream.where and stream.name != _usual_name(stream):
            why = f"the name {quoted(stream.name)} is that of the stream in line {other.line} already"
            at.fault_at(stream.where, "streams", why)
    carrying = [listeners[name] for name in dict.fromkeys(one.listener for one in config.streams) if name in listeners]
    for listener in carrying:
        _tell_listener(listener, at)
    if config.routes and carrying and len(carrying) == len(listeners):
        why = "every listener carries streams, so no request could reach a route"
        at.fault_at(config.routes[0].where, "routes", why)


def _usual_name(stream: Stream) -> str:
    return "/".join((stream.listener, *stream.sni))


def _tell_listener(listener: Listener, at: At) -> None:
    if listener.tls is not None:
        at.fault_at(listener.where, f"listeners.{listener.name}", (
            "a stream's bytes are passed on as they are, TLS too, which the service ends; write `tls: off` here"
        ))  # fmt: skip
    if listener.trusted_proxies:
        at.fault_at(listener.where, f"listeners.{listener.name}", (
            "it carries streams, which have no Forwarded field; leave `trusted_proxies` out, or use `proxy_protocol`"
        ))  # fmt: skip
