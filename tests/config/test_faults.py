"""Faults: their form, their order, their end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import MAX_FAULTS, Fault, Refused, quoted, tell
from hmsgw.config.places import Where


class RefusedTests(SynchronousTestCase):
    def test_form(self) -> None:
        """A fault is one line, FILE:LINE:COLUMN: message."""
        self.assertEqual(str(Fault(Where("f", 2, 3), "no")), "f:2:3: no")

    def test_all_in_order_once(self) -> None:
        """A refusal carries every fault, ordered by place, each once."""
        late, early = Fault(Where("f", 10, 1), "b"), Fault(Where("f", 9, 1), "a")
        refused = Refused([late, early, late])
        self.assertEqual(refused.faults, [early, late])
        self.assertEqual(str(refused), "f:9:1: a\nf:10:1: b")

    def test_never_empty(self) -> None:
        """There is no refusal without a reason."""
        self.assertRaises(ValueError, Refused, [])


class TellTests(SynchronousTestCase):
    def test_an_end(self) -> None:
        """However much is wrong, the list ends, and says that it does."""
        faults: list[Fault] = []
        for line in range(MAX_FAULTS * 3):
            tell(faults, Where("f", line, 1), "no")
        self.assertEqual(len(faults), MAX_FAULTS + 1)
        self.assertIn("more than 1000 faults", faults[-1].message)


class QuotedTests(SynchronousTestCase):
    def test_one_line(self) -> None:
        """What stands in a file can't break the line of a message, colour a terminal or fill a log."""
        self.assertEqual(quoted("a\nb\x1b[31m"), "`a\\nb\\x1b[31m`")
        self.assertEqual(len(quoted("x" * 10_000)), 62)
        self.assertEqual(quoted("é🚦"), "`é🚦`")
