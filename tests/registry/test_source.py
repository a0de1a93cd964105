"""What all sources share."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.registry.source import unique
from tests.registry.asking import A, B


class UniqueTests(SynchronousTestCase):
    def test_order_and_weight(self) -> None:
        """Sorted, one for each address, with the greatest weight that was named."""
        heavy = A._replace(weight=5)
        self.assertEqual(unique([B, A, heavy, A]), (heavy, B))
        self.assertEqual(unique([]), ())
