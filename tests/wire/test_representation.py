"""Whole and plain bodies: what asks for them, what is none, what may be said of another."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.fieldlines import parse_line
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.representation import asking_for_all, changed_fields, coding_of, has_part, part_in, without_ranges


def fields(*lines: str) -> list[Field]:
    """As they are read."""
    return [parse_line(line.encode()) for line in lines]


class RepresentationTests(SynchronousTestCase):
    def test_asked_for(self) -> None:
        """Nothing that asks for less is left, however it is spelled and repeated; identity is said in any case."""
        asked = fields(
            "RANGE: bytes=1-2", "range: bytes=5-", "Request-Range: bytes=1-2", "If-Range: \"x\"", "A-IM: gdiff",
            "Accept-Encoding: br, identity;q=0", "accept-encoding: gzip", "Want-Digest: md5", "Want-Content-Digest: sha-256=1",
            "Want-Repr-Digest: sha-256=1", "If-None-Match: W/\"x\"", "Accept: text/html",
        )  # fmt: skip
        plain = fields("Accept-Encoding: identity")
        self.assertEqual([*asked[-2:], *plain], asking_for_all(asked))
        self.assertEqual(plain, asking_for_all([]))

    def test_coding(self) -> None:
        """Any coding but none at all, also behind others and in another line."""
        for line in ("Content-Encoding: gzip", "content-encoding: BR", "Content-Encoding: identity, x-gzip", "Content-Encoding: ?"):
            self.assertEqual(line.partition(": ")[2], coding_of(fields("Content-Encoding: identity", line)))
        for line in ("Content-Encoding: Identity", "Content-Encoding:", "Content-Encoding: , identity", "X: gzip"):
            self.assertIsNone(coding_of(fields(line)))

    def test_part_of_an_answer(self) -> None:
        """Parts and differences by their status, and several in one body by its type."""
        for code in (206, 226, 416):
            self.assertEqual(f"status {code}", part_in(ResponseHead(code, [], None)))
        for value in ("multipart/byteranges; boundary=x", "Multipart/X-ByteRanges", "multipart/byteranges"):
            self.assertIsNotNone(part_in(ResponseHead(200, fields(f"Content-Type: {value}"), None)))
        for value in ("multipart/mixed", "text/plain; a=multipart/byteranges", "multipart/byteranges2"):
            self.assertIsNone(part_in(ResponseHead(200, fields(f"Content-Type: {value}"), None)))

    def test_part_of_a_request(self) -> None:
        """By Content-Range, or by its type."""
        self.assertTrue(has_part(fields("X: 1", "Content-Range: bytes 0-1/2")))
        self.assertTrue(has_part(fields("Content-Type: multipart/byteranges; boundary=x")))
        self.assertFalse(has_part(fields("Content-Type: text/plain", "Range: bytes=0-1")))

    def test_changed(self) -> None:
        """No digest and no range; an ETag that promises less, or none where it is none."""
        said = fields(
            "Content-MD5: x", "Digest: sha-256=x", "Content-Digest: sha-256=:x:", "Repr-Digest: sha-256=:x:",
            "Accept-Ranges: bytes", "ETag: \"a\"", "ETag: W/\"b\"", "ETag: c", "ETag: w/\"d\"", "X: y",
        )  # fmt: skip
        self.assertEqual(fields("ETag: W/\"a\"", "ETag: W/\"b\"", "X: y"), changed_fields(said))
        self.assertEqual(fields("ETag: \"a\""), without_ranges(fields("Accept-Ranges: bytes", "ETag: \"a\"")))
