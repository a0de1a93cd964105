"""From the names in a configuration to plugins that can be built, with every fault found.

Knows: what a name in a `plugins:` list means (set-ups, drop-ins, catalogue, shorthand, in that order), which routes get
the default plugins, which routes need a service. Refuses to know: the reactor, the running chains. Strategy: plain
blocking code for a thread; one `Prepared` per reading, in which what did not change since the previous reading is the
same object; all faults at once, as `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hmsgw.chain import dropins
from hmsgw.chain.dropins import DropIns, Files
from hmsgw.chain.names import Names
from hmsgw.chain.uses import PreparedUse
from hmsgw.config.faults import Fault, Refused
from hmsgw.config.model import Config, Route, Stream

FOR_STREAMS = frozenset({"ip-filter"})
"""The plugins that need no more than the client's address."""


class PreparedRoute(NamedTuple):
    """uses: the defaults first, then those of the route's list, in order."""

    route: Route
    uses: tuple[PreparedUse, ...]


class Prepared(NamedTuple):
    """routes: in the order of the configuration. drop_ins: every plugin file that was found. objects: what `configure`
    of drop-ins returned, by file and options. streams: as routes; a chain needs no more of one than its name."""

    routes: tuple[PreparedRoute, ...]
    drop_ins: DropIns
    objects: dict[tuple[object, str], Any]
    streams: tuple[PreparedRoute, ...] = ()


def prepare(
    config: Config,
    bundle: Files,
    previous: Prepared | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    dev: bool = False,
    signed: bool = False,
    package_folder: str = dropins.PACKAGE_FOLDER,
) -> Prepared:
    """Resolve every plugin of every route and every set-up, used or not.

    Loads and runs drop-in files (a file whose code never returns is never done with, here as anywhere). dev, signed: as
    the gateway was started, for plugins that may take a key from the environment. Raises Refused with all faults.
    """
    faults: list[Fault] = []
    earlier = previous or Prepared((), dropins.NONE, {})
    found = dropins.find(
        bundle, config.plugin_path, earlier.drop_ins, faults, package_folder, config.plugin_path_where
    )
    names = Names(config.plugins, found, earlier.objects, faults, _verifier(bundle, environ or {}, dev, signed))
    defaults = [names.resolve(use) for use in config.defaults.plugins]
    routes = tuple(_prepared(route, names, defaults, faults) for route in config.routes)
    streams = tuple(_of_stream(stream, names, faults) for stream in config.streams)
    if faults:
        raise Refused(faults)
    for files in found.folders.values():
        for file in files.values():
            file.show_in_tracebacks()
    return Prepared(routes, found, names.objects, streams)


def _of_stream(stream: Stream, names: Names, faults: list[Fault]) -> PreparedRoute:
    uses = [use for one in stream.plugins if (use := names.resolve(one)) is not None]
    faults += [
        Fault(use.where, f"{use.name} needs a request, and a stream has only a client: `ip-filter` may stand here")
        for use in uses
        if use.plugin not in FOR_STREAMS or use.module is None
    ]
    return PreparedRoute(Route(path="/", name=stream.name, service=stream.service), tuple(uses))


def _prepared(route: Route, names: Names, defaults: list[PreparedUse | None], faults: list[Fault]) -> PreparedRoute:
    own = [names.resolve(use) for use in route.plugins]
    limited = any(use is not None and use.is_rate for use in own)
    wanted = own if limited else [*defaults, *own]
    uses = tuple(use for use in wanted if use is not None)
    if route.service is None and len(uses) == len(wanted) and not any(use.answers for use in uses):
        faults.append(Fault(
            route.where, f"route {route.path} needs a `service`, or a plugin that answers every request (`respond`)"
        ))  # fmt: skip
    return PreparedRoute(route, uses)


def _verifier(bundle: Files, environ: Mapping[str, str], dev: bool, signed: bool) -> Callable[[Any, Any], None]:
    def verify(module: Any, settings: Any) -> None:
        check = getattr(module, "verify", None)
        if check is not None:
            check(settings, bundle, environ, dev, signed)

    return verify
