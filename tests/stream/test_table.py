"""Which stream a server name belongs to."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.stream.table import SniTable


class TableTests(SynchronousTestCase):
    def found(self, names: dict[str, tuple[str, ...]], asked: str) -> Any:
        return SniTable((patterns, name) for name, patterns in names.items()).find(asked)  # type: ignore[misc]

    def test_nearest(self) -> None:
        """Exact, then the nearest wildcard, at any depth below it; then the stream without names."""
        streams: dict[str, tuple[str, ...]] = {
            "all": (), "gov": ("*.gov",), "main": ("*.mainframe.gov", "other.org"), "one": ("x.mainframe.gov",),
        }  # fmt: skip
        for asked, name in {
            "x.mainframe.gov": "one", "y.mainframe.gov": "main", "a.b.mainframe.gov": "main", "mainframe.gov": "gov",
            "other.org": "main", "sub.other.org": "all", "gov": "all", "": "all", "a.com": "all",
        }.items():  # fmt: skip
            self.assertEqual(name, self.found(streams, asked), asked)

    def test_nobody(self) -> None:
        """Without such a stream what nobody knows belongs to nobody."""
        for asked in ("", "b.gov", "gov", "x.a.gov"):
            self.assertIsNone(self.found({"one": ("a.gov",)}, asked))

    def test_peeks(self) -> None:
        """Where no stream has names nothing has to be looked at."""
        self.assertFalse(SniTable([((), None)]).peeks)  # type: ignore[list-item]
        self.assertTrue(SniTable([((), None), (("a.gov",), None)]).peeks)  # type: ignore[list-item]
