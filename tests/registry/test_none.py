"""No registry."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.registry.none import NoSource


class NoSourceTests(SynchronousTestCase):
    def test_answers_once(self) -> None:
        """No endpoints at once, then silence, so that nothing spins."""
        answer = self.successResultOf(NoSource().ask("a", 0))
        self.assertEqual(answer.endpoints, ())
        self.assertNoResult(NoSource().ask("a", answer.cursor))
