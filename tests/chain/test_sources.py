"""Drop-in files as modules: what runs, what `import` may reach, what is kept, what is let go."""

from __future__ import annotations

import gc
import linecache
import sys
import traceback
import weakref
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.sources import Folder, SourceFile

PATH = "/srv/gateway/plugins"


def folder(previous: dict[str, SourceFile] | None = None, path: str = PATH, **files: str) -> Folder:
    return Folder(path, {stem: text.encode() for stem, text in files.items()}, previous or {})


class RunningTests(SynchronousTestCase):
    def test_namespace(self) -> None:
        """The code finds HTTPError, Response and its own path without an import."""
        module = folder(a="found = (HTTPError, Response, __file__)").load("a").module
        self.assertEqual(module.found, (HTTPError, Response, f"{PATH}/a.py"))

    def test_leaves_no_trace_in_sys_modules(self) -> None:
        """Neither a loaded file nor a faulty one stays in sys.modules."""
        before = set(sys.modules)
        files = folder(a="import b", b="", c="1 / 0")
        files.load("a")
        self.assertRaises(ZeroDivisionError, files.load, "c")
        self.assertEqual(set(sys.modules), before)

    def test_own_flags(self) -> None:
        """`from __future__` of the gateway's own files does not leak into plugins."""
        module = folder(a="def f(x: 1 + 1): pass").load("a").module
        self.assertEqual(module.f.__annotations__, {"x": 2})

    def test_dataclass(self) -> None:
        """Class decorators that look their module up by name work, with text annotations too."""
        text = (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass A:\n    x: int = 1\n"
        )
        self.assertEqual(folder(a=text).load("a").module.A().x, 1)

    def test_runs_once(self) -> None:
        """A file that several others import is run once, and so is one that fails."""
        sys._ran = []  # type: ignore[attr-defined]
        self.addCleanup(delattr, sys, "_ran")
        note = "import sys; sys._ran.append(1)"
        files = folder(a="import _h", b="import _h", _h=note, c=note + "; 1 / 0")
        files.load("a")
        files.load("b")
        for _ in range(2):
            self.assertRaises(ZeroDivisionError, files.load, "c")
        self.assertEqual(sys._ran, [1, 1])  # type: ignore[attr-defined]

    def test_traceback_quotes_what_ran(self) -> None:
        """A traceback shows the lines that were run, though no such file is on disk."""
        file = folder(a="def run(req):\n    raise ValueError  # this line\n").load("a")
        file.show_in_tracebacks()
        self.addCleanup(linecache.cache.pop, file.path)
        try:
            file.module.run(None)
        except ValueError:
            self.assertIn("raise ValueError  # this line", traceback.format_exc())
        else:
            self.fail("it did not raise")


class ImportingTests(SynchronousTestCase):
    def test_ways_to_name_a_sibling(self) -> None:
        """import x, from x import y, from . import x and from .x import y all give the one module."""
        for line in ("import _h; v = _h.v", "from _h import v", "from . import _h; v = _h.v", "from ._h import v",
                     "import _h as other; v = other.v"):  # fmt: skip
            self.assertEqual(folder(a=line, _h="v = 7").load("a").module.v, 7)

    def test_inside_a_function(self) -> None:
        """A sibling that is imported only when a function runs was loaded with the file."""
        file = folder(a="def run(req):\n    from _h import v\n    return v", _h="v = 7").load("a")
        self.assertEqual(file.module.run(None), 7)

    def test_each_other(self) -> None:
        """Two files may import each other."""
        files = folder(a="import b\nx = 1", b="import a\ny = 2")
        self.assertEqual(files.load("a").module.b.y, 2)

    def test_missing(self) -> None:
        """A file that is not listed can't be imported, whatever the way of naming it."""
        for line in ("import _missing", "from . import _missing", "from ._missing import x", "from .. import x",
                     "import _h.deeper"):  # fmt: skip
            self.assertRaises(ImportError, folder(a=line, _h="").load, "a")

    def test_folder_on_sys_path(self) -> None:
        """A file that lies in the folder but is not listed does not come in through sys.path."""
        real = Path(self.mktemp()).absolute()
        (real / "pkg_unlisted").mkdir(parents=True)
        (real / "pkg_unlisted" / "__init__.py").write_text("")
        (real / "mod_unlisted.py").write_text("raise SystemExit('ran')")
        sys.path.insert(0, str(real))
        self.addCleanup(sys.path.remove, str(real))
        for name in ("mod_unlisted", "pkg_unlisted"):
            for line in (f"import {name}", f"def run(req):\n    import {name}\nrun(1)"):
                error = self.assertRaises(ImportError, folder(a=line, path=str(real)).load, "a")
                self.assertIn("not one of the files that were read", str(error))
            self.assertNotIn(name, sys.modules)

    def test_symlinked_folder(self) -> None:
        """The same when sys.path names the folder by another way."""
        real, link = Path(self.mktemp()).absolute(), Path(self.mktemp()).absolute()
        real.mkdir()
        (real / "mod_unlisted2.py").write_text("")
        link.symlink_to(real)
        sys.path.insert(0, str(link))
        self.addCleanup(sys.path.remove, str(link))
        self.assertRaises(ImportError, folder(a="import mod_unlisted2", path=str(real)).load, "a")

    def test_through_the_catalogue_package(self) -> None:
        """hmsgw.plugins gives plugins of the catalogue and no file that somebody put beside them."""
        self.assertIs(
            folder(a="from hmsgw.plugins import respond").load("a").module.respond, sys.modules["hmsgw.plugins.respond"]
        )
        for line in ("import hmsgw.plugins.header_gpo", "from hmsgw.plugins import header_gpo"):
            error = self.assertRaises(ImportError, folder(a=line).load, "a")
            self.assertIn("import header_gpo", str(error))

    def test_standard_library_wins(self) -> None:
        """A plugin file called time.py does not take `time` from the others."""
        module = folder(a="from time import time", time="raise SystemExit").load("a").module
        self.assertIs(module.time, __import__("time").time)

    def test_installed_packages(self) -> None:
        """What is installed can be imported, dotted names included."""
        module = folder(a="import xml.dom, treq\nfrom twisted.internet.defer import Deferred").load("a").module
        self.assertEqual(module.xml.__name__, "xml")
        self.assertIsInstance(module.treq, ModuleType)


class KeepingTests(SynchronousTestCase):
    def test_unchanged(self) -> None:
        """Over a thousand readings an unchanged file keeps one module and its state."""
        files = folder(a="import _h\nseen = []", _h="v = 1")
        first = files.load("a").module
        first.seen.append("state")
        for _ in range(1000):
            files = folder(files.files, a="import _h\nseen = []", _h="v = 1")
            files.load("a")
        self.assertIs(files.load("a").module, first)
        self.assertEqual(first.seen, ["state"])

    def test_changed_helper(self) -> None:
        """A file whose helper changed is run again; one that does not import the helper is kept."""
        texts = {"a": "import _m", "b": "", "_m": "def f():\n    import _h\n    return _h.v", "_h": "v = 1"}
        before = folder(**texts)
        before.load("a")
        before.load("b")
        after = folder(before.files, **{**texts, "_h": "v = 2"})
        self.assertEqual(after.load("a").module._m.f(), 2)
        self.assertIs(after.load("b"), before.files["b"])
        self.assertEqual(before.files["a"].module._m.f(), 1)

    def test_one_helper_for_all(self) -> None:
        """When one of two users of a helper changed, both go on with the same helper."""
        texts = {"a": "import _h", "b": "import _h", "_h": ""}
        before = folder(**texts)
        before.load("a")
        before.load("b")
        after = folder(before.files, **{**texts, "a": "import _h  # changed"})
        self.assertIs(after.load("a").module._h, after.load("b").module._h)
        self.assertIs(after.files["b"], before.files["b"])

    def test_helper_removed(self) -> None:
        """A file whose helper is gone is run again, and fails."""
        before = folder(a="import _gone_helper", _gone_helper="")
        before.load("a")
        self.assertRaises(ImportError, folder(before.files, a="import _gone_helper").load, "a")

    def test_changed_files_are_freed(self) -> None:
        """A hundred changed readings leave one module: the old ones, and their readings, are let go."""
        alive: list[weakref.ref[object]] = []
        files: dict[str, SourceFile] = {}
        for n in range(100):
            reading = folder(files, a=f"import _h\nasync def run(req): {n}", _h="", kept="import _h")
            alive += [weakref.ref(reading.load("a").module), weakref.ref(reading)]
            reading.load("kept")
            files = reading.files
            del reading
        gc.collect()
        self.assertEqual([ref() for ref in alive if ref() is not None], [files["a"].module])
