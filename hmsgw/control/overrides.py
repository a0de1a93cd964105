"""Which options and variables count instead of what the configuration says.

Knows: their names. Refuses to know: how they take effect. A secret's value is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from hmsgw.control.options import StartOptions

_SHOWN_KEYS = ("HMSGW_JWT_JWKS_URL", "HMSGW_JWT_PUBLIC_KEY")
SECRET_KEY = "HMSGW_JWT_SECRET"


def key_variable(environ: Mapping[str, str]) -> str | None:
    """The variable whose key judges tokens where a configuration names none. None: no variable is set."""
    return next((name for name in (*_SHOWN_KEYS, SECRET_KEY) if environ.get(name)), None)


def overrides(options: StartOptions, environ: Mapping[str, str], *, registry: bool) -> dict[str, str]:
    """`--option` or `$VARIABLE` -> its value in words, for `hms-gateway status`. registry: $REG_URL counts."""
    said = {"--port": options.port, "--admin-port": options.admin_port, "--environment": options.environment}
    found = {name: str(value) for name, value in said.items() if value is not None}
    shown = ("REG_URL", *_SHOWN_KEYS) if registry else _SHOWN_KEYS
    found |= {f"${name}": environ[name] for name in shown if environ.get(name)}
    if environ.get(SECRET_KEY):
        found[f"${SECRET_KEY}"] = "(secret)"
    return found
