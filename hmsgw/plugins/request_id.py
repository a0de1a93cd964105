"""request-id: shows the request's id to the client, and to the upstream under another name if wanted.

Knows: the name of a field. Refuses to know: how an id is made or believed; the gateway has always done that before any
plugin runs, and always tells the upstream in X-Request-Id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hmsgw.chain.api import Request, ResponseView
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import FieldName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    header: Annotated[str, FieldName()] = "X-Request-Id"
    """The field, in the request to the upstream and in the answer."""
    response: bool = True
    """Whether the answer carries it."""


class ForUpstream:
    """The id under a name that the gateway does not set by itself."""

    def __init__(self, header: str) -> None:
        self._header = header
        self.owned_fields = frozenset({header.lower().encode()})

    def run(self, req: Request) -> None:
        req.headers[self._header] = req.id


class ForClient:
    """The id in the answer, whoever made the answer."""

    def __init__(self, header: str) -> None:
        self._header = header

    def on_response(self, req: Request, resp: ResponseView) -> None:
        resp.headers[self._header] = req.id


class ForBoth(ForUpstream, ForClient):
    """Both."""


def build(settings: Settings, tools: Tools, use: UseInfo) -> ForUpstream | ForClient:
    if settings.header.lower() == "x-request-id":
        return ForClient(settings.header) if settings.response else ForUpstream(settings.header)
    return ForBoth(settings.header) if settings.response else ForUpstream(settings.header)
