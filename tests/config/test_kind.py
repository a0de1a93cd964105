"""What all kinds have in common: what they say, and what they never show."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.kind import Kind, Unfit, scalar
from hmsgw.config.kinds import Secret, Word
from hmsgw.config.places import Where
from hmsgw.config.values import Scalar
from tests.config.arrange import value

_HERE = Where("f", 1, 1)


class ScalarTests(SynchronousTestCase):
    def test_one_value(self) -> None:
        """A list, a mapping and nothing at all are not single values, and the message says what to write."""
        for source in ("[]", "{}", "~"):
            with self.assertRaisesRegex(Unfit, "write a fish"):
                scalar(value(source), "a fish")
        self.assertEqual(scalar(value("''"), "a fish").text, "")


class KindTests(SynchronousTestCase):
    def test_shown_as_written(self) -> None:
        """A message shows what stands in the file, not what the environment put there."""
        with self.assertRaisesRegex(Unfit, r"`\$\{A\}` is no name"):
            Word().parse(Scalar("hunter 2", _HERE, True, "${A}"))

    def test_secrets_are_not_shown(self) -> None:
        """Not even a secret written into the file stands in a message."""

        class Short(Secret):
            def of_text(self, text: str) -> str:
                raise Unfit("is too short")

        with self.assertRaises(Unfit) as caught:
            Short().parse(Scalar("hunter2", _HERE, True))
        self.assertNotIn("hunter2", str(caught.exception))

    def test_a_kind_says_how_it_reads(self) -> None:
        """There is no kind that takes anything by accident."""
        self.assertRaises(NotImplementedError, Kind().of_text, "a")
