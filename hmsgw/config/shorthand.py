"""`rate-60ip` and `quota-1000user`: a limit in one word.

Knows: the form `<plugin>-<n><key>`. Refuses to know: what the plugins do with it. Strategy: it becomes the options that
one would write out, so that nothing later can tell the difference.
"""

from __future__ import annotations

import re
from typing import Any

_FORM = re.compile(r"(rate|quota)-([1-9][0-9]{0,8})(ip|user|key|route|all)")
_PER = {"rate": "minute", "quota": "day"}


def expand(name: str) -> tuple[str, dict[str, Any]] | None:
    """(plugin, options) of a shorthand, None when `name` is none: `rate-<n><key>` a minute, `quota-<n><key>` a day."""
    match = _FORM.fullmatch(name)
    if match is None:
        return None
    plugin, limit, key = match.groups()
    return plugin, {"limit": int(limit), "per": _PER[plugin], "key": key}
