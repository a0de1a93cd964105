"""Field lines: names, values, and the order and case in which they came.

Knows: what a field name and a field value may hold (RFC 9110 section 5), how repeated fields combine.
Refuses to know: what any single field means. Strategy: one list of (lower-case name, name as received, value) triples
of bytes, made once by the codec and handed on as it is; the friendly mapping is a thin view of that list, for plugins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

Field = tuple[bytes, bytes, bytes]
"""(lower-case name, name as received, value), all bytes; the value without surrounding white space."""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2. Use `TOKEN.fullmatch`."""

LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
"""A request's Content-Length: 18 digits fit what any counter holds. RFC 9110 section 8.6 allows zeros in front; who
writes `010` may mean ten or eight. Use `LENGTH.fullmatch`."""

BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""A byte that no field value may hold: every control character but HTAB."""


def text(value: bytes) -> str:
    """A field value as plugins and logs see it; every byte survives the way back through `octets`."""
    return value.decode("utf-8", "surrogateescape")


def octets(value: str | bytes) -> bytes:
    """The other way."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def checked_field(name: str | bytes, value: str | bytes) -> Field:
    """A field that is safe to write to a wire.

    Raises ValueError when the name is not a token or the value holds a control character (CR and LF above all).
    """
    raw_name, raw_value = octets(name), octets(value).strip(b" \t")
    if TOKEN.fullmatch(raw_name) is None:
        raise ValueError(f"{name!r} is not a header field name")
    if BAD_VALUE.search(raw_value) is not None:
        raise ValueError(f"the value of header field {text(raw_name)} holds a control character")
    return (raw_name.lower(), raw_name, raw_value)


class Headers:
    """A mutable, ordered, case-insensitive view of a list of fields. Names and values are `str` for its users."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[Field] | None = None) -> None:
        self.fields: list[Field] = [] if fields is None else fields

    def get(self, name: str, default: str | None = None) -> str | None:
        """All values of `name` joined with ", " (RFC 9110 section 5.3), or `default`."""
        lower = name.lower().encode("utf-8", "surrogateescape")
        values = [value for low, _, value in self.fields if low == lower]
        if not values:
            return default
        return text(values[0] if len(values) == 1 else b", ".join(values))

    def get_all(self, name: str) -> list[str]:
        """Each value of `name`, in order."""
        lower = octets(name).lower()
        return [text(value) for low, _, value in self.fields if low == lower]

    def add(self, name: str, value: str) -> None:
        """One more field, after those that are there. Raises ValueError on an unsafe name or value."""
        self.fields.append(checked_field(name, value))

    def setdefault(self, name: str, value: str) -> str:
        """The value of `name`; set to `value` first when there is none."""
        there = self.get(name)
        if there is None:
            self.add(name, value)
            return value
        return there

    def pop(self, name: str, default: str | None = None) -> str | None:
        """Remove every `name` and return what it was."""
        there = self.get(name, default)
        self._drop(octets(name).lower())
        return there

    def update(self, other: dict[str, str]) -> None:
        """Set each name of `other`."""
        for name, value in other.items():
            self[name] = value

    def items(self) -> list[tuple[str, str]]:
        """(name, value) of every field, in order, repeated ones repeated."""
        return [(text(name), text(value)) for _, name, value in self.fields]

    def keys(self) -> list[str]:
        """The names, each once, in order of first appearance."""
        return list(self)

    def _drop(self, lower: bytes) -> None:
        self.fields[:] = [field for field in self.fields if field[0] != lower]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        field = checked_field(name, value)
        for index, (lower, _, _) in enumerate(self.fields):
            if lower == field[0]:
                rest = [f for f in self.fields[index + 1 :] if f[0] != lower]
                self.fields[index:] = [field, *rest]
                return
        self.fields.append(field)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._drop(octets(name).lower())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        lower = octets(name).lower()
        return any(low == lower for low, _, _ in self.fields)

    def __iter__(self) -> Iterator[str]:
        seen: dict[bytes, str] = {}
        for lower, name, _ in self.fields:
            seen.setdefault(lower, text(name))
        return iter(seen.values())

    def __len__(self) -> int:
        return len({lower for lower, _, _ in self.fields})

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.items()]!r})"


class RequestHeaders(Headers):
    """A request's fields with its Host, which can be read like the others, and not written: the upstream is told the
    host that the client asked for, in X-Forwarded-Host and Forwarded as well."""

    __slots__ = ()

    @classmethod
    def of(cls, fields: Sequence[Field], authority: bytes) -> RequestHeaders:
        """A copy of `fields`, with Host in front. authority: b"" for a request without one."""
        if not authority or any(lower == b"host" for lower, _, _ in fields):
            return cls(list(fields))
        return cls([(b"host", b"Host", authority), *fields])

    def add(self, name: str, value: str) -> None:
        """As `Headers.add`; ValueError for another Host."""
        if not self._is_host(name, value):
            super().add(name, value)

    def __setitem__(self, name: str, value: str) -> None:
        if not self._is_host(name, value):
            super().__setitem__(name, value)

    def _is_host(self, name: str, value: str) -> bool:
        if octets(name).lower() != b"host":
            return False
        if octets(value).lower() != octets(self.get("host", "") or ""):
            raise ValueError(_FIXED_HOST)
        return True

    def _drop(self, lower: bytes) -> None:
        if lower == b"host":
            raise ValueError(_FIXED_HOST)
        super()._drop(lower)


_FIXED_HOST = "Host can't be written: the upstream is told the host that the client asked for"


def pairs_of(given: Mapping[str, str] | Headers | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """(name, value) of each field, however an author gave them: a mapping, or pairs with names repeated."""
    return given.items() if isinstance(given, (Mapping, Headers)) else given
