"""YAML text into values with places (`hmsgw.config.values`).

Knows: what is read of YAML 1.2 (the core schema) and what is refused: tags, merge keys, several documents, duplicate
keys, much nesting, many anchors. Refuses to know: what any key means. Strategy: the YAML library only delivers events;
the tree is built here, with every bound checked as it grows and no recursion, so that no input can do harm. Everything
wrong is a fault with its place; a syntax error ends the reading, anything else does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from hmsgw.config.faults import Fault, quoted, tell
from hmsgw.config.places import Where
from hmsgw.config.values import Entry, Listed, Mapped, Scalar, Value

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 1_000_000
MAX_ANCHORS = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: What YAML (section 5.1) does not let stand in a text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_NAME = re.compile(r"\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)")
#: A path with a parameter, without quotes, inside a flow mapping or list.
_BARE_PARAMETER = re.compile(r"[\[{,:]\s*/[^\"',\[{]*\{[A-Za-z_]\w*\}")
#: `!` and `!!str` make a scalar a text, as quotes do; nothing else is a tag here.
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


def read(content: bytes, file: str, environ: Mapping[str, str], faults: list[Fault]) -> Value | None:
    """The value that a configuration file holds, with `${NAME}` filled in from `environ` (`$${` stands for `${`).

    None when there is none that can be used; then at least one fault was appended.
    """
    top = Where(file, 1, 1)
    if len(content) > MAX_BYTES:
        faults.append(Fault(top, f"this file is larger than {MAX_BYTES // (1024 * 1024)} MiB; split services off it"))
        return None
    text = _decoded(content, file, faults)
    if text is None:
        return None
    tree = _Tree(file, environ, faults)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not tree.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(file, mark.line + 1, mark.column + 1) if mark is not None else top
        words = " ".join(part for part in (error.context, error.problem) if part)
        faults.append(Fault(where, f"this is not YAML: {words}{_hint(text, where)}"))
        return None
    except yaml.YAMLError as error:
        faults.append(Fault(top, f"this is not YAML: {' '.join(str(error).split())}"))
        return None
    if tree.root is None:
        faults.append(Fault(top, "this file is empty; a configuration has `routes:` at least"))
    return tree.root


def _decoded(content: bytes, file: str, faults: list[Fault]) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _place(content[: error.start].decode("utf-8"), file)
        faults.append(Fault(where, "this is not UTF-8; save the file as UTF-8"))
        return None
    text = text.removeprefix("\ufeff")
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        where = _place(text[: bad.start()], file)
        faults.append(Fault(where, f"character U+{ord(bad[0]):04X} can't stand here; remove it, or write it as an "
                                   "escape inside double quotes"))  # fmt: skip
        return None
    return text


def _place(before: str, file: str) -> Where:
    """The place of what follows the text `before`."""
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", before)
    return Where(file, len(lines), len(lines[-1]) + 1)


def _hint(text: str, where: Where) -> str:
    """What is usually wrong with a line that is not YAML."""
    lines = text.split("\n", where.line)
    line = lines[where.line - 1][:500] if where.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or line[where.column - 1 : where.column] == "\t":
        return "; indent with spaces, not with tabs"
    if _BARE_PARAMETER.search(line):
        return "; quote a path that holds `{name}` inside a flow mapping or list"
    return ""


#: In place of the first place of a key whose value is not taken.
_DROPPED = Where("", 0, 0)


class _Open:
    """A sequence or mapping that is not closed yet. size, height: of what is in it so far."""

    __slots__ = ("anchor", "entries", "height", "items", "key", "key_where", "seen", "size", "where")

    def __init__(self, where: Where, anchor: str | None, is_mapping: bool) -> None:
        self.where = where
        self.anchor = anchor
        self.items: list[Value] | None = None if is_mapping else []
        self.entries: list[Entry] = []
        self.seen: dict[str, Where] = {}
        self.key: str | None = None
        self.key_where = where
        self.size = 1
        self.height = 1


class _Tree:
    """The tree of values, fed event by event. root: the whole, once it is closed."""

    def __init__(self, file: str, environ: Mapping[str, str], faults: list[Fault]) -> None:
        self.root: Value | None = None
        self._file = file
        self._environ = environ
        self._faults = faults
        self._open: list[_Open] = []
        self._anchored: dict[str, tuple[Value, int, int]] = {}
        self._anchors = 0
        self._values = 0
        self._documents = 0
        self._from_environment = 0
        self._take: dict[type, Callable[[Any], bool]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: Any) -> bool:
        """False when there is no use in reading on: a fault that leaves the rest without a meaning was appended."""
        take = self._take.get(type(event))
        return take is None or take(event)

    def _fault(self, where: Where, message: str) -> bool:
        tell(self._faults, where, message)
        return False

    def _where(self, event: Any) -> Where:
        mark = event.start_mark
        return Where(self._file, mark.line + 1, mark.column + 1)

    def _document(self, event: Any) -> bool:
        self._documents += 1
        return self._documents == 1 or self._fault(
            self._where(event), "a second document begins here (`---`); a configuration is one document"
        )

    def _scalar(self, event: Any) -> bool:
        where = self._where(event)
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._no_tag(where, event.tag)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.items is None and parent.key is None:
            if event.anchor is not None:
                return self._fault(where, "a key can't have an anchor; put it in front of the value")
            return self._key(parent, event.value, where, not event.style)
        shown = event.value
        text = self._filled(shown, where) if "${" in shown else shown
        return self._add(Scalar(text, where, not event.style and event.tag is None, shown), where, event.anchor)

    def _key(self, parent: _Open, key: str, where: Where, is_plain: bool) -> bool:
        if key == "<<" and is_plain:
            self._fault(where, "`<<` (a merge key) is not read here; write the keys out")
            parent.seen.setdefault(key, _DROPPED)
        first = parent.seen.get(key)
        if first is not None and first is not _DROPPED:
            self._fault(where, f"{quoted(key)} stands here for the second time; the first is in line {first.line}")
        parent.seen.setdefault(key, where)
        parent.key = key
        parent.key_where = where
        return True

    def _start(self, event: Any) -> bool:
        where = self._where(event)
        if event.tag is not None and event.tag != "!":
            self._no_tag(where, event.tag)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.items is None and parent.key is None:
            return self._fault(where, "a key is one word, not a list or a mapping; quote it if it begins with [ or {")
        if len(self._open) >= MAX_DEPTH:
            return self._fault(where, f"values are nested more than {MAX_DEPTH} deep")
        self._open.append(_Open(where, event.anchor, isinstance(event, yaml.MappingStartEvent)))
        return True

    def _end(self, event: Any) -> bool:
        closed = self._open.pop()
        value = Mapped(closed.entries, closed.where) if closed.items is None else Listed(closed.items, closed.where)
        return self._add(value, closed.where, closed.anchor, closed.size, closed.height)

    def _alias(self, event: Any) -> bool:
        where = self._where(event)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.items is None and parent.key is None:
            return self._fault(where, "a key can't be an alias; write it out")
        there = self._anchored.get(event.anchor)
        if there is None:
            return self._fault(where, f"there is no anchor {quoted('&' + event.anchor)} that ends before this line")
        self._anchors += 1
        if self._anchors > MAX_ANCHORS:
            return self._too_many_anchors(where)
        return self._add(there[0], where, None, there[1], there[2], is_alias=True)

    def _add(
        self, value: Value, where: Where, anchor: str | None, size: int = 1, height: int = 0, *, is_alias: bool = False
    ) -> bool:
        """Put a finished value where it belongs. size, height: of the value with all that is in it."""
        if anchor is not None:
            self._anchors += 1
            if self._anchors > MAX_ANCHORS:
                return self._too_many_anchors(where)
            self._anchored[anchor] = (value, size, height)
        if len(self._open) + height > MAX_DEPTH:
            return self._fault(where, f"with what this alias stands for, values are nested more than {MAX_DEPTH} deep")
        if not self._open:
            self.root = value
            return True
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        # What an alias stands for counts each time; what is closed here was counted when its parts were added.
        self._values += size if is_alias else 1
        if self._values > MAX_VALUES:
            return self._fault(where, f"there are more than {MAX_VALUES} values in this file")
        if parent.items is not None:
            parent.items.append(value)
            return True
        assert parent.key is not None
        if parent.seen[parent.key] == parent.key_where:
            parent.entries.append(Entry(parent.key, parent.key_where, value))
        parent.key = None
        return True

    def _too_many_anchors(self, where: Where) -> bool:
        return self._fault(where, f"there are more than {MAX_ANCHORS} anchors and aliases; write the values out")

    def _no_tag(self, where: Where, tag: str) -> None:
        self._fault(where, f"tag {quoted(tag)} is not read here; leave it out (quotes make a text)")

    def _filled(self, text: str, where: Where) -> str:
        def fill(match: re.Match[str]) -> str:
            if match[1] == "${":
                return "${"
            name = match[2]
            if name is None:
                self._fault(where, "`${` is not followed by a variable's NAME and `}`; `$${` stands for `${` itself")
                return ""
            value = self._environ.get(name)
            if value is None:
                self._fault(where, f"the environment has no variable {name}; set it before the gateway starts")
                return ""
            self._from_environment += len(value)
            if self._from_environment > MAX_BYTES:
                self._fault(where, f"more than {MAX_BYTES // (1024 * 1024)} MiB come from the environment up to here")
                return ""
            return value

        return _NAME.sub(fill, text)
