"""Claims as request fields for the upstream.

Knows: which fields may carry a claim, and how a claim's value is written in one. Refuses to know: whether the claims
are true. Strategy: names are checked once; a value that can't stand in a field refuses the token, because an upstream
that misses a field, or reads two out of one, decides wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hmsgw.identity.tokens import BadToken
from hmsgw.wire.fieldnames import MANAGED, NOT_SENDABLE
from hmsgw.wire.headers import Field, checked_field

_NOT_FOR_CLAIMS = NOT_SENDABLE | MANAGED | {
    b"content-type", b"content-encoding", b"expect", b"tracestate", b"authorization", b"cookie",
}  # fmt: skip


def field_names(claims_to_headers: Mapping[str, Any]) -> dict[str, bytes]:
    """Claim -> field name. Raises ValueError for one that can't be a field, or that is not for claims."""
    names: dict[str, bytes] = {}
    lowered: set[bytes] = set()
    for claim, name in claims_to_headers.items():
        if not isinstance(name, str):
            raise ValueError(f"{claim} needs the name of a header field, such as X-User-Id")
        lower, spelled, _ = checked_field(name, "")
        if lower in _NOT_FOR_CLAIMS or b"_" in lower:
            raise ValueError(f"{name} can't carry a claim; choose a name of your own, such as X-User-Id")
        if lower in lowered:
            raise ValueError(f"two claims would go into {name}")
        lowered.add(lower)
        names[str(claim)] = spelled
    return names


def as_fields(names: Mapping[str, bytes], claims: Mapping[str, Any]) -> list[Field]:
    """The fields for the claims that are there. Raises BadToken when a value can't stand in a field."""
    fields = []
    for claim, name in names.items():
        value = claims.get(claim)
        if value is not None:
            try:
                fields.append(checked_field(name, _written(value)))
            except ValueError:
                raise BadToken(f"the claim {claim} holds what no header field can") from None
    return fields


def _written(value: Any) -> str:
    """Text as it is; a list of plain texts with commas between; anything else as JSON. Raises ValueError for text that
    would be read as another: a field's value is without the blanks around it, and an empty one passes for none."""
    if type(value) is str:
        if not _is_itself(value):
            raise ValueError("empty, or with blanks at an end")
        return value
    if type(value) is list and all(type(one) is str and "," not in one and _is_itself(one) for one in value):
        return ",".join(value)
    return json.dumps(value, separators=(",", ":"))


def _is_itself(text: str) -> bool:
    return bool(text) and text == text.strip()
