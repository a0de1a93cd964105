"""How a command ends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.cli import ending


class EndingTests(SynchronousTestCase):
    """The exit codes of the contract."""

    def test_codes(self) -> None:
        """0 done, 1 refused or failed, 2 usage."""
        self.assertEqual((ending.EXIT_DONE, ending.EXIT_FAILED, ending.EXIT_USAGE), (0, 1, 2))

    def test_failed(self) -> None:
        """A failure is its sentence, and 1 unless it says otherwise."""
        self.assertEqual((str(ending.Failed("no")), ending.Failed("no").code), ("no", 1))
        self.assertEqual(ending.Failed("no", 2).code, 2)
