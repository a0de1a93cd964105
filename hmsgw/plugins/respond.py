"""respond: a fixed answer, so that a route needs no service.

Knows: status, fields and a body, from the configuration or from a file beside it. Refuses to know: the request.
Strategy: the answer is made once, when the configuration is read, and handed out as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from hmsgw.chain.api import OptionError, Request, Response
from hmsgw.chain.tools import BundleFiles, Tools, UseInfo
from hmsgw.config.kinds import Count, FieldName, FilePath, Text

ANSWERS = True

_PLAIN = "text/plain; charset=utf-8"
_WITHOUT_BODY = (204, 205, 304)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    status: Annotated[int, Count(200, 599)] = 200
    headers: Annotated[dict[str, str], FieldName()] = field(default_factory=dict)
    """Response fields. Content-Type is `text/plain; charset=utf-8` unless given."""
    body: Annotated[str, Text()] = ""
    """Sent as UTF-8."""
    body_file: Annotated[str | None, FilePath()] = None
    """The body from a file instead, byte for byte."""


class Respond:
    """The step."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def run(self, req: Request) -> Response:
        return self._response

    def explain(self, req: Request) -> str:
        return f"answers {self._response.status} with {len(self._response.body)} bytes"


def verify(settings: Settings, bundle: BundleFiles, *_: object) -> None:
    """Raises OptionError for an answer that can't be sent."""
    _response(settings, bundle)


def build(settings: Settings, tools: Tools, use: UseInfo) -> Respond:
    return Respond(_response(settings, tools.bundle))


def _response(settings: Settings, bundle: BundleFiles) -> Response:
    body = settings.body.encode()
    if settings.body_file is not None:
        if body:
            raise OptionError("give `body` or `body_file`, not both", "body_file")
        try:
            body = bundle.read(settings.body_file)
        except (OSError, KeyError, ValueError) as error:
            raise OptionError(f"{settings.body_file} can't be read: {error}", "body_file") from None
    if body and settings.status in _WITHOUT_BODY:
        raise OptionError(f"an answer {settings.status} has no body", "status")
    fields = _checked(settings.headers)
    try:
        response = Response(settings.status, fields, body)
    except ValueError as error:
        raise OptionError(str(error), "status") from None
    if body and "content-type" not in response.headers:
        response.headers.add("Content-Type", _PLAIN)
    return response


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        try:
            Response(headers={name: value})
        except ValueError as error:
            raise OptionError(str(error), f"headers.{name}") from None
    return dict(headers)
