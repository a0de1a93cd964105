"""The start of a message."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.heads import RequestHead, ResponseHead, sendable_fields, unreadable_request

_LENGTH = (b"content-length", b"Content-Length", b"7")
_PLAIN = (b"x-a", b"X-A", b"1")


class HeadTests(SynchronousTestCase):
    """`RequestHead`, `ResponseHead`."""

    def test_sendable(self) -> None:
        """What a plugin writes can't change how a message is framed, or speak of the hop."""
        bad = [(name, name, b"x") for name in (b"transfer-encoding", b"connection", b"upgrade", b"host", b"trailer")]
        self.assertEqual([_PLAIN], sendable_fields([*bad, _PLAIN, _LENGTH]))

    def test_settle(self) -> None:
        """After steps that had the headers in their hands: framing fields are gone, a Date that is there is seen."""
        head = ResponseHead(200, [_LENGTH, _PLAIN], 7)
        head.framed = True
        head.headers["Date"] = "today"
        self.assertTrue(head.edited)
        head.settle()
        self.assertEqual((False, False, True), (head.framed, head.edited, head.dated))
        self.assertEqual([b"x-a", b"date"], [field[0] for field in head.fields])

    def test_again(self) -> None:
        """A copy of a kept head shares nothing that may be written."""
        kept = ResponseHead(200, [_PLAIN], 7)
        kept.dated = True
        copy = kept.again()
        copy.headers["X-B"] = "2"
        copy.status = 500
        self.assertEqual((200, [_PLAIN], False, True), (kept.status, kept.fields, kept.edited, copy.dated))

    def test_headers_follow_the_fields(self) -> None:
        """Fields that are exchanged are what `headers` shows from then on."""
        head = ResponseHead(200, [_PLAIN], 0)
        self.assertEqual("1", head.headers["x-a"])
        head.fields = []
        self.assertEqual([], head.headers.items())

    def test_unreadable(self) -> None:
        """What stands for a request that could not be read ends its connection."""
        for is_head, method in ((False, b"-"), (True, b"HEAD")):
            head = unreadable_request(is_head)
            self.assertIsInstance(head, RequestHead)
            self.assertEqual((method, b"/", True, 0), (head.method, head.target, head.close, head.length))
