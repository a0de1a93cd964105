"""Files that are replaced whole."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.files import replace_file


class ReplaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder: str = self.mktemp()
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "it")

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def test_replaced(self) -> None:
        """The new content under the old name, with its mode, and nothing left beside it."""
        for content, mode in ((b"one, and long", 0o600), (b"two", 0o644)):
            replace_file(self.path, content, mode)
            self.assertEqual((self.read(self.path), stat.S_IMODE(os.stat(self.path).st_mode)), (content, mode))
        self.assertEqual(os.listdir(self.folder), ["it"])

    def test_left_over(self) -> None:
        """What a crash left aside lends neither its content nor its mode."""
        with open(self.path + ".new", "wb") as file:
            file.write(b"a longer text than the new one")
        os.chmod(self.path + ".new", 0o666)
        replace_file(self.path, b"new", 0o600)
        self.assertEqual((self.read(self.path), stat.S_IMODE(os.stat(self.path).st_mode)), (b"new", 0o600))

    def test_link(self) -> None:
        """A link that somebody put there leads nowhere."""
        other = os.path.join(self.folder, "other")
        replace_file(other, b"keep", 0o600)
        os.symlink("other", self.path + ".new")
        self.assertRaises(OSError, replace_file, self.path, b"new", 0o600)
        self.assertEqual(self.read(other), b"keep")

    def test_fails(self) -> None:
        """A folder that is not there is the caller's to tell; an old file stays."""
        self.assertRaises(FileNotFoundError, replace_file, os.path.join(self.folder, "no", "it"), b"x", 0o600)
