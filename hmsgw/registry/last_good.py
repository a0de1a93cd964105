"""The last good endpoints on disk, for a start without the registry.

Knows: `registry.json` in the state directory, its form and how it is replaced whole. Refuses to know: when.
Strategy: blocking calls for a thread. The file is readable by its owner only, since it tells where everything is; one
that is damaged, or comes from another registry, counts as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from hmsgw.config.endpoint import Endpoint, bracketed
from hmsgw.files import replace_file

_FORMAT = "hmsgw-registry/1"
_MAX_BYTES = 64 * 1024 * 1024

Endpoints = tuple[Endpoint, ...]


class LastGood:
    """path: of the file. source: the name of the registry that the endpoints are from (`Source.name`)."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source

    def load(self) -> dict[str, Endpoints]:
        """Service name -> endpoints; empty when there is nothing that can be used. Blocking."""
        try:
            with open(self._path, "rb") as file:
                kept = orjson.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or (kept.get("format"), kept.get("source")) != (_FORMAT, self._source):
            return {}
        try:
            return {str(name): tuple(map(_endpoint, listed)) for name, listed in kept["services"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}

    def save(self, services: Mapping[str, Endpoints]) -> None:
        """Replace the file. Blocking. Raises OSError."""
        written = orjson.dumps(
            {
                "format": _FORMAT,
                "source": self._source,
                "services": {name: [list(endpoint) for endpoint in listed] for name, listed in services.items()},
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS,
        )
        replace_file(self._path, written, 0o600)


def _endpoint(listed: Any) -> Endpoint:
    """Through `Endpoint.parse`, so that an edited file can't say more than a registry. Raises ValueError, TypeError."""
    scheme, host, port, weight = listed
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= 65535:
        raise ValueError("a weight is from 1 to 65535")
    return Endpoint.parse(f"{scheme}://{bracketed(str(host))}:{port}")._replace(weight=weight)
