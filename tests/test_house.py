"""The rules of the house, held by a test: who may import whom, how large a file may be, what it has to say at its top.

Each message says which file breaks which rule and what to do. The lists below may only get shorter; an entry that is
not needed any more is a failure too.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hmsgw"
MAX_LINES = 400

BELOW = {"wire", "config", "reasons", "deadlines", "files"}
"""What every room may import, besides itself."""

MAY_IMPORT: dict[str, set[str]] = {
    # room -> what it may import besides itself: a room, or one module of it.
    "reasons": set(),
    "deadlines": set(),
    "fetch": set(),
    "files": set(),
    "heap": set(),
    "wire": {"reasons"},
    "config": {"wire"},
    "transport": BELOW,
    "limits": BELOW,
    "identity": BELOW | {"fetch"},
    "governance": BELOW,
    "telemetry": BELOW,
    "registry": BELOW | {"fetch"},
    "upstream": BELOW,
    "edge": BELOW,
    "control": BELOW,
    # HTTPError is what a request's own body() raises; the chain itself is handed over.
    "proxy": BELOW | {"chain.api"},
    "stream": BELOW,
    # The catalogue names the plugins that ship.
    "chain": BELOW | {"plugins"},
    "plugins": BELOW | {"chain.api", "chain.options", "chain.tools", "limits", "identity"},
    "testing": BELOW | {"chain"},
    # The composition root, in parts.
    "admin_port": BELOW,
    "listeners": BELOW | {"edge"},
    "roster": BELOW | {"registry", "transport"},
    "generation": BELOW | {"chain", "proxy", "transport", "upstream"},
    "certificates": BELOW | {"generation", "transport"},
    "streams": BELOW | {"chain", "edge", "generation", "stream", "telemetry"},
    "gateway": BELOW | {
        "certificates", "chain", "edge", "generation", "identity", "limits", "listeners", "proxy", "roster", "streams", "telemetry",
        "transport", "upstream",
    },
    "status": BELOW | {"gateway"},
    "startup": BELOW
    | {"admin_port", "control", "gateway", "generation", "governance", "telemetry", "transport"},
    "service": BELOW
    | {"control", "gateway", "generation", "governance", "heap", "startup", "status", "telemetry", "transport"},
    "tap": BELOW | {"control", "governance", "service", "startup", "transport"},
    "cli": BELOW | {"control", "generation", "governance", "tap", "transport.selfsigned"},
    "__init__": {"chain.api"},
    "__main__": {"cli"},
}  # fmt: skip

BUILT_ON = {"plugins/quota": "plugins.rate"}
"""A quota is a rate limit over calendar windows."""

LARGER: dict[str, int] = {}
"""Files above MAX_LINES, with the length that they may not pass: to be divided."""

TESTED_ELSEWHERE: dict[str, str] = {
    # module -> the test that holds it, where that is not tests/ROOM/test_MODULE.py.
    # One request's life, walked over fake wires from the client to the upstream and back:
    "edge/answer": "tests/walks/test_exchange.py",
    "edge/states": "tests/walks/test_exchange.py",
    "upstream/events": "tests/walks/test_exchange.py",
    "proxy/answer": "tests/walks/test_exchange.py",
    "proxy/exchange": "tests/walks/test_exchange.py",
    "proxy/plane": "tests/walks/test_exchange.py",
    "proxy/record": "tests/walks/test_exchange.py",
    "proxy/sides": "tests/walks/test_exchange.py",
    "proxy/upload": "tests/walks/test_transforms.py",
    # One connection, read and written:
    "edge/h2_writer": "tests/edge/test_h2_connection.py",
    "upstream/clock": "tests/upstream/test_connection.py",
    "upstream/h2_stream": "tests/upstream/test_h2_connection.py",
    "upstream/h2_writer": "tests/upstream/test_h2_connection.py",
    "upstream/shared": "tests/upstream/test_h2_connection.py",
    "wire/http2_answers": "tests/upstream/test_h2_connection.py",
    # The composition root, with a process around it:
    "__main__": "tests/integration/test_doors.py",
    "service": "tests/integration/test_reload.py",
}

BANNED = ("handler", "manager", "processor", "engine", "utils", "util", "helper", "helpers", "common", "base", "misc")

TEXTS = (".py", ".md", ".yaml", ".toml", ".service", ".cfg", ".txt")

ONE_REACTOR = "tap.py"
NO_REACTOR_BELOW = ("wire", "config")


class Module(NamedTuple):
    """name: path below hmsgw without `.py`. room: the folder, or the module itself at the top."""

    name: str
    room: str
    path: Path
    tree: ast.Module
    lines: int


@cache
def modules() -> list[Module]:
    """Every file under hmsgw/ that the distribution owns."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE).with_suffix(""))
        source = path.read_text("utf-8")
        found.append(Module(name, name.split("/")[0], path, ast.parse(source), source.count("\n")))
    return found


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that a module imports, wherever in it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno}: import by the full name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def our_imports(module: Module) -> Iterator[tuple[int, str, str]]:
    """(line, room, room.module) of what it imports of ours."""
    for line, name in imports(module):
        parts = name.split(".")
        if parts[0] == "hmsgw" and len(parts) > 1 and parts[1] != "__version__":
            yield line, parts[1], ".".join(parts[1:3])


class HouseTests(SynchronousTestCase):
    """The rules."""

    def none(self, broken: list[str]) -> None:
        if broken:
            self.fail("\n" + "\n".join(broken))

    def test_rooms_are_known(self) -> None:
        """Every room, and every module at the top, has its line in MAY_IMPORT, and every line its room."""
        self.assertEqual({module.room for module in modules()}, set(MAY_IMPORT))

    def test_who_may_import_whom(self) -> None:
        """Rooms are handed to each other as arguments; only the composition root imports across."""
        self.none([
            f"{module.path}:{line}: {module.room} may not import {name}; take it as an argument, or see MAY_IMPORT"
            for module in modules()
            for line, room, name in our_imports(module)
            if room != module.room and not {room, name} & MAY_IMPORT.get(module.room, set())
        ])  # fmt: skip

    def test_plugins_do_not_know_each_other(self) -> None:
        """One plugin a file; what two of them need stands in a room below."""
        self.none([
            f"{module.path}:{line}: a plugin may not import {name}"
            for module in modules()
            if module.room == "plugins"
            for line, room, name in our_imports(module)
            if room == "plugins" and name != BUILT_ON.get(module.name)
        ])  # fmt: skip

    def test_one_reactor(self) -> None:
        """The reactor is an argument: `from twisted.internet import reactor` stands in one file."""
        where = {
            str(module.path.relative_to(PACKAGE))
            for module in modules()
            for _, name in imports(module)
            if name == "twisted.internet.reactor"
        }
        self.assertEqual(where, {ONE_REACTOR})

    def test_bytes_have_no_network(self) -> None:
        """wire and config decide about bytes and values; they import nothing of twisted.internet."""
        self.none([
            f"{module.path}:{line}: {module.room} may not import {name}"
            for module in modules()
            if module.room in NO_REACTOR_BELOW
            for line, name in imports(module)
            if name.startswith("twisted.internet")
        ])  # fmt: skip

    def test_header(self) -> None:
        """A file opens with 2 to 8 lines that say what it knows, what it refuses to know, and its strategy."""
        broken = []
        for module in modules():
            said = ast.get_docstring(module.tree)
            if module.path.name == "__init__.py" and not module.tree.body:
                continue
            if said is None or not 2 <= said.count("\n") + 1 <= 8 + said.count("\n\n"):
                broken.append(f"{module.path}:1: a module docstring of 2 to 8 lines is missing")
            elif module.path.name != "__init__.py" and not re.search(r"\bKnows\b|\bknows?\b", said):
                broken.append(f"{module.path}:1: the module docstring does not say what the file knows")
        self.none(broken)

    def test_size(self) -> None:
        """A file has one concept and at most MAX_LINES lines."""
        broken = []
        for module in modules():
            bound = LARGER.get(module.name, MAX_LINES)
            if module.lines > bound:
                broken.append(f"{module.path}: {module.lines} lines, {bound} at most; divide it by concept")
            elif module.name in LARGER and module.lines <= MAX_LINES:
                broken.append(f"{module.path}: small enough now; take it out of LARGER")
        self.none(broken + [f"{name}: gone; take it out of LARGER" for name in LARGER if not _exists(name)])

    def test_names(self) -> None:
        """No file, class or function is named by a word that says nothing."""
        broken = []
        for module in modules():
            named = [(1, module.path.stem)]
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    named.append((node.lineno, node.name))
            empty = [(line, name) for line, name in named if _words(name) & set(BANNED)]
            broken += [f"{module.path}:{line}: {name}: name it by what it does" for line, name in empty]
        self.none(broken)

    def test_a_test_for_each_module(self) -> None:
        """tests/ROOM/test_MODULE.py, or the file that TESTED_ELSEWHERE names."""
        broken = []
        for module in modules():
            if module.path.name == "__init__.py":
                continue
            folder, _, name = module.name.rpartition("/")
            usual = ROOT / "tests" / folder / f"test_{name}.py"
            elsewhere = TESTED_ELSEWHERE.get(module.name)
            if elsewhere is not None and not (ROOT / elsewhere).exists():
                broken.append(f"{elsewhere}: not there, and TESTED_ELSEWHERE sends the test of {module.name} to it")
            elif elsewhere is not None and usual.exists() and usual != ROOT / elsewhere:
                broken.append(f"{module.name}: has a test of its own now; take it out of TESTED_ELSEWHERE")
            elif elsewhere is None and not usual.exists():
                broken.append(f"{usual.relative_to(ROOT)}: missing; it has to test hmsgw/{module.name}.py")
        gone = [f"{name}: gone; take it out of TESTED_ELSEWHERE" for name in TESTED_ELSEWHERE if not _exists(name)]
        self.none(broken + gone)

    def test_tests_say_what_they_promise(self) -> None:
        """Each test method has a docstring."""
        broken = []
        for path in sorted((ROOT / "tests").rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
                if is_test and ast.get_docstring(node) is None:
                    broken.append(f"{path}:{node.lineno}: {node.name} does not say what it promises")
        self.none(broken)

    def test_fragments(self) -> None:
        """Each change leaves a fragment for the news: NUMBER.KIND, with something in it."""
        fragments = sorted(path for path in (ROOT / "newsfragments").iterdir() if not path.name.startswith("."))
        self.assertNotEqual(fragments, [])
        self.none([
            f"{path}: not NUMBER.(feature|bugfix|doc|removal|misc), or empty"
            for path in fragments
            if not re.fullmatch(r"\d+\.(feature|bugfix|doc|removal|misc)", path.name)
            or not path.read_text("utf-8").strip()
        ])  # fmt: skip

    def test_no_place_of_one_machine(self) -> None:
        """Nothing names the machine on which it was written."""
        place = re.compile(r"(?<![\w.])/(?:work|root|opt/v\d+)/\w")
        broken = []
        for path in _texts():
            for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
                if place.search(line) and path != Path(__file__):
                    broken.append(f"{path}:{number}: {line.strip()[:100]}")
        self.none(broken)

    def test_plugin_folder_is_no_package(self) -> None:
        """An `__init__.py` under twisted/ would hide Twisted itself."""
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])


def _exists(name: str) -> bool:
    return (PACKAGE / f"{name}.py").exists()


def _words(name: str) -> set[str]:
    """`LogHandler`, `log_handler` -> {"log", "handler"}."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def _texts() -> Iterator[Path]:
    """What a reader may open, without what git or a tool keeps for itself."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "_trial_temp", "__pycache__", "build"))]
        for name in files:
            path = Path(folder, name)
            if path.suffix in TEXTS or name == "run":
                yield path
