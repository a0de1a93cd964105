"""Bodies that plugins change."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.chain.step import TransformStep
from hmsgw.chain.transform import Transforms
from hmsgw.config.model import NOWHERE


class Marks:
    """Puts its letter behind each piece, and twice at the end."""

    def __init__(self, letter: bytes) -> None:
        self._letter = letter

    def request(self, data: bytes) -> bytes:
        return data + self._letter

    def request_end(self) -> bytes:
        return self._letter * 2

    response = request

    def response_end(self, trailers: Any) -> bytes:
        trailers["x-last"] = self._letter.decode()
        return self._letter * 2


class Fails:
    """Raises `error` wherever it is asked."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def request(self, data: bytes) -> bytes:
        raise self._error

    def response_begin(self, resp: Any) -> bool:
        raise self._error

    def response(self, data: bytes) -> bytes:
        raise self._error

    def response_end(self, trailers: Any) -> bytes:
        raise self._error


def of(*made: Any) -> Transforms:
    """Of plugins whose `transform` returned these."""
    how: Any = {"deadline_s": 5, "shadow": False, "count_decision": lambda plugin, decision: None}
    return Transforms([TransformStep(lambda req, one=one: one, "p", NOWHERE, **how) for one in made], None)


class OrderTests(SynchronousTestCase):
    """Who comes first."""

    def test_both_ways(self) -> None:
        """Requests pass the list as it stands, answers in reverse; what one has left goes through those behind it."""
        transforms = of(Marks(b"a"), None, Marks(b"b"))
        self.assertTrue(transforms.request_too)
        self.assertEqual((b"-ab", b"aabbb"), (transforms.request(b"-"), transforms.request_end()))
        self.assertTrue(transforms.begin(None))
        self.assertEqual(b"-ba", transforms.response(b"-"))
        held, trailers = transforms.response_end([(b"x-sum", b"X-Sum", b"1")])
        self.assertEqual((b"bbaaa", [b"x-sum", b"x-last"]), (held, [name for name, _, _ in trailers]))
        self.assertIsNone(transforms.verdict)

    def test_nothing(self) -> None:
        """Plugins that leave a request alone cost nothing more; a piece that is held back reaches nobody behind."""
        self.assertFalse(of(None, None))

        class Holds:
            def request(self, data: bytes) -> bytes:
                return b""

        self.assertEqual(b"", of(Holds(), Marks(b"x")).request(b"-"))

    def test_answers_left_alone(self) -> None:
        """Who does not want an answer says so at its head."""

        class Declines(Marks):
            def response_begin(self, resp: Any) -> bool:
                return False

        transforms = of(Declines(b"a"), Marks(b"b"))
        self.assertTrue(transforms.begin(None))
        self.assertEqual(b"-b", transforms.response(b"-"))
        self.assertFalse(of(Declines(b"a")).begin(None))


class FailureTests(SynchronousTestCase):
    """What they raise."""

    def test_each_call(self) -> None:
        """A refusal is one, everything else is the plugin's failure, SystemExit too; and after it nothing more is made."""
        for error, status, logged in ((HTTPError(415, "No."), 415, 0), (ValueError("x"), 500, 1), (SystemExit(), 500, 1)):
            for call in (
                lambda transforms: transforms.request(b"-"),
                lambda transforms: transforms.begin(None),
                lambda transforms: transforms.response(b"-"),
                lambda transforms: transforms.response_end([])[0],
            ):
                transforms = of(Marks(b"a"), Fails(error))
                self.assertFalse(call(transforms))
                assert transforms.verdict is not None
                self.assertEqual(status, transforms.verdict.status)
                self.assertEqual((b"", b"", b""), (
                    transforms.request(b"-"), transforms.response(b"-"), transforms.request_end()))  # fmt: skip
                self.assertEqual(logged, len(self.flushLoggedErrors(ValueError, SystemExit)))

    def test_no_bytes(self) -> None:
        """What is no bytes can't go out."""
        for given in ("text", None, bytearray(b"x")):

            class Gives:
                def request(self, data: bytes, given: Any = given) -> Any:
                    return given

            transforms = of(Gives())
            transforms.request(b"-")
            assert transforms.verdict is not None
            self.assertEqual("plugin-error", transforms.verdict.word)
        self.assertEqual(3, len(self.flushLoggedErrors(TypeError)))

    def test_not_made(self) -> None:
        """An object that changes nothing is a mistake; so is a transform that raises."""
        for made in (object(), "text"):
            transforms = of(made)
            assert transforms.verdict is not None
            self.assertTrue(transforms)
        self.assertEqual(2, len(self.flushLoggedErrors(TypeError)))
