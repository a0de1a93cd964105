"""Tables: generations, and freeing without a stall."""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.tables import CalendarTable, RollingTable, Room


def state(number: float) -> array[float]:
    return array("d", (number,))


class RollingTableTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.room = Room(1000)
        self.table = RollingTable(self.room)
        self.table.lengthen(10.0)
        self.table.turn(0.0)

    def test_a_touched_state_survives_a_turn(self) -> None:
        """What was touched in a generation is found in the next one, what was not is dropped with the one after."""
        self.table.admit("touched", state(1.0), 0.0)
        self.table.admit("left", state(2.0), 0.0)
        self.table.turn(10.0)
        self.assertIsNotNone(self.table.find("touched", 10.0))
        self.table.turn(20.0)
        self.assertIsNotNone(self.table.find("touched", 20.0))
        self.assertIsNone(self.table.find("left", 20.0))

    def test_after_a_long_silence_all_is_dead(self) -> None:
        """A table that nobody used for two lifetimes is emptied by one turn."""
        self.table.admit("x", state(1.0), 0.0)
        self.table.turn(20.0)
        self.assertEqual((self.table.young, self.table.old), ({}, {}))

    def test_freeing_is_spread(self) -> None:
        """A dropped generation is freed by a few entries at each stranger."""
        for index in range(100):
            self.table.admit(index, state(1.0), 0.0)
        self.table.turn(20.0)
        self.assertEqual(self.room.held, 100)
        self.table.admit("stranger", state(1.0), 20.0)
        self.assertEqual(self.room.held, 97)
        for index in range(60):
            self.table.admit(f"s{index}", state(1.0), 20.0)
        self.assertEqual(self.room.held, 61)


class CalendarTableTests(SynchronousTestCase):
    def test_turn(self) -> None:
        """A table drops its states when the next window begins, and keeps them within one."""
        table = CalendarTable(Room(100), "hour")
        table.turn(10.0)
        table.admit("x", state(1.0), 10.0)
        self.assertEqual((table.begins, table.turns), (0, 3600))
        table.turn(3600.0)
        self.assertIsNone(table.find("x", 0.0))

    def test_the_window_before_does_not_come_back(self) -> None:
        """Time in the window before counts as the begin of the one that runs."""
        table = CalendarTable(Room(100), "hour")
        table.turn(3600.0)
        table.admit("x", state(1.0), 3600.0)
        self.assertEqual(table.turn(3599.0), 3600)
        self.assertIsNotNone(table.find("x", 0.0))
