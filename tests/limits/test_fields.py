"""RateLimit fields as a client reads them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.fields import announce, policy, quoted, retry_after
from hmsgw.limits.windows import Decision


class FieldTests(SynchronousTestCase):
    def test_one_limit(self) -> None:
        """One limit is one member of each field; an upstream's own fields of these names go."""
        fields = [(b"ratelimit", b"ratelimit", b"theirs"), (b"x", b"X", b"1"), (b"ratelimit-policy", b"R", b"theirs")]
        name = quoted("60ip")
        announce(fields, [(policy(name, 60, 60.0), name, Decision(True, 59, 11.2, 0.0))])
        self.assertEqual(fields, [
            (b"x", b"X", b"1"),
            (b"ratelimit-policy", b"RateLimit-Policy", b'"60ip";q=60;w=60'),
            (b"ratelimit", b"RateLimit", b'"60ip";r=59;t=12'),
        ])  # fmt: skip

    def test_several_limits(self) -> None:
        """Several limits are members of one list."""
        fields: list[tuple[bytes, bytes, bytes]] = []
        said = [
            (policy(quoted("a"), 5, 1.0), quoted("a"), Decision(True, 4, 1.0, 0.0)),
            (policy(quoted("b"), 9, None), quoted("b"), Decision(False, 0, 7.0, 7.0)),
        ]
        announce(fields, said)
        self.assertEqual([value for _, _, value in fields], [b'"a";q=5;w=1, "b";q=9', b'"a";r=4;t=1, "b";r=0;t=7'])

    def test_names_are_structured_strings(self) -> None:
        """Quotes and backslashes are escaped, what a structured string can't hold is replaced."""
        self.assertEqual(quoted('a"b\\c\r\nd\u00e9'), b'"a\\"b\\\\c??d?"')

    def test_retry_after_is_rounded_up(self) -> None:
        """Never too early, and at least a second."""
        waits = (0.0, 0.2, 1.0, 1.01, 59.5)
        self.assertEqual([retry_after(Decision(False, 0, s, s)) for s in waits], ["1", "1", "1", "2", "60"])
