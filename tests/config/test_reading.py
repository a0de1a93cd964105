"""What a reading gathers: faults with their keys, no second fault for one text, places for checks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import Fault
from hmsgw.config.places import Where
from hmsgw.config.reading import FAILED, At, Reading

_HERE, _THERE = Where("f", 1, 1), Where("f", 2, 2)


class ReadingTests(SynchronousTestCase):
    def test_key(self) -> None:
        """A message begins with the key that it is about, when there is one."""
        faults: list[Fault] = []
        reading = Reading(faults)
        self.assertTrue(reading.is_clean)
        self.assertIs(reading.fault(_HERE, "a[0].b", "no"), FAILED)
        reading.fault(_HERE, "", "no")
        self.assertEqual([fault.message for fault in faults], ["a[0].b: no", "no"])
        self.assertFalse(reading.is_clean)

    def test_told_before(self) -> None:
        """A value whose text was at fault already (a missing variable) is not told again."""
        faults: list[Fault] = []
        Reading(faults, told=frozenset([_HERE])).fault(_HERE, "a", "no")
        self.assertEqual(faults, [])

    def test_earlier_faults(self) -> None:
        """A reading is clean as long as it adds nothing, whatever was told before it."""
        self.assertTrue(Reading([Fault(_HERE, "no")]).is_clean)


class AtTests(SynchronousTestCase):
    def test_places(self) -> None:
        """A key that is left out has the place of what it is missing in."""
        faults: list[Fault] = []
        at = At(Reading(faults), "routes[0]", _HERE, {"path": _THERE})
        at.fault("path", "no")
        at.fault("rewrite", "no")
        at.fault_at(_THERE, "x", "no")
        self.assertEqual([str(fault) for fault in faults], [
            "f:2:2: routes[0].path: no", "f:1:1: routes[0].rewrite: no", "f:2:2: x: no",
        ])  # fmt: skip

    def test_top(self) -> None:
        """At the top a key has nothing in front."""
        faults: list[Fault] = []
        At(Reading(faults), "", _HERE, {}).fault("a", "no")
        self.assertEqual(faults[0].message, "a: no")
