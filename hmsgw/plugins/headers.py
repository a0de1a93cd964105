"""headers: sets, adds and removes fields of the request and of the answer.

Knows: four things to do with fields, in the order remove, default, set, add; placeholders in values. Refuses to know:
fields that frame a message or that only the gateway may set: naming one is a fault. Strategy: names and values are
checked and encoded when the configuration is read; per request only values with placeholders are put together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from hmsgw.chain.api import HTTPError, OptionError, Request, ResponseView
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import FieldName
from hmsgw.wire.fieldnames import NOT_SENDABLE, WRITTEN
from hmsgw.wire.headers import Field, checked_field

_PLACEHOLDERS: dict[str, Callable[[Request], Any]] = {
    "client": lambda req: req.client.host,
    "host": lambda req: req.host,
    "method": lambda req: req.method,
    "request_id": lambda req: req.id,
    "route": lambda req: req.route,
    "scheme": lambda req: req.scheme,
    "service": lambda req: req.service,
    "user": lambda req: req.user,
}

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

_Value = bytes | tuple[str | Callable[[Request], Any], ...]
_Line = tuple[bytes, bytes, _Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Field name -> value, in which `{user}` and the like stand for what the request has; `{{` is a brace."""

    remove: Annotated[tuple[str, ...], FieldName()] = ()
    default: Annotated[dict[str, str], FieldName()] = field(default_factory=dict)
    """Set where there is none."""
    set: Annotated[dict[str, str], FieldName()] = field(default_factory=dict)
    """In place of any that came. A value that comes out empty removes the field: what a client sent never stands in."""
    add: Annotated[dict[str, str], FieldName()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    request: Change = Change()
    response: Change = Change()


class Edit:
    """One `Change`, ready to be applied to a list of fields."""

    def __init__(self, change: Change, side: str, refused: frozenset[bytes]) -> None:
        self._remove = frozenset(_allowed(name, refused, f"{side}.remove") for name in change.remove)
        self._default = _lines(change.default, refused, f"{side}.default")
        self._set = _lines(change.set, refused, f"{side}.set")
        self._add = _lines(change.add, refused, f"{side}.add")
        self._cleared = self._remove | {lower for lower, _, _ in self._set}
        self.names = self._cleared | {lower for lower, _, _ in (*self._default, *self._add)}

    def __bool__(self) -> bool:
        return bool(self._cleared or self._default or self._add)

    def apply(self, fields: list[Field], req: Request) -> None:
        """Raises HTTPError 400 when what the request has can't be put in a field."""
        if self._cleared:
            cleared = self._cleared
            fields[:] = [line for line in fields if line[0] not in cleared]
        for lower, name, value in self._default:
            if all(line[0] != lower for line in fields):
                _append(fields, lower, name, value, req)
        for lower, name, value in self._set:
            _append(fields, lower, name, value, req)
        for lower, name, value in self._add:
            _append(fields, lower, name, value, req)


class Headers:
    """The plugin; `run` and `on_response` are there only when there is something to do."""

    def __init__(self, request: Edit, response: Edit) -> None:
        self.owned_fields = request.names
        if request:
            self.run: Callable[[Request], None] = lambda req: request.apply(req.headers.fields, req)
        if response:
            self.on_response: Callable[[Request, ResponseView], None] = (
                lambda req, resp: response.apply(resp.headers.fields, req)
            )  # fmt: skip


def verify(settings: Settings, *_: object) -> None:
    """Raises OptionError for names and values that can't be sent, and for a use that does nothing."""
    request, response = _edits(settings)
    if not request and not response:
        raise OptionError("give `request` or `response` with `set`, `add`, `remove` or `default`")


def build(settings: Settings, tools: Tools, use: UseInfo) -> Headers:
    return Headers(*_edits(settings))


def _edits(settings: Settings) -> tuple[Edit, Edit]:
    return (
        Edit(settings.request, "request", NOT_SENDABLE | WRITTEN),
        Edit(settings.response, "response", NOT_SENDABLE),
    )


def _allowed(name: str, refused: frozenset[bytes], option: str) -> bytes:
    lower = name.lower().encode()
    if lower in refused:
        raise OptionError(f"{name} is set by the gateway itself", f"{option}.{name}")
    return lower


def _lines(named: Mapping[str, str], refused: frozenset[bytes], option: str) -> list[_Line]:
    lines = []
    for name, value in named.items():
        _allowed(name, refused, option)
        try:
            lower, spelled, _ = checked_field(name, _PART.sub("", value))
            lines.append((lower, spelled, _parts(name, value)))
        except ValueError as error:
            raise OptionError(str(error), f"{option}.{name}") from None
    return lines


def _parts(name: str, value: str) -> _Value:
    """The value as bytes, or in parts when it has placeholders. Raises ValueError for an unknown one."""
    parts: list[str | Callable[[Request], Any]] = []
    at = 0
    for found in _PART.finditer(value):
        parts.append(value[at : found.start()])
        at = found.end()
        whole, inner = found.group(0), found.group(1)
        if whole in ("{{", "}}"):
            parts.append(whole[0])
        elif inner in _PLACEHOLDERS:
            parts.append(_PLACEHOLDERS[inner])
        else:
            known = ", ".join(f"{{{word}}}" for word in _PLACEHOLDERS)
            raise ValueError(f"{whole} in the value of {name} means nothing; there are {known}, and {{{{ for a brace")
    parts.append(value[at:])
    if any(callable(part) for part in parts):
        return tuple(part for part in parts if part != "")
    return checked_field(name, "".join(part for part in parts if isinstance(part, str)))[2]


def _append(fields: list[Field], lower: bytes, name: bytes, value: _Value, req: Request) -> None:
    if isinstance(value, tuple):
        spelled = "".join(part if isinstance(part, str) else _text(part(req)) for part in value)
        try:
            value = checked_field(name, spelled)[2]
        except ValueError:
            raise HTTPError(400, "What this request says of itself can't be put in a header field.") from None
        if not value:
            return
    fields.append((lower, name, value))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
