"""What stands for standard output when there is none."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.options import UsageFault
from hmsgw.control.output import Output, output_file


class OutputFileTests(SynchronousTestCase):
    """`output_file`, by twistd's rules."""

    def test_foreground(self) -> None:
        """Outside twistd, and under --nodaemon without a file, it is standard output itself."""
        for twistd in (None, {"nodaemon": 1}, {"nodaemon": 1, "logfile": "-"}, {"debug": 1}):
            with self.subTest(twistd=twistd):
                self.assertIsNone(output_file(twistd))

    def test_daemon(self) -> None:
        """A daemon has twistd.log where it was started, or the file it was given."""
        self.assertEqual(output_file({"nodaemon": 0}), os.path.abspath("twistd.log"))
        self.assertEqual(output_file({"nodaemon": 0, "logfile": "/var/log/g"}), "/var/log/g")
        self.assertEqual(output_file({"nodaemon": 1, "logfile": "/var/log/g"}), "/var/log/g")

    def test_left_to_twistd(self) -> None:
        """With --syslog or --logger the log goes there, and standard output stays what it is."""
        self.assertIsNone(output_file({"syslog": 1}))
        self.assertIsNone(output_file({"logger": "a.b"}))

    def test_daemon_to_stdout(self) -> None:
        """A daemon can't log to a terminal that it leaves."""
        self.assertRaises(UsageFault, output_file, {"nodaemon": 0, "logfile": "-"})


class OutputTests(SynchronousTestCase):
    """`Output`."""

    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())
        self.contents: list[int] = []
        self.output = Output(self.path, self.dup2)

    def dup2(self, opened: int, descriptor: int) -> None:
        self.contents.append(descriptor)
        os.write(opened, b"x")

    def test_takes_both(self) -> None:
        """The file is there, not for everybody, before it is taken; then it stands for both descriptors."""
        self.output.open()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode) & 0o007, 0)
        self.output.take()
        self.assertEqual(self.contents, [1, 2])
        self.output.take()
        self.assertEqual(self.contents, [1, 2])

    def test_rotation(self) -> None:
        """After the file was moved away, a new one is begun under its name."""
        self.output.reopen()
        os.rename(self.path, self.path + ".1")
        self.output.reopen()
        self.assertEqual((os.path.getsize(self.path), os.path.getsize(self.path + ".1")), (2, 2))

    def test_cannot_be_opened(self) -> None:
        """A fault is raised, and the old file stays in use."""
        output = Output(self.path + "/missing/x", self.dup2)
        self.assertRaises(OSError, output.reopen)
        self.assertEqual(self.contents, [])

    def test_standard_output(self) -> None:
        """Without a path nothing happens."""
        Output(None, self.dup2).reopen()
        self.assertEqual(self.contents, [])
