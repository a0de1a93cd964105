"""The bundle: names, one reading a file, what is covered by signatures, nothing but regular files."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.bundle import MAX_FILE_BYTES, Bundle


class BundleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        (self.root / "conf" / "plugins").mkdir(parents=True)
        self.bundle = Bundle(str(self.root / "conf"), {}, False)

    def write(self, name: str, content: bytes = b"x") -> str:
        path = self.root / "conf" / name
        path.write_bytes(content)
        return str(path)

    def test_read_once(self) -> None:
        """What was read first is what everybody gets, whatever happens to the file."""
        path = self.write("a.pem", b"old")
        self.assertEqual(self.bundle.read("a.pem"), b"old")
        self.write("a.pem", b"new")
        for name in ("a.pem", "./a.pem", "plugins/../a.pem", path):
            self.assertEqual(self.bundle.read(name), b"old")
        self.assertEqual(self.bundle.files, {"a.pem": b"old"})

    def test_names(self) -> None:
        """Inside the folder a name is relative, outside it is absolute; a folder that begins alike is outside."""
        root = str(self.root)
        for path, name in {
            "tls/a.pem": "tls/a.pem", f"{root}/conf/tls/a.pem": "tls/a.pem", "../b.pem": f"{root}/b.pem",
            "/etc/ca.pem": "/etc/ca.pem", f"{root}/conf2/a": f"{root}/conf2/a", ".": f"{root}/conf",
        }.items():  # fmt: skip
            self.assertEqual(self.bundle.name_of(path), name)

    def test_root_folder(self) -> None:
        """A configuration in / works as any other."""
        self.assertEqual(Bundle("/", {}, True).name_of("/etc/a"), "etc/a")

    def test_sealed(self) -> None:
        """A sealed bundle has what it has, even when the disk has more."""
        self.write("a.pem")
        sealed = Bundle(str(self.root / "conf"), {"b.pem": b"b"}, True)
        self.assertEqual(sealed.read("b.pem"), b"b")
        self.assertRaises(KeyError, sealed.read, "a.pem")

    def test_unreadable(self) -> None:
        """A missing file, a folder, a pipe and a device are errors, and none of them makes anybody wait."""
        os.mkfifo(self.root / "conf" / "pipe")
        before = os.listdir("/proc/self/fd")
        for path in ("nothing", "plugins", "pipe", "/dev/zero"):
            self.assertRaises(OSError, self.bundle.read, path)
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        self.assertEqual(self.bundle.files, {})

    def test_too_large(self) -> None:
        """One byte more than the bound is refused, the bound itself is not."""
        path = self.root / "conf" / "large"
        path.touch()
        os.truncate(path, MAX_FILE_BYTES)
        self.assertEqual(len(self.bundle.read("large")), MAX_FILE_BYTES)
        os.truncate(path.with_name("larger").open("wb").name, MAX_FILE_BYTES + 1)
        self.assertRaises(ValueError, self.bundle.read, "larger")

    def test_folders(self) -> None:
        """Drop-in folders show their own Python files, from the disk and from a sealed bundle alike."""
        for name in ("plugins/b.py", "plugins/a.py", "plugins/notes.txt", "top.py"):
            self.write(name)
        (self.root / "conf" / "plugins" / "sub.py").mkdir()
        self.assertEqual(self.bundle.names_under("plugins"), ["a.py", "b.py"])
        self.assertRaises(FileNotFoundError, self.bundle.names_under, "nowhere")
        files = {"plugins/a.py": b"", "plugins/b.py": b"", "plugins/deep/c.py": b"", "top.py": b"", "/usr/p/d.py": b""}
        sealed = Bundle(str(self.root / "conf"), files, True)
        for folder, names in {"plugins": ["a.py", "b.py"], "./plugins/": ["a.py", "b.py"], "nowhere": [],
                              "/usr/p": ["d.py"], ".": ["top.py"]}.items():  # fmt: skip
            self.assertEqual(sealed.names_under(folder), names, folder)

    def test_digest_covers_what_is_governed(self) -> None:
        """A changed key does not change the digest, a changed byte elsewhere does."""

        def digest(yaml: bytes, key: bytes) -> str:
            self.write("r.yaml", yaml)
            self.write("a.key", key)
            bundle = Bundle(str(self.root / "conf"), {}, False)
            bundle.read("r.yaml")
            bundle.read("a.key", governed=False)
            return bundle.digest()

        first = digest(b"a", b"1")
        self.assertRegex(first, "^sha256:[0-9a-f]{64}$")
        self.assertEqual(digest(b"a", b"2"), first)
        self.assertNotEqual(digest(b"b", b"1"), first)

    def test_once_covered_always_covered(self) -> None:
        """A file that one user calls ungoverned stays governed when another needs it to be."""
        self.write("a")
        for words in ((True, False), (False, True), (None, False), (False, None, True, None)):
            bundle = Bundle(str(self.root / "conf"), {}, False)
            for governed in words:
                bundle.read("a", governed=governed)
            self.assertEqual(bundle.ungoverned, set())

    def test_taking_it_out_changes_nothing(self) -> None:
        """Whoever only wants the bytes of a key does not make it governed."""
        self.write("a.key")
        self.bundle.read("a.key", governed=False)
        self.bundle.read("a.key")
        self.assertEqual(self.bundle.ungoverned, {"a.key"})

    @given(st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=8), max_size=4),
           st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=8), max_size=4))  # fmt: skip
    def test_digest_tells_apart(self, one: dict[str, bytes], other: dict[str, bytes]) -> None:
        """Two bundles have one digest only when they have the same names and bytes."""
        same = Bundle("/a", one, True).digest() == Bundle("/b", other, True).digest()
        self.assertEqual(same, one == other)
