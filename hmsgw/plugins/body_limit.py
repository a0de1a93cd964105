"""body-limit: how long a request's body may be on this route.

Knows: a bound in bytes. Refuses to know: how a body is counted while it streams (the exchange honours
`req.body_limit`). Strategy: a declared length is judged at once, before a byte of the body is read; a body of unknown
length gets the bound for its way, which what an earlier step has read of it may have passed already. In shadow mode
only declared lengths are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hmsgw.chain.api import HTTPError, Request
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import Choice, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    max: Annotated[int, Size(0)]
    """Bytes; 0 allows no body at all."""
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


class BodyLimit:
    """The step. Of several limits on a route the smallest holds."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.max
        self._enforced = settings.mode == "enforce"

    def run(self, req: Request) -> None:
        for lower, _, value in req.fields:
            if lower == b"content-length" and int(value) > self._max_bytes:
                raise HTTPError(413, f"The body is longer than {self._max_bytes} bytes.", reason="body-too-large")
        if self._enforced and (req.body_limit is None or req.body_limit > self._max_bytes):
            req.body_limit = self._max_bytes

    def explain(self, req: Request) -> str:
        return f"a body of at most {self._max_bytes} bytes"


def build(settings: Settings, tools: Tools, use: UseInfo) -> BodyLimit:
    return BodyLimit(settings)
