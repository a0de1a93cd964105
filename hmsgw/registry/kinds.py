"""From the `registry:` section of a configuration to a source.

Knows: which source each `kind` is, and where its address comes from when the file leaves it out. Refuses to know: what
sources do. Strategy: the one place that makes sources.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from hmsgw.config.model import Registry
from hmsgw.registry.consul_source import ConsulSource
from hmsgw.registry.fetch import KeptConnections
from hmsgw.registry.file_source import FileSource
from hmsgw.registry.none import NoSource
from hmsgw.registry.poller import MAX_ASKING
from hmsgw.registry.source import Source

USUAL_URL = "http://localhost:8500"


def source_of(
    registry: Registry,
    reactor: Any,
    *,
    environ: Mapping[str, str],
    root_dir: str,
    in_thread: Callable[[Callable[[], Any]], Deferred[Any]],
    policy: Any = None,
) -> Source:
    """registry: checked. root_dir: what a relative `path` is relative to. in_thread: `deferToThread`. policy: an
    IPolicyForHTTPS, which says whose certificate is good; None: Twisted's."""
    if registry.kind == "file":
        return FileSource(os.path.join(root_dir, registry.path or ""), reactor, in_thread)
    if registry.kind == "none":
        return NoSource()
    url = registry.url or environ.get("REG_URL") or USUAL_URL
    kept = KeptConnections(reactor, MAX_ASKING, policy)
    return ConsulSource(url, registry.token, kept.fetch, kept.close)
