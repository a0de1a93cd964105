"""The kinds of value that a configuration holds: how each is written, what it becomes, what may be wrong with it.

Knows: one class a kind, used as a marker in annotations (`Annotated[float, Duration()]`) by the model and by each
plugin's Settings. Refuses to know: which key has which kind, and where in a file a value stands. Strategy: `parse`
makes a value of a located one or raises Unfit with words for the person who wrote it; `schema` says the same to an
editor. Kinds go by a scalar's written text, so that quotes around a number or none around a word do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from hmsgw.config.faults import quoted
from hmsgw.config.kind import Kind, Unfit, scalar
from hmsgw.config.netkinds import Address, Cidr, HostPattern, RoutePath, Url
from hmsgw.config.places import Where
from hmsgw.config.values import INTEGER, Mapped, Value, integer, number, plain

__all__ = [
    "Address", "Choice", "Cidr", "Count", "Duration", "FieldName", "FieldValue", "FilePath", "Filled", "HostPattern",
    "Kind", "Later", "Off", "Percent", "PlainDict", "Port", "RoutePath", "Secret", "Size", "Text", "Unfit", "Url",
    "Word",
]  # fmt: skip

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 366 * 86400.0
_SIZE = re.compile(r"([0-9]{1,16})(B|KiB|MiB|GiB|TiB)?")
_BYTES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_TEXT_MAX = 1024 * 1024
#: What a text may be in YAML when nobody put quotes around it.
_SCALARS = ("string", "number", "boolean")


class Text(Kind):
    """Any text. A number or truth value counts as it is written."""

    def of_text(self, text: str) -> str:
        if len(text) > _TEXT_MAX:
            raise Unfit("is longer than a million characters")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": list(_SCALARS)}


class Secret(Text):
    """A password, token or URL with a password in it; `${NAME}` takes it from the environment."""

    wanted = "the secret, or ${NAME} to take it from the environment"
    is_secret = True

    def schema(self) -> dict[str, Any]:
        return {"type": list(_SCALARS), "writeOnly": True}


class Word(Kind):
    """A name: letters, digits, dot, dash and underscore."""

    wanted = "a name"

    def of_text(self, text: str) -> str:
        if _WORD.fullmatch(text) is None:
            raise Unfit("is no name: use letters, digits, `.`, `-` and `_`, a letter or digit first, at most 128")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": list(_SCALARS), "pattern": f"^{_WORD.pattern}$", "minimum": 0}


class Duration(Kind):
    """Seconds as float, written `250ms`, `2s`, `5m`, `1h`, `1d`. zero: whether `0s` makes sense.

    words: other spellings, such as `minute`; a subclass may set them.
    """

    wanted = "a duration such as 250ms, 2s, 5m or 1h"
    words: ClassVar[Mapping[str, float]] = {}

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero

    def of_text(self, text: str) -> float:
        if text in self.words:
            return self.words[text]
        match = _DURATION.fullmatch(text)
        if match is None:
            if self.zero and text == "0":
                return 0.0
            bare = f", for example {text}s" if re.fullmatch(r"[0-9.]{1,9}", text) else ""
            words = f", or one of {', '.join(self.words)}" if self.words else ""
            raise Unfit(f"is no duration: write a number and its unit, ms, s, m, h or d{bare}{words}")
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds == 0 and not self.zero:
            raise Unfit("is no time at all; write a longer duration")
        if seconds > _LONGEST_S:
            raise Unfit("is longer than a year; write a shorter duration")
        return seconds

    def schema(self) -> dict[str, Any]:
        duration = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}
        return {"anyOf": [duration, {"enum": list(self.words)}]} if self.words else duration


class Size(Kind):
    """Bytes as int, written `64KiB`, `10MiB`, `512B`, or a plain number of bytes. minimum: the least, in bytes."""

    wanted = "a size such as 64KiB or 10MiB"

    def __init__(self, minimum: int = 0) -> None:
        self.minimum = minimum

    def of_text(self, text: str) -> int:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise Unfit("is no size: write a number and its unit, B, KiB, MiB, GiB or TiB")
        size = int(match[1]) * _BYTES[match[2]]
        if size < self.minimum:
            raise Unfit(f"is too small: at least {self.minimum} bytes")
        if size > 2**53:
            raise Unfit("is more than any host has; write a smaller size")
        return size

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.minimum}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}


class Count(Kind):
    """A whole number from `minimum` to `maximum`."""

    wanted = "a whole number"

    def __init__(self, minimum: int = 0, maximum: int = 2**53) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def of_text(self, text: str) -> int:
        number = integer(text)
        if number is None:
            raise Unfit("is no whole number")
        if not self.minimum <= number <= self.maximum:
            least = f"{self.minimum} or more" if self.maximum == 2**53 else f"from {self.minimum} to {self.maximum}"
            raise Unfit(f"is out of range: {least}")
        return number

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{INTEGER.pattern}$"}]}


class Port(Count):
    """A TCP port; 0 lets the system choose a free one."""

    wanted = "a port number"

    def __init__(self) -> None:
        super().__init__(0, 65535)


class Percent(Kind):
    """A share as float from 0 to 1, written `20%`."""

    wanted = "a percentage such as 20%"

    def of_text(self, text: str) -> float:
        match = _PERCENT.fullmatch(text)
        if match is None or float(match[1]) > 100:
            raise Unfit("is no percentage: write a number from 0 to 100 and %, such as 20%")
        return float(match[1]) / 100

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}


class Choice(Kind):
    """One of some words. later: words that another version will know."""

    def __init__(self, *words: str, later: tuple[str, ...] = ()) -> None:
        self.words = words
        self.later = later

    def parse(self, value: Value) -> str:
        wanted = _either(self.words)
        found = scalar(value, wanted)
        word = "off" if found.is_false and "off" in (*self.words, *self.later) else found.text
        if word in self.later:
            raise Unfit(f"{quoted(word)} is not in this version; write {wanted}")
        if word not in self.words:
            raise Unfit(f"{quoted(found.shown)} is not known here; write {wanted}")
        return word

    def schema(self) -> dict[str, Any]:
        unquoted = [found for word in self.words if (found := number(word)) is not None]
        return {"enum": [*self.words, *unquoted, *([False] if "off" in self.words else [])]}


class FieldName(Kind):
    """An HTTP token (RFC 9110 section 5.6.2), such as the name of a field. upper, lower: as it is to be kept."""

    wanted = "the name of a header field"

    def __init__(self, *, upper: bool = False, lower: bool = False) -> None:
        self.upper = upper
        self.lower = lower

    def of_text(self, text: str) -> str:
        if _TOKEN.fullmatch(text) is None:
            what = "HTTP method" if self.upper else "name of a header field"
            raise Unfit(f"is no {what}: use letters, digits and `-`")
        return text.upper() if self.upper else text.lower() if self.lower else text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_TOKEN.pattern}$"}


class FieldValue(Text):
    """The value of a header field (RFC 9110 section 5.5), without blanks around it."""

    def of_text(self, text: str) -> str:
        if any((c < " " and c != "\t") or c == "\x7f" for c in text):
            raise Unfit("holds a control character, which can't be sent")
        return super().of_text(text).strip(" \t")


class FilePath(Kind):
    """A file, relative to the configuration's folder.

    secret: its content is a secret. bundled: it is read with the configuration; one that is not is made absolute.
    governed: signatures cover it (never a secret).
    """

    wanted = "the path of a file"

    def __init__(self, secret: bool = False, bundled: bool = True, governed: bool = True) -> None:
        self.secret = secret
        self.bundled = bundled
        self.governed = governed and not secret

    def of_text(self, text: str) -> str:
        if not text or "\0" in text or len(text) > 4096:
            raise Unfit("is no path of a file")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": list(_SCALARS)}


class PlainDict(Kind):
    """A mapping that is taken as plain data."""

    wanted = "a mapping"

    def parse(self, value: Value) -> dict[str, Any]:
        if not isinstance(value, Mapped):
            raise Unfit("is not a mapping (`key: value`)")

        def unfit(where: Where, message: str) -> None:
            raise Unfit(message, where)

        found = plain(value, unfit)
        assert isinstance(found, dict)
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


class Off:
    """Beside a kind: `off` (or `false`) is accepted too, and gives None."""


class Filled:
    """Beside a list: it has one item at least, or is left out."""


class Later:
    """Around a kind: a name that the contract pins and a later version delivers. Only its default is accepted."""

    def __init__(self, default: Any, kind: Kind) -> None:
        self.default = default
        self.kind = kind


def _either(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
