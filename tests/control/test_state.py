"""The state directory."""

from __future__ import annotations

import os
import stat
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.state import StateFault, StateFolder, choose_folder


class ChooseTests(SynchronousTestCase):
    """`choose_folder`."""

    def test_order(self) -> None:
        """What is said wins over systemd's word, that over the system's folder."""
        system = self.mktemp()
        os.mkdir(system)
        environ = {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two", "HOME": "/home/x"}
        self.assertEqual(choose_folder("/said", environ, system), "/said")
        self.assertEqual(choose_folder(None, environ, system), "/var/lib/one")
        self.assertEqual(choose_folder(None, {"HOME": "/home/x"}, system), system)

    def test_system_folder_that_can_be_made(self) -> None:
        """It need not be there when it can be made."""
        parent = os.path.abspath(self.mktemp())
        os.mkdir(parent)
        self.assertEqual(choose_folder(None, {}, f"{parent}/hmsgw"), f"{parent}/hmsgw")

    def test_home(self) -> None:
        """Where the system's folder is out of reach, it is the user's own."""
        self.assertEqual(
            choose_folder(None, {"HOME": "/home/x"}, "/nonexistent/y/z"), "/home/x/.local/state/hmsgw"
        )


class FolderTests(SynchronousTestCase):
    """`StateFolder`."""

    def setUp(self) -> None:
        # mktemp's paths are too long for a socket.
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = f"{scratch.name}/s"
        self.folder = StateFolder(self.path)
        self.addCleanup(self.folder.release)

    def mode(self, name: str = "") -> int:
        return stat.S_IMODE(os.stat(os.path.join(self.path, name)).st_mode)

    def test_made_for_its_owner_alone(self) -> None:
        """The folder is 0700, its parents are made, and a second time is no fault."""
        folder = StateFolder(self.path + "/a/b")
        folder.prepare()
        folder.prepare()
        self.assertEqual(self.mode("a/b"), 0o700)

    def test_others_may_write(self) -> None:
        """A folder that others may write to is not used: the control socket would be theirs."""
        os.mkdir(self.path)
        os.chmod(self.path, 0o770)
        fault = self.assertRaises(StateFault, self.folder.prepare)
        self.assertIn(f"chmod go-w {self.path}", str(fault))

    def test_a_file_in_its_place(self) -> None:
        """A path that is no folder is one sentence."""
        with open(self.path, "w"):
            pass
        self.assertRaises(StateFault, StateFolder(self.path + "/below").prepare)

    def test_too_long_for_a_socket(self) -> None:
        """A path that no socket can have is refused before anything is made."""
        folder = StateFolder(self.path + "/" + "x" * 120)
        self.assertIn("too long", str(self.assertRaises(StateFault, folder.prepare)))
        self.assertFalse(os.path.exists(self.path))

    def test_one_gateway_at_a_time(self) -> None:
        """A second gateway is refused until the first lets go."""
        self.folder.prepare()
        self.folder.take()
        other = StateFolder(self.path)
        self.assertIn("another gateway runs", str(self.assertRaises(StateFault, other.take)))
        self.folder.release()
        other.take()
        other.release()

    def test_lock_is_no_link(self) -> None:
        """A link in the lock's place is not followed."""
        self.folder.prepare()
        os.symlink("/etc/passwd", f"{self.path}/lock")
        self.assertRaises(StateFault, self.folder.take)

    def test_dev_secret(self) -> None:
        """The development key is long, made once, kept, and for its owner alone."""
        self.folder.prepare()
        self.assertIsNone(self.folder.existing_dev_secret())
        secret = self.folder.dev_secret()
        self.assertGreaterEqual(len(secret), 43)
        self.assertEqual(StateFolder(self.path).dev_secret(), secret)
        self.assertEqual(self.mode("dev.secret"), 0o600)

    def test_accepted(self) -> None:
        """What ran last is read back; before anything ran there is nothing."""
        self.folder.prepare()
        self.assertIsNone(self.folder.accepted())
        self.folder.keep_accepted({"file": "/r.yaml", "dev": True})
        self.assertEqual(self.folder.accepted(), {"file": "/r.yaml", "dev": True})
        self.assertEqual(sorted(os.listdir(self.path)), ["accepted.json"])

    def test_damaged(self) -> None:
        """A damaged file is a sentence, not a traceback."""
        self.folder.prepare()
        for content in (b"", b"{", b"[]", b"\xff"):
            with open(f"{self.path}/accepted.json", "wb") as file:
                file.write(content)
            self.assertIn("damaged", str(self.assertRaises(StateFault, self.folder.accepted)))

    def test_hand_over(self) -> None:
        """Handing over names every file of ours and the folder, and fails in a sentence."""
        self.folder.prepare()
        self.folder.dev_secret()
        given: list[str] = []
        self.patch(os, "chown", lambda path, uid, gid, follow_symlinks: given.append(f"{path} {uid}:{gid}"))
        self.folder.hand_over(1234, 56)
        self.assertEqual(given, [f"{self.path}/dev.secret 1234:56", f"{self.path} 1234:56"])

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        self.patch(os, "chown", refuse)
        self.assertIn("Operation not permitted", str(self.assertRaises(StateFault, self.folder.hand_over, 1, 1)))
