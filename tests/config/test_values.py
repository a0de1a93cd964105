"""Values: the YAML 1.2 core schema, plain data there and back, places."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.places import Where
from hmsgw.config.values import Mapped, Scalar, Value, located, places_in, plain
from tests.config.arrange import value

_HERE = Where("f", 1, 1)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def data(found: Value) -> Any:
    faults: list[str] = []
    made = plain(found, lambda where, message: faults.append(message))
    assert not faults, faults
    return made


class CoreSchemaTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Only true and false are truth values; on, off, yes, no, dates and the like are words."""
        for word in ("on", "off", "yes", "no", "Yes", "OFF", "y", "tRUE", "2024-01-01", "1:30", "1_000", "0b1", "=",
                     "nULL", "1e", ".", "0x", "0o8", "-x1", "+", "1.2.3"):  # fmt: skip
            self.assertEqual(data(value(f"a: {word}")), {"a": word})

    def test_truth_and_null(self) -> None:
        """The three spellings of each."""
        self.assertEqual(data(value("[true, True, TRUE, false, False, FALSE]")), [True] * 3 + [False] * 3)
        self.assertEqual(data(value("[null, Null, NULL, ~, '']")), [None] * 4 + [""])
        self.assertEqual(data(value("a:")), {"a": None})

    def test_numbers(self) -> None:
        """Decimal (010 is ten), 0o, 0x, and broken ones."""
        self.assertEqual(data(value("[1, -7, +5, 010, 0o17, 0xFf]")), [1, -7, 5, 10, 15, 255])
        self.assertEqual(data(value("[1.5, .5, 1., 1e3, -2.5E-1]")), [1.5, 0.5, 1.0, 1000.0, -0.25])

    def test_quoted(self) -> None:
        """Quotes and block scalars make a text of anything."""
        self.assertEqual(data(value("['1', \"true\", 'null']")), ["1", "true", "null"])
        self.assertEqual(data(value("a: |\n  12")), {"a": "12"})

    def test_too_large(self) -> None:
        """A number that not every reader holds alike is a fault, not another number."""
        for text in (str(2**63), "1" * 5000, "1e999", "-.inf", ".NaN"):
            faults: list[Where] = []
            plain(value(f"a: {text}"), lambda where, message, found=faults: found.append(where))
            self.assertEqual(faults, [Where("f.yaml", 1, 4)], text)


class LocatedTests(SynchronousTestCase):
    @given(_PLAIN)
    def test_round_trip(self, before: Any) -> None:
        """Plain data becomes values and the same plain data again."""
        after = data(located(before, "", {}, _HERE))
        self.assertEqual(repr(after), repr(before))

    def test_spelling(self) -> None:
        """A number keeps the form that it was written in, and is the number all the same."""
        (one, two) = data(value("[1.10, 007]"))
        self.assertEqual((one, two), (1.1, 7))
        again = located([one, two], "", {}, _HERE)
        self.assertEqual([item.text for item in again.items if isinstance(item, Scalar)], ["1.10", "007"])  # type: ignore[union-attr]

    def test_places(self) -> None:
        """Every part is found again under its dotted path; what has no place stands where its whole stands."""
        source = value("limit: 5\nkeys:\n  - name: a\n    key: b")
        places: dict[str, Where] = {}
        places_in(source, "", places)
        self.assertEqual({path: (where.line, where.column) for path, where in places.items()}, {
            "limit": (1, 8), "keys": (3, 3), "keys[0]": (3, 5), "keys[0].name": (3, 11), "keys[0].key": (4, 10),
        })  # fmt: skip
        again = located(data(source), "", places, _HERE)
        found: dict[str, Where] = {}
        places_in(again, "", found)
        self.assertEqual(found, places)
        inner = located({"a": {"b": 1}}, "", {"a": Where("f", 9, 9)}, _HERE)
        assert isinstance(inner, Mapped)
        self.assertEqual(inner.entries[0].value.where.line, 9)
        self.assertEqual(inner.entries[0].value.entries[0].value.where.line, 9)  # type: ignore[union-attr]
