"""From prepared uses to chains that run.

Knows: which plugin objects are made, shared between routes, and kept over a reload. Refuses to know: names and faults
in configurations (`chain.prepare`). Strategy: cheap and on the reactor. An object serves every route with the same
name, identity and settings; it is kept as long as these and the bytes of every file it read stay what they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from hmsgw.chain.api import OptionError
from hmsgw.chain.dropins import in_words
from hmsgw.chain.heirs import heirs
from hmsgw.chain.prepare import Prepared
from hmsgw.chain.run import BuiltUse, Chain
from hmsgw.chain.step import RequestStep, ResponseStep, TransformStep
from hmsgw.chain.tools import BundleFiles, Tools, UseInfo
from hmsgw.chain.uses import PreparedUse
from hmsgw.config.faults import Fault, Refused

_Key = tuple[object, ...]


def build(prepared: Prepared, tools: Tools) -> list[Chain]:
    """One chain a route, in route order. Raises Refused when a plugin can't be built."""
    running = [use.prepared for chain in tools.previous for use in chain.uses]
    workshop = _Workshop(tools, heirs(running, [use for route in prepared.routes for use in route.uses]))
    chains = [_chain(tuple(workshop.built(use, route.name) for use in uses), tools) for route, uses in prepared.routes]
    if workshop.faults:
        raise Refused(workshop.faults)
    return chains


def _chain(uses: tuple[BuiltUse, ...], tools: Tools) -> Chain:
    request_steps, response_steps, transform_steps = [], [], []
    for use in uses:
        of = use.prepared
        run, on_response = getattr(use.plugin, "run", None), getattr(use.plugin, "on_response", None)
        rest: dict[str, Any] = {
            "deadline_s": of.deadline_s, "shadow": of.shadow, "count_decision": tools.count_decision,
        }  # fmt: skip
        if run is not None:
            request_steps.append(RequestStep(run, of.name, of.where, **rest))
        if on_response is not None:
            response_steps.append(ResponseStep(on_response, of.name, of.where, **rest))
        transform = getattr(use.plugin, "transform", None)
        if transform is not None and not of.shadow:
            transform_steps.append(TransformStep(transform, of.name, of.where, **rest))
    return Chain(
        tools.clock, uses, tuple(request_steps), tuple(reversed(response_steps)), tuple(transform_steps)
    )


class _Workshop:
    """Makes each plugin object once, or takes it from the chains before."""

    def __init__(self, tools: Tools, heirs: dict[str, str]) -> None:
        self.faults: list[Fault] = []
        self._heirs = heirs
        self._tools = tools
        self._made: dict[_Key, BuiltUse] = {}
        self._earlier = _unchanged(tools.previous, tools.bundle)

    def built(self, use: PreparedUse, route: str) -> BuiltUse:
        if use.module is None:
            return BuiltUse(use, (), use.target, {})
        key = self._key(use, route)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._earlier.get(key) or self._make(use, route, key)
        return made._replace(prepared=use)

    def _key(self, use: PreparedUse, route: str) -> _Key:
        own = route if getattr(use.settings, "scope", None) == "route" else None
        tools = self._tools
        return (
            use.plugin, use.name, use.identity, _values(use.settings), own, tools.signed, tools.dev_secret, tools.realm,
        )  # fmt: skip

    def _make(self, use: PreparedUse, route: str, key: _Key) -> BuiltUse:
        assert use.module is not None
        reads = _Reads(self._tools.bundle)
        # Without `previous`: a kept plugin that kept its tools would keep every generation before it.
        tools = replace(self._tools, bundle=reads, previous=())
        plugin = None
        try:
            heir_of = self._heirs.get(use.identity, "")
            info = UseInfo(use.name, use.identity, use.where, route, heir_of)
            plugin = use.module.build(use.settings, tools, info)
        except OptionError as error:
            self.faults.append(Fault(use.where, f"{use.name}: {error}"))
        except Exception as error:
            self.faults.append(Fault(use.where, f"{use.name} can't be built: {in_words(error)}"))
        reads.close()
        return BuiltUse(use, key, plugin, reads.digests)


def _values(settings: Any) -> tuple[str, ...]:
    """Every setting as text; a secret that its dataclass keeps out of `repr` is part of it all the same."""
    return tuple(repr(getattr(settings, field.name)) for field in fields(settings))


class _Reads:
    """The bundle for the time of one `build`, with a note of what was read."""

    def __init__(self, bundle: BundleFiles) -> None:
        self._bundle: BundleFiles | None = bundle
        self.digests: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """Raises RuntimeError once the plugin is built: no request waits for a file."""
        if self._bundle is None:
            raise RuntimeError(f"{path}: a plugin reads its files while it is built")
        content = self._bundle.read(path)
        self.digests[path] = hashlib.sha256(content).digest()
        return content

    def close(self) -> None:
        self._bundle = None


def _unchanged(previous: Sequence[Chain], bundle: BundleFiles) -> dict[_Key, BuiltUse]:
    """The built uses of the chains before, but for those that read a file whose bytes are others now."""
    same: dict[str, bytes | None] = {}

    def digest(path: str) -> bytes | None:
        if path not in same:
            try:
                same[path] = hashlib.sha256(bundle.read(path)).digest()
            except (OSError, KeyError, ValueError):
                same[path] = None
        return same[path]

    kept: dict[_Key, BuiltUse] = {}
    for chain in previous:
        for use in chain.uses:
            if use.key and use.key not in kept and all(digest(path) == was for path, was in use.reads.items()):
                kept[use.key] = use
    return kept
