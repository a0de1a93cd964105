"""Drop-in plugins: which files are plugins, and whether they can be.

Knows: the three kinds of folder, how a file's name becomes a plugin's name, what a plugin file must have, and how a
fault in one is told with its line. Refuses to know: routes and options. Strategy: every file in every folder is loaded,
used or not, so that a faulty one is found when it is put there and not when a route first names it; all faults at once.
"""

from __future__ import annotations

import inspect
from os.path import abspath, dirname, join, normpath
from traceback import walk_tb
from types import ModuleType
from typing import NamedTuple, Protocol

from hmsgw.chain.catalogue import SHIPPED
from hmsgw.chain.sources import Folder, SourceFile
from hmsgw.config.faults import Fault
from hmsgw.config.model import NOWHERE, Where

#: hmsgw/plugins/ of this installation.
PACKAGE_FOLDER = join(dirname(dirname(abspath(__file__))), "plugins")
#: Beside the configuration.
LOCAL_FOLDER = "plugins"

_ENTRY_POINTS = ("run", "on_response", "transform", "configure")


class Files(Protocol):
    """What is asked of `config.bundle.Bundle`."""

    root_dir: str

    def read(self, path: str) -> bytes: ...
    def names_under(self, folder: str) -> list[str]: ...


class DropIn(NamedTuple):
    """A plugin file. name: `header-gpo` for header_gpo.py."""

    name: str
    file: SourceFile

    @property
    def module(self) -> ModuleType:
        return self.file.module

    @property
    def where(self) -> Where:
        return Where(self.file.path, 1, 1)


class DropIns(NamedTuple):
    """plugins: by name. folders: path -> stem -> file, for the next reading to keep what did not change.

    faulty: names of those whose fault is told. unread: folders that can't be read: nobody knows what is in them."""

    plugins: dict[str, DropIn]
    folders: dict[str, dict[str, SourceFile]]
    faulty: set[str]
    unread: list[str]


NONE = DropIns({}, {}, set(), [])


def find(
    bundle: Files,
    plugin_path: tuple[str, ...],
    previous: DropIns,
    faults: list[Fault],
    package_folder: str,
    where: Where = NOWHERE,
) -> DropIns:
    """Load every drop-in. where: of `plugin_path:`. Faults are appended; a faulty file is left out."""
    found = DropIns({}, {}, set(), [])
    for asked in (package_folder, LOCAL_FOLDER, *plugin_path):
        path = normpath(join(abspath(bundle.root_dir), asked))
        if path in found.folders:
            continue
        owned = SHIPPED | {"__init__"} if path == normpath(package_folder) else frozenset()
        try:
            names = bundle.names_under(asked)
        except (OSError, KeyError) as error:
            names = []
            if asked in plugin_path or not isinstance(error, (FileNotFoundError, KeyError)):
                found.unread.append(path)
                why = getattr(error, "strerror", None) or error
                faults.append(Fault(where if asked in plugin_path else Where(path, 1, 1), (
                    f"plugin_path: the folder {path} can't be read: {why}" if asked in plugin_path else
                    f"this folder of plugins can't be read: {why}"
                )))  # fmt: skip
        contents = _contents(bundle, asked, path, [name for name in names if name[:-3] not in owned], faults, found)
        folder = Folder(path, contents, previous.folders.get(path, {}))
        for stem in contents:
            if not stem.startswith("_"):
                _add(found, folder, stem, faults)
        found.folders[path] = folder.files
    return found


def _contents(
    bundle: Files, asked: str, path: str, names: list[str], faults: list[Fault], found: DropIns
) -> dict[str, bytes]:
    """stem -> bytes of Python files in a folder."""
    contents = {}
    for name in sorted(names):
        stem = name[:-3]
        if name.startswith("."):
            continue
        where = Where(join(path, name), 1, 1)
        if not stem.isidentifier():
            wanted = "".join(c if c.isalnum() else "_" for c in stem)
            faults.append(Fault(where, f"the name of a plugin's file is a Python name: rename it to {wanted}.py"))
            found.faulty.add(_name_of(stem))
            continue
        try:
            contents[stem] = bundle.read(join(asked, name))
        except (OSError, KeyError, ValueError) as error:
            faults.append(Fault(where, f"this plugin file can't be read: {error}"))
            found.faulty.add(_name_of(stem))
    return contents


def _name_of(stem: str) -> str:
    return stem.replace("_", "-")


def _add(found: DropIns, folder: Folder, stem: str, faults: list[Fault]) -> None:
    name, plugins = _name_of(stem), found.plugins
    path = folder.path_of(stem)
    if name in plugins:
        other = plugins[name].file.path
        faults.append(Fault(Where(path, 1, 1), f"{other} is a plugin called {name} already; rename one of them"))
        return
    try:
        file = folder.load(stem)
    except BaseException as error:
        fault = _load_fault(error, name, path, dirname(path))
        if fault not in faults:
            faults.append(fault)
        found.faulty.add(name)
        return
    problem = _shape_problem(file.module)
    if problem is None:
        plugins[name] = DropIn(name, file)
    else:
        found.faulty.add(name)
        faults.append(Fault(Where(path, problem[0], 1), f"plugin {name}: {problem[1]}"))


def _shape_problem(module: ModuleType) -> tuple[int, str] | None:
    """(line, what is wrong) with a plugin file that runs but can't be a plugin."""
    points = {name: getattr(module, name) for name in _ENTRY_POINTS if hasattr(module, name)}
    if not points:
        return 1, (
            "it has no run(req), on_response(req, resp), transform(req) or configure(options); a helper's name begins "
            "with _"
        )
    for name, value in points.items():
        problem = entry_point_problem(name, value)
        if problem is not None:
            return _line_of(value), problem
    return None


def entry_point_problem(name: str, value: object) -> str | None:
    """What keeps `value` from being called as `name`; None when nothing does."""
    if not callable(value):
        return f"{name} is {type(value).__name__}, not a function"
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        return f"{name} has a `yield` in it; a step awaits, or returns a Deferred"
    if name == "configure" and inspect.iscoroutinefunction(value):
        return "configure is a plain function: it runs before there is anything to wait for"
    if name == "transform" and inspect.iscoroutinefunction(value):
        return "transform is a plain function: bodies do not wait; await in run, and keep what it finds in req.state"
    wanted = {
        "run": ("req",), "on_response": ("req", "resp"), "transform": ("req",), "configure": ("options",),
    }[name]  # fmt: skip
    try:
        inspect.signature(value).bind(*wanted)
    except TypeError:
        return f"{name} must take {len(wanted)} argument{'s' if len(wanted) > 1 else ''}: {name}({', '.join(wanted)})"
    except ValueError:
        return None
    return None


def _line_of(value: object) -> int:
    code = getattr(value, "__code__", None)
    return int(getattr(code, "co_firstlineno", 1))


def _load_fault(error: BaseException, name: str, path: str, folder_path: str) -> Fault:
    """The fault of a file that can't be run, at the line of the plugin's folder where it happened."""
    if isinstance(error, SyntaxError) and error.filename and dirname(error.filename) == folder_path:
        where = Where(error.filename, error.lineno or 1, max(error.offset or 1, 1))
        return Fault(where, f"plugin {name} is not Python: {error.msg}")
    line, file = 1, path
    for frame, lineno in walk_tb(error.__traceback__):
        if dirname(frame.f_code.co_filename) == folder_path:
            file, line = frame.f_code.co_filename, lineno
    return Fault(Where(file, line, 1), f"plugin {name} failed while it was loaded: {in_words(error)}")


def in_words(error: BaseException) -> str:
    """An exception of a plugin, even of one whose str() fails."""
    try:
        words = str(error)
    except Exception:
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
