"""The audit log."""

from __future__ import annotations

import json
import os
import stat

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.governance.audit import FIRST, AuditLog, verify


class AuditTests(SynchronousTestCase):
    """`AuditLog` and `verify`."""

    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())
        self.log = AuditLog(self.path, lambda: 1_700_000_000.25)

    def write(self, count: int) -> None:
        for number in range(count):
            self.log.record("accepted", "uid 0", {"file": f"/{number}.yaml"})

    def lines(self) -> list[bytes]:
        with open(self.path, "rb") as file:
            return file.read().splitlines(keepends=True)

    def replace(self, lines: list[bytes]) -> None:
        with open(self.path, "wb") as file:
            file.writelines(lines)

    def test_chain(self) -> None:
        """Each line carries the hash of the one before, the first a constant; the head is what record returned."""
        self.log.record("accepted", "start", {"file": "/r.yaml", "digest": "sha256:1"})
        head = self.log.record("refused", "uid 7", {"faults": ["no\nnewline gets in"]})
        first, second = (json.loads(line) for line in self.lines())
        self.assertEqual(first["prev"], FIRST)
        self.assertEqual(first["ts"], "2023-11-14T22:13:20.250000Z")
        self.assertEqual((second["n"], second["event"], second["actor"]), (2, "refused", "uid 7"))
        self.assertEqual(verify(self.path), (2, head, None))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_goes_on_after_a_restart(self) -> None:
        """Another process continues the chain."""
        self.write(2)
        AuditLog(self.path, lambda: 0.0).record("accepted", "start", {})
        self.assertEqual(verify(self.path)[0::2], (3, None))

    def test_empty(self) -> None:
        """A log without lines is whole."""
        self.replace([])
        self.assertEqual(verify(self.path), (0, FIRST, None))

    @given(st.integers(0, 3), st.data())
    def test_any_changed_byte(self, at: int, data: st.DataObject) -> None:
        """Whatever byte of whatever line but the last is changed, the chain is broken."""
        self.replace([])
        self.write(5)
        lines = self.lines()
        place = data.draw(st.integers(0, len(lines[at]) - 2))
        byte = data.draw(st.integers(0, 255).filter(lambda value: value != lines[at][place]))
        lines[at] = lines[at][:place] + bytes((byte,)) + lines[at][place + 1 :]
        self.replace(lines)
        self.assertIsNotNone(verify(self.path).fault)

    def test_taken_out_put_in_moved(self) -> None:
        """A line that is missing, doubled or moved is found, and named by its place."""
        self.write(4)
        a, b, c, d = self.lines()
        for lines in ([b, c, d], [a, c, d], [a, b, b, c, d], [a, c, b, d]):
            self.replace(lines)
            with self.subTest(lines=lines):
                self.assertIn(f"{self.path}:", verify(self.path).fault or "")

    def test_cut_off(self) -> None:
        """A last line that is not whole is found, and the next event begins a line of its own."""
        self.write(2)
        self.replace([self.lines()[0], self.lines()[1][:-20]])
        self.assertIn(":2: it is cut off", verify(self.path).fault or "")
        self.log.record("accepted", "start", {})
        self.assertEqual(len(self.lines()), 3)
        self.assertIn(":2:", verify(self.path).fault or "")

    def test_no_link(self) -> None:
        """A link in its place is not followed."""
        os.symlink("/dev/null", self.path)
        self.assertRaises(OSError, self.log.record, "accepted", "start", {})
