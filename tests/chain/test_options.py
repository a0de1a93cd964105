"""The options of any use, and where an option stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.options import UseOptions, canonical, place, split
from hmsgw.config.faults import Fault
from hmsgw.config.model import PluginUse, Where
from hmsgw.config.values import SpelledFloat
from tests.chain.arrange import use

_PLAIN = st.integers() | st.text(max_size=5) | st.lists(st.booleans(), max_size=3)


class SplitTests(SynchronousTestCase):
    def test_apart(self) -> None:
        """The four generic options are taken off, and the plugin gets the rest."""
        faults: list[Fault] = []
        generic, own = split(use("a", plugin="b", replaces=True, limit=5), faults, set_up=True)
        self.assertEqual((generic, own, faults), (UseOptions(plugin="b", replaces=True), {"limit": 5}, []))

    def test_none(self) -> None:
        """A bare name, and a use with generic options only, leave the plugin none."""
        self.assertEqual(split(use("a"), [], set_up=False), (UseOptions(), None))
        self.assertIsNone(split(use("a", replaces=True), [], set_up=True)[1])

    def test_set_up_only(self) -> None:
        """What says what a name is has no place in a route."""
        faults: list[Fault] = []
        split(use("a", 4, plugin="b", replaces=True), faults, set_up=False)
        self.assertEqual([fault.where.line for fault in faults], [5, 6])


class PlaceTests(SynchronousTestCase):
    def test_nearest(self) -> None:
        """An option that has no place of its own stands where what it is part of stands."""
        there = PluginUse(name="a", where=Where("f", 1, 1), option_where={
            "keys": Where("f", 2, 1), "keys[0]": Where("f", 3, 1), "keys[0].name": Where("f", 4, 1),
        })  # fmt: skip
        for option, line in {"keys": 2, "keys[0]": 3, "keys[0].name": 4, "keys[0].other": 3, "keys[7].x": 2, "x": 1,
                             None: 1, "": 1}.items():  # fmt: skip
            self.assertEqual(place(there, option).line, line, option)


class CanonicalTests(SynchronousTestCase):
    @given(st.dictionaries(st.text(max_size=5), _PLAIN, max_size=5))
    def test_order_does_not_matter(self, options: dict[str, object]) -> None:
        """Equal options have one text, whatever their order."""
        self.assertEqual(canonical(options), canonical(dict(reversed(options.items()))))

    def test_spelling(self) -> None:
        """1.10 and 1.1 are two texts, because a header's value is a text."""
        spelled = SpelledFloat(1.1)
        spelled.text = "1.10"
        self.assertNotEqual(canonical({"a": [spelled]}), canonical({"a": [1.1]}))
