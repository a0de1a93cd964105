"""What the tests of this folder set the scene with: configurations, bundles and tools without a disk or a clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from hmsgw.chain.build import build
from hmsgw.chain.prepare import Prepared, prepare
from hmsgw.chain.run import Chain
from hmsgw.chain.tools import Tools
from hmsgw.config.bundle import Bundle
from hmsgw.config.faults import Refused
from hmsgw.config.model import Config, Defaults, PluginUse, Route, Where

ROOT = "/srv/gateway"
PACKAGE = "/usr/lib/hmsgw/plugins"


def use(name: str, line: int = 1, **options: Any) -> PluginUse:
    """A plugin in a list of line `line`; each option stands one line further down."""
    places = {option: Where("routes.yaml", line + 1 + n, 5) for n, option in enumerate(options)}
    return PluginUse(name=name, options=options or None, where=Where("routes.yaml", line, 3), option_where=places)


def set_up(name: str, line: int = 1, **options: Any) -> tuple[str, PluginUse]:
    return name, use(name, line, **options)


def route(*uses: PluginUse | str, path: str = "/a", service: str | None = "backend") -> Route:
    plugins = tuple(use(item) if isinstance(item, str) else item for item in uses)
    return Route(path=path, name=path, service=service, plugins=plugins, where=Where("routes.yaml", 90, 1))


def config(*routes: Route, defaults: tuple[PluginUse, ...] = (), **rest: Any) -> Config:
    return Config(routes=routes, defaults=Defaults(plugins=defaults), **rest)


def bundle(**files: str | bytes) -> Bundle:
    """Keywords are paths: `plugins__x` is plugins/x.py; other paths go through `bundle_of`."""
    return bundle_of({f"{name.replace('__', '/', 1)}.py": text for name, text in files.items()})


def bundle_of(files: dict[str, str | bytes]) -> Bundle:
    octets = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return Bundle(ROOT, octets, True)


def prepared(config: Config, files: Bundle | None = None, previous: Prepared | None = None, **rest: Any) -> Prepared:
    return prepare(config, files or bundle(), previous, package_folder=PACKAGE, **rest)


def faults_of(config: Config, files: Bundle | None = None, **rest: Any) -> list[str]:
    """Each fault as `check` prints it; [] when there is none."""
    try:
        prepared(config, files, **rest)
    except Refused as refused:
        return [str(fault) for fault in refused.faults]
    return []


class Scene:
    """A clock, the tools of a worker, and what was counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.decisions: list[tuple[str, str]] = []

    def tools(self, files: Bundle | None = None, **rest: Any) -> Tools:
        return Tools(
            clock=self.clock,
            seconds=self.clock.seconds,
            wall=lambda: 1_700_000_000.0 + self.clock.seconds(),
            counters=None,
            key_set=lambda url: None,
            bundle=files or bundle(),
            count_decision=lambda plugin, decision: self.decisions.append((plugin, decision)),
            **rest,
        )

    def chain(self, *uses: PluginUse | str, **files: str | bytes) -> Chain:
        """The chain of one route with these plugins and these drop-in files."""
        return build(prepared(config(route(*uses)), bundle(**files)), self.tools(bundle(**files)))[0]
