"""A place reads as editors and compilers write one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.places import NOWHERE, Where


class WhereTests(SynchronousTestCase):
    def test_form(self) -> None:
        """FILE:LINE:COLUMN."""
        self.assertEqual(str(Where("routes.yaml", 12, 15)), "routes.yaml:12:15")

    def test_order(self) -> None:
        """Places sort as they stand in a file, and what is built in has no line."""
        self.assertLess(Where("f", 2, 9), Where("f", 10, 1))
        self.assertEqual(NOWHERE.line, 0)
