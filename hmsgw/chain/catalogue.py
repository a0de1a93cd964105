"""The plugins that ship with the gateway, by name.

Knows: every name that the contract's catalogue pins, where its module is, and which of them this version has.
Refuses to know: drop-ins. Strategy: one explicit table to read; a module is imported when a configuration uses it.
A catalogue module has `Settings` (a frozen dataclass annotated with `config.kinds`), `build(settings, tools, use)`, and
where they apply `verify(settings, bundle, environ, dev, signed)` and `ANSWERS = True` (it ends every request).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = {
    "jwt": "hmsgw.plugins.jwt",
    "ip-filter": "hmsgw.plugins.ip_filter",
    "body-limit": "hmsgw.plugins.body_limit",
    "rate": "hmsgw.plugins.rate",
    "quota": "hmsgw.plugins.quota",
    "headers": "hmsgw.plugins.headers",
    "respond": "hmsgw.plugins.respond",
    "mtls": "hmsgw.plugins.mtls",
    "request-id": "hmsgw.plugins.request_id",
    "grpc-web": "hmsgw.plugins.grpc_web",
}

#: Pinned by the contract, not delivered yet.
LATER = frozenset({
    "key-auth", "basic-auth", "introspection", "http-signature", "dpop", "forward-auth", "any-of", "acl",
    "cors", "replay", "concurrency", "rewrite", "redirect", "security-headers", "sunset", "cache", "compress",
    "coalesce", "grpc-json", "mirror", "split", "maintenance", "api-umbrella",
})  # fmt: skip

NAMES = frozenset(_MODULES)

#: Modules of hmsgw/plugins/ that belong to the distribution; every other file there is a drop-in.
SHIPPED = frozenset(path.rpartition(".")[2] for path in _MODULES.values())


def module_of(name: str) -> ModuleType:
    """The module of a catalogue plugin. Raises KeyError for any other name."""
    return import_module(_MODULES[name])
