"""What every kind of value does: take a located value, or say in words why not.

Knows: the form of a kind and of its refusal. Refuses to know: any single kind (`hmsgw.config.kinds`, `netkinds`).
Strategy: most kinds read the text of a scalar, so that is all they have to write; the rest is done once, here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hmsgw.config.faults import quoted
from hmsgw.config.places import Where
from hmsgw.config.values import Listed, Mapped, Scalar, Value


class Unfit(ValueError):
    """A value is not of its kind. str(): what is wrong and what to write, to follow `KEY: `.

    where: the place, when it is a part of the value and not the value itself.
    """

    def __init__(self, message: str, where: Where | None = None) -> None:
        super().__init__(message)
        self.where = where


def scalar(value: Value, wanted: str) -> Scalar:
    """`value` when it is a single one that is not empty. wanted: what to write here, for the message."""
    if isinstance(value, Mapped):
        raise Unfit(f"here is a mapping; write {wanted}")
    if isinstance(value, Listed):
        raise Unfit(f"here is a list; write {wanted}")
    if value.is_null:
        raise Unfit(f"here is no value; write {wanted}, or leave the key out")
    return value


class Kind:
    """What all kinds do. wanted: what to write, in words."""

    wanted: ClassVar[str] = "a text"
    is_secret: bool = False
    """Never shown in a message, a log or `status`."""

    def parse(self, value: Value) -> Any:
        """The value of this kind. Raises Unfit."""
        found = scalar(value, self.wanted)
        try:
            return self.of_text(found.text)
        except Unfit as unfit:
            if self.is_secret:
                raise
            raise Unfit(f"{quoted(found.shown)} {unfit}", unfit.where) from None

    def of_text(self, text: str) -> Any:
        """The value that a scalar's text is. Raises Unfit, whose words follow the quoted text."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of the value as it is written."""
        return {"type": "string"}
