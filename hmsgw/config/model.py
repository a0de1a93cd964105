"""A configuration as values: what a routes file says, checked, with every default filled in.

Knows: the sections, their keys, types, units and defaults (the contract, section 3). Refuses to know: YAML, files,
and how any of it is carried out. Strategy: frozen dataclasses whose annotations carry the kind of each key
(`hmsgw.config.kinds`), so that the parser, `hms-gateway schema` and the encoder all read this one file.
A `Where` travels with what can be at fault later (a plugin's options, a route's service).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from hmsgw.config.kinds import (
    Address,
    Choice,
    Cidr,
    Count,
    Duration,
    FieldName,
    FilePath,
    Filled,
    HostPattern,
    Later,
    Off,
    Percent,
    PlainDict,
    Port,
    RoutePath,
    Secret,
    Size,
    Text,
    Url,
    Word,
)
from hmsgw.config.places import NOWHERE as NOWHERE
from hmsgw.config.places import Where as Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server certificate: PEM chain and PEM key, as bundle names (see `hmsgw.config.bundle`)."""

    certificate: Annotated[str, FilePath(governed=False)]
    key: Annotated[str, FilePath(secret=True)]
    where: Where = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    certificates: tuple[Certificate, ...] = ()
    """Empty: the self-signed certificate of the state directory."""
    minimum: Annotated[str, Choice("1.2", "1.3")] = "1.2"
    client_auth: Annotated[str, Choice("none", "optional", "required")] = "none"
    client_ca: Annotated[str | None, FilePath()] = None
    """The only authorities whose clients are taken: PEM. The host's own trust store never is."""
    client_ca_where: Where = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    name: Annotated[str, Word()] = "public"
    address: Annotated[str, Address()] = "::"
    port: Annotated[int, Port()] = 8080
    tls: Annotated[ListenerTls | None, Off()] = ListenerTls()
    protocols: Annotated[tuple[str, ...], Filled(), Choice("h2", "http/1.1")] = ("h2", "http/1.1")
    proxy_protocol: Annotated[str, Choice("off", "required")] = "off"
    """required: each connection begins with a PROXY header, version 1 or 2, before TLS."""
    proxy_from: Annotated[tuple[str, ...], Cidr()] = ()
    """Who may connect then."""
    trusted_proxies: Annotated[tuple[str, ...], Cidr()] = ()
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    address: Annotated[str, Address()] = "127.0.0.1"
    port: Annotated[int, Port()] = 9180


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    access: Annotated[str, Text()] = "stdout"
    """`stdout` or a path; never relative after parsing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    kind: Annotated[str, Choice("consul", "file", "none", later=("dns",))] = "consul"
    url: Annotated[str | None, Url("http", "https")] = None
    """None: $REG_URL, else http://localhost:8500."""
    token: Annotated[str | None, Secret()] = None
    """Consul ACL token, sent as X-Consul-Token."""
    path: Annotated[str | None, FilePath(bundled=False)] = None
    """kind `file`: {name: [http://host:port, ...]}, watched. Not part of the bundle: it changes on its own.
    Never relative after parsing."""
    allow_networks: Annotated[tuple[str, ...], Cidr()] = ()
    """Empty: every address but link-local, metadata, multicast and the gateway's own listeners."""
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds, counted per worker."""

    connections: Annotated[int, Count(1)] = 10_000
    streams: Annotated[int, Count(1, 10_000)] = 100
    head: Annotated[int, Size(1024)] = 64 * 1024
    fields: Annotated[int, Count(1)] = 200
    field: Annotated[int, Size(256)] = 16 * 1024
    body: Annotated[int | None, Size(0), Off()] = None
    buffer: Annotated[int, Size(16 * 1024)] = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds."""

    tls: Annotated[float, Duration()] = 10.0
    head: Annotated[float, Duration()] = 10.0
    body_progress: Annotated[float, Duration()] = 60.0
    keep_alive: Annotated[float, Duration()] = 75.0
    shutdown: Annotated[float, Duration()] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTls:
    ca: Annotated[str | None, FilePath()] = None
    """None: the host's own trust store. Verification cannot be switched off."""
    name: Annotated[str | None, Text()] = None
    """The name the certificate must carry, and SNI; None: the endpoint's host."""
    certificate: Annotated[str | None, FilePath(governed=False)] = None
    key: Annotated[str | None, FilePath(secret=True)] = None
    where: Where = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds; None is off."""

    connect: Annotated[float, Duration()] = 2.0
    first_byte: Annotated[float | None, Duration(), Off()] = 30.0
    idle: Annotated[float | None, Duration(), Off()] = 60.0
    total: Annotated[float | None, Duration(), Off()] = None
    where: Where = field(default=NOWHERE, compare=False)
    idle_where: Where = field(default=NOWHERE, compare=False)

    @property
    def long_idle(self) -> float | None:
        """`idle` of what may well be silent, a WebSocket: an hour unless the file says something else."""
        said = self.idle_where != self.where or self.idle != 60.0
        return self.idle if said else 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    attempts: Annotated[int, Count(0, 10)] = 1
    on: Annotated[
        tuple[str, ...],
        Choice("connect", "reset", "refused-stream", later=("timeout", "429", "500", "502", "503", "504")),
    ] = ("connect", "reset")
    budget: Annotated[float, Percent()] = 0.2
    """Share (0..1) of a service's running requests that may be retries at once, never less than 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    endpoints: Annotated[tuple[str, ...], Filled(), Url("http", "https", bare=True)] = ()
    """Base URLs without a path. Given: the registry is not asked."""
    protocol: Annotated[str, Choice("auto", "http/1.1", "h2", "h2c")] = "auto"
    tls: UpstreamTls = UpstreamTls()
    balance: Annotated[str, Choice("round-robin", "least-requests", "consistent-hash", "random")] = "least-requests"
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    health: Annotated[dict[str, Any] | None, Later(None, PlainDict())] = None
    proxy_protocol: Annotated[str, Choice("off", "v2")] = "off"
    """v2: each connection begins with a PROXY header that names the client, and serves no other client."""
    on_empty: Annotated[str | None, Later(None, Choice("keep", "drain"))] = None
    where: Where = NOWHERE

    def is_like(self, other: Service) -> bool:
        """The same settings; their places in the file move when lines are added above."""
        same = all(getattr(self, key) == getattr(other, key) for key in self.__dataclass_fields__ if key != "where")
        return same and self.timeouts.long_idle == other.timeouts.long_idle


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUse:
    """A plugin as a route's list or `plugins:` names it, before anybody knows what it means.

    name: `jwt`, `rate-60ip`, `rate`, ... options: plain YAML data (None when written as a bare name).
    option_where: dotted option (`limit`, `keys[0].name`) -> its place. is_sound: False when a fault of it is told
    already, so that nothing more is to be said of it.
    """

    name: str
    options: dict[str, Any] | None = None
    where: Where = NOWHERE
    option_where: dict[str, Where] = field(default_factory=dict)
    is_sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    plugins: tuple[PluginUse, ...] = (PluginUse(name="rate-60ip"),)
    """Put in front of every route that names no `rate` of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    path: Annotated[str, RoutePath()]
    service: Annotated[str | None, Word()] = None
    """None only when a plugin answers (`respond`, `redirect`): chain resolution checks that."""
    plugins: tuple[PluginUse, ...] = ()
    methods: Annotated[tuple[str, ...], Filled(), FieldName(upper=True)] = ()
    """Empty: any method."""
    hosts: Annotated[tuple[str, ...], Filled(), HostPattern()] = ()
    headers: Annotated[dict[str, str], FieldName(lower=True)] = field(default_factory=dict)
    """Lower-case field name -> exact value."""
    strip_prefix: Annotated[str | None, Text()] = None
    rewrite: Annotated[str | None, Text()] = None
    """`/v2/{rest}`: `{name}` is a segment of the path, `{rest}` what `/*` matched, without its first slash."""
    name: Annotated[str, Text()] = ""
    """Never empty after parsing: the path unless given."""
    where: Where = NOWHERE
    service_where: Where = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Connections of a listener that are passed on as they are."""

    listener: Annotated[str, Word()]
    """Carries streams only then."""
    service: Annotated[str, Word()]
    sni: Annotated[tuple[str, ...], Filled(), HostPattern()] = ()
    """Server names of a ClientHello. Empty: every connection that no other stream of the listener takes."""
    plugins: tuple[PluginUse, ...] = ()
    """`ip-filter`, or a set-up of it."""
    idle: Annotated[float | None, Duration(), Off()] = 3600.0
    name: Annotated[str, Text()] = ""
    """Never empty after parsing: the listener and its names unless given."""
    where: Where = NOWHERE
    listener_where: Where = NOWHERE
    service_where: Where = NOWHERE
    sni_where: Where = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    serial: Annotated[int | None, Count(1)] = None
    environment: Annotated[str | None, Word()] = None
    environment_where: Where = NOWHERE
    listeners: Annotated[tuple[Listener, ...], Filled()] = ()
    """Empty: the one `public` listener on --port."""
    admin: Admin = Admin()
    log: Log = Log()
    registry: Registry = Registry()
    redis: Annotated[dict[str, Any] | None, Later(None, PlainDict())] = None
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    services: dict[str, Service] = field(default_factory=dict)
    plugin_path: Annotated[tuple[str, ...], Text()] = ()
    plugin_path_where: Where = NOWHERE
    plugins: dict[str, PluginUse] = field(default_factory=dict)
    """Set-ups: name -> use; `plugin:` in its options names the plugin when that differs from the name."""
    defaults: Defaults = Defaults()
    routes: tuple[Route, ...] = ()
    streams: tuple[Stream, ...] = ()
