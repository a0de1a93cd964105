"""Finding drop-ins, and what is said of one that can't be a plugin."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain import dropins
from hmsgw.chain.dropins import DropIns
from hmsgw.config.bundle import Bundle
from hmsgw.config.faults import Fault
from hmsgw.config.model import Where
from tests.chain.arrange import PACKAGE, ROOT, bundle_of


def find(files: dict[str, str | bytes], *plugin_path: str) -> tuple[DropIns, list[str]]:
    faults: list[Fault] = []
    found = dropins.find(bundle_of(files), plugin_path, dropins.NONE, faults, PACKAGE)
    return found, [str(fault) for fault in faults]


class NamingTests(SynchronousTestCase):
    def test_name(self) -> None:
        """header_gpo.py is the plugin header-gpo; helpers, hidden files and other files are none."""
        found, faults = find({
            "plugins/header_gpo.py": "def on_response(req, resp): pass", "plugins/_helper.py": "",
            "plugins/.hidden.py": "1 / 0", "plugins/readme.txt": "",
        })  # fmt: skip
        self.assertEqual((list(found.plugins), faults), (["header-gpo"], []))

    def test_all_folders(self) -> None:
        """hmsgw/plugins, plugins/ beside the configuration and plugin_path all give plugins."""
        run = "def run(req): pass"
        found, faults = find({f"{PACKAGE}/a.py": run, "plugins/b.py": run, "more/c.py": run}, "more", "plugins")
        self.assertEqual((sorted(found.plugins), faults), (["a", "b", "c"], []))

    def test_same_name_twice(self) -> None:
        """The same name in two folders is a fault that names both files."""
        run = "def run(req): pass"
        _, (fault,) = find({"plugins/a.py": run, "more/a.py": run}, "more")
        self.assertEqual(fault, f"{ROOT}/more/a.py:1:1: {ROOT}/plugins/a.py is a plugin called a already; "
                                "rename one of them")  # fmt: skip

    def test_bad_file_name(self) -> None:
        """A file name that is not a Python name is a fault that says what to call it."""
        _, (fault,) = find({"plugins/my-plugin.py": "def run(req): pass"})
        self.assertEqual(fault, f"{ROOT}/plugins/my-plugin.py:1:1: the name of a plugin's file is a Python name: "
                                "rename it to my_plugin.py")  # fmt: skip

    def test_shipped_files_are_no_drop_ins(self) -> None:
        """What the distribution owns in hmsgw/plugins is neither read nor run as a drop-in."""
        faults: list[Fault] = []
        files = Bundle(self.mktemp(), {}, False)
        found = dropins.find(files, (), dropins.NONE, faults, dropins.PACKAGE_FOLDER)
        self.assertEqual((found.plugins, faults), ({}, []))

    def test_folder_that_is_not_there(self) -> None:
        """A missing plugins/ is nothing; a missing folder of plugin_path is a fault."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        faults: list[Fault] = []
        where = Where("routes.yaml", 7, 3)
        found = dropins.find(Bundle(str(folder), {}, False), ("nowhere",), dropins.NONE, faults, PACKAGE, where)
        (fault,) = faults
        self.assertEqual(fault.where, where)
        self.assertEqual(fault.message, f"plugin_path: the folder {folder}/nowhere can't be read: No such file or directory")
        self.assertEqual(found.unread, [str(folder / "nowhere")])

    def test_from_disk(self) -> None:
        """Files are read through the bundle, so that they become part of what was read."""
        folder = Path(self.mktemp()).absolute()
        (folder / "plugins").mkdir(parents=True)
        (folder / "plugins" / "a.py").write_text("def run(req): return 'on disk'")
        faults: list[Fault] = []
        files = Bundle(str(folder), {}, False)
        found = dropins.find(files, (), dropins.NONE, faults, PACKAGE)
        (folder / "plugins" / "a.py").write_text("def run(req): return 'changed'")
        again = dropins.find(files, (), found, faults, PACKAGE)
        self.assertIs(found.plugins["a"].file, again.plugins["a"].file)
        self.assertEqual(again.plugins["a"].module.run(None), "on disk")


class FaultTests(SynchronousTestCase):
    def fault(self, text: str | bytes, **more: str) -> str:
        found, faults = find({"plugins/a_b.py": text, **{f"plugins/{stem}.py": other for stem, other in more.items()}})
        self.assertEqual(len(faults), 1, faults)
        self.assertEqual(found.plugins, {})
        return faults[0].removeprefix(f"{ROOT}/plugins/")

    def test_syntax(self) -> None:
        """A syntax error is told at its line and column."""
        self.assertTrue(self.fault("x = 1\ndef run(req:\n").startswith("a_b.py:2:8: plugin a-b is not Python: "))

    def test_raises(self) -> None:
        """An exception while the file runs is told at the line of the file, however deep it was."""
        self.assertEqual(self.fault("import json\n\njson.loads('{')\n").partition(": plugin")[0], "a_b.py:3:1")

    def test_helper_at_fault(self) -> None:
        """A fault in a helper is told at the helper's line, once."""
        fault = self.fault("import _h\ndef run(req): pass", _h="\nx = undefined\n")
        self.assertTrue(fault.startswith("_h.py:2:1: plugin a-b failed while it was loaded: NameError: "), fault)

    def test_exits(self) -> None:
        """SystemExit and KeyboardInterrupt in a plugin file are faults, not the end of the gateway."""
        for what in ("SystemExit(3)", "KeyboardInterrupt", "GeneratorExit", "BaseException('x')"):
            self.assertIn("failed while it was loaded", self.fault(f"raise {what}"))
        self.assertIn("SystemExit", self.fault("import sys\nsys.exit()"))

    def test_exception_that_fails_itself(self) -> None:
        """An exception whose str() raises is told by its type."""
        text = "class E(Exception):\n    def __str__(self): raise E\nraise E"
        self.assertEqual(self.fault(text), "a_b.py:3:1: plugin a-b failed while it was loaded: E")

    def test_no_entry_point(self) -> None:
        """A file that is neither plugin nor helper says what is missing."""
        self.assertIn("no run(req), on_response(req, resp), transform(req) or configure(options)", self.fault("x = 1"))

    def test_wrong_entry_point(self) -> None:
        """An entry point that could never be called as it will be is found at once, at its line."""
        for text, words in {
            "run = 5": "run is int, not a function",
            "\ndef run(): pass": "run must take 1 argument: run(req)",
            "\ndef run(req, more): pass": "run must take 1 argument: run(req)",
            "\ndef on_response(resp): pass": "on_response must take 2 arguments: on_response(req, resp)",
            "\ndef run(req): yield": "`yield`",
            "\nasync def run(req): yield": "`yield`",
            "\nasync def configure(options): pass": "configure is a plain function",
            "\ndef configure(): pass": "configure must take 1 argument",
        }.items():
            fault = self.fault(text)
            self.assertIn(words, fault)
            self.assertTrue(fault.startswith("a_b.py:1:1:" if text.startswith("run") else "a_b.py:2:1:"), fault)

    def test_accepted_shapes(self) -> None:
        """Lambdas, builtins, callables, bound methods and further optional arguments are all functions."""
        for text in ("run = lambda req: None", "run = print", "class R:\n    def __call__(self, req): pass\nrun = R()",
                     "def run(req, memory={}): pass", "def run(*args): pass"):  # fmt: skip
            self.assertEqual(find({"plugins/a.py": text})[1], [])

    def test_all_at_once(self) -> None:
        """Every faulty file is told, and a good one beside them is loaded."""
        found, faults = find({"plugins/a.py": "1 / 0", "plugins/b.py": "(", "plugins/c.py": "def run(req): pass"})
        self.assertEqual((list(found.plugins), len(faults)), (["c"], 2))

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        """Whatever bytes a file holds, there is a plugin or a fault in that file, and no exception."""
        if b"run" not in content:
            found, faults = find({"plugins/a.py": b"x = [" + content})
            self.assertEqual(len(found.plugins) + len(faults), 1)
            self.assertTrue(all(fault.startswith(f"{ROOT}/plugins/a.py:") for fault in faults), faults)
