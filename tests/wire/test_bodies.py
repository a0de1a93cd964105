"""Promises of `hmsgw.wire.bodies`."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.bodies import (
    MAX_CHUNKS,
    BodyFault,
    BodyReader,
    ChunkedBody,
    CountedBody,
    EndlessBody,
    chunk,
    last_chunk,
)
from hmsgw.wire.headers import Field


def read_all(reader: BodyReader, pieces: list[bytes]) -> tuple[bytes, bool, bytes]:
    body, rest, ended = b"", b"", False
    for piece in pieces:
        if ended:
            rest += piece
            continue
        content, ended, over = reader.feed(piece)
        body += content
        while reader.behind:
            content, ended, over = reader.feed(b"")
            body += content
        rest += over
    return body, ended, rest


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({c % (len(data) + 1) for c in cuts})
    edges = [0, *places, len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a != b]


class CountedTests(SynchronousTestCase):
    @given(st.binary(min_size=1, max_size=50), st.binary(max_size=20), st.lists(st.integers(0, 100)))
    @settings(deadline=None)
    def test_any_split(self, body: bytes, more: bytes, cuts: list[int]) -> None:
        """Body and rest come out the same however the bytes are cut."""
        self.assertEqual(read_all(CountedBody(len(body)), cut(body + more, cuts)), (body, True, more))


class EndlessTests(SynchronousTestCase):
    def test_never_ends(self) -> None:
        """Only the connection's end is its end."""
        self.assertEqual(EndlessBody().feed(b"x"), (b"x", False, b""))


class ChunkedTests(SynchronousTestCase):
    @given(
        st.lists(st.binary(min_size=1, max_size=30), max_size=5), st.binary(max_size=20), st.lists(st.integers(0, 300))
    )
    @settings(deadline=None)
    def test_any_split(self, chunks: list[bytes], more: bytes, cuts: list[int]) -> None:
        """Body, trailers and rest come out the same however the bytes are cut."""
        trailers: list[Field] = [(b"x-sum", b"X-Sum", b"1")]
        raw = b"".join(chunk(c) for c in chunks) + last_chunk(trailers) + more
        reader = ChunkedBody(1024)
        self.assertEqual(read_all(reader, cut(raw, cuts)), (b"".join(chunks), True, more))
        self.assertEqual(reader.trailers, trailers)

    def test_broken(self) -> None:
        """Sizes that are no plain hexadecimal number, wrong ends and bare LF are refused."""
        for raw in (
            b"\r\n", b"x\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b" 1\r\na\r\n", b"1 \r\na\r\n", b"1\na\r\n",
            b"1\r\nab\r\n", b"1\r\na\n", b"1\r\naX\r", b"1_0\r\n", b"1\r\r\n", b"1;a\x00\r\na\r\n", b"1;a\rb\r\n",
            b"1000000000000000\r\n", b"1;" + b"a" * 5000, b"0\r\nx\r\n\r\n", b"0\r\nx y: z\r\n\r\n",
            b"0\r\na: \x01\r\n\r\n",
            b"1;\r\na\r\n", b"1;a;\r\na\r\n", b"1;a=\r\na\r\n", b"1;a b\r\na\r\n", b"1;[\r\na\r\n", b'1;a="b\r\na\r\n',
            b"Q", b"1\r\nZ\r\nQ", b"0\r\n\n", b"0\r\na: b\n", b"0\r\n a: b\r\n\r\n", b"0\r\na: b\nc: d\r\n\r\n",
        ):  # fmt: skip
            with self.assertRaises(BodyFault, msg=str(raw)):
                ChunkedBody(1024).feed(raw)

    def test_extensions_are_passed_over(self) -> None:
        """A chunk extension says nothing to a gateway."""
        self.assertEqual(ChunkedBody(1024).feed(b'2;a="b"\r\nhi\r\n0\r\n\r\nX'), (b"hi", True, b"X"))
        said = b'2 ; a = b;c;d="e;\\"\xff"\t;\tf=a!b\r\nhi\r\n0;a\r\n\r\n'
        self.assertEqual(ChunkedBody(1024).feed(said), (b"hi", True, b""))

    def test_many_extensions(self) -> None:
        """Extensions are read within bounds too: a few KiB of them are one turn's work."""
        reader = ChunkedBody(1024)
        one = b"1" + b";a" * 2000 + b"\r\nx\r\n"
        turns = [len(reader.feed(one * 20 + last_chunk([]))[0])]
        while reader.behind:
            turns.append(len(reader.feed(b"")[0]))
        self.assertEqual(20, sum(turns))
        self.assertLess(max(turns), 5)

    def test_trailers_are_bounded(self) -> None:
        """Endless trailers are refused before they are gathered."""
        reader = ChunkedBody(64)
        reader.feed(b"0\r\n")
        with self.assertRaises(BodyFault):
            reader.feed(b"a: " + b"b" * 100)

    def test_trailers_are_counted(self) -> None:
        """By the bounds of a head: so many, of such a length."""
        for section in (b"a: b\r\n" * 3, b"a: bcdefg\r\n"):
            with self.assertRaises(BodyFault):
                ChunkedBody(64, 2, 8).feed(b"0\r\n" + section + b"\r\n")
        reader = ChunkedBody(64, 2, 8)
        self.assertEqual((b"", True, b""), reader.feed(b"0\r\na: bcdef\r\nb: 1\r\n\r\n"))
        self.assertEqual(2, len(reader.trailers))

    def test_trailers_cannot_reframe(self) -> None:
        """Trailers that would change what the head said are dropped (RFC 9110 section 6.5.1)."""
        reader = ChunkedBody(1024)
        reader.feed(b"0\r\nContent-Length: 5\r\nX-Ok: 1\r\nAuthorization: x\r\nX_Y: 1\r\n\r\n")
        self.assertEqual(reader.trailers, [(b"x-ok", b"X-Ok", b"1")])
        reader = ChunkedBody(1024)
        reader.feed(b"0\r\nX-Forwarded-Port: 443\r\nKeep-Alive: timeout=9\r\nX-Ok: 1\r\n\r\n")
        self.assertEqual(reader.trailers, [(b"x-ok", b"X-Ok", b"1")])

    def test_many_small_chunks(self) -> None:
        """Ten thousand chunks of a byte come out whole, and never more of them at once than is one turn's work."""
        reader = ChunkedBody(1024)
        content, ended, rest = reader.feed(chunk(b"a") * 10_000 + last_chunk([]) + b"next")
        sizes = [len(content)]
        while reader.behind:
            self.assertFalse(ended)
            content, ended, rest = reader.feed(b"")
            sizes.append(len(content))
        self.assertEqual((10_000, True, b"next"), (sum(sizes), ended, rest))
        self.assertLessEqual(max(sizes), MAX_CHUNKS)

    @given(st.binary(max_size=64), st.lists(st.integers(0, 64)))
    @settings(max_examples=300, deadline=None)
    def test_split_never_changes_the_verdict(self, raw: bytes, cuts: list[int]) -> None:
        """Garbage is refused or taken alike, whole or cut."""

        def verdict(pieces: list[bytes]) -> object:
            try:
                return read_all(ChunkedBody(1024), pieces)
            except BodyFault:
                return "fault"

        whole = verdict([raw])
        parts = verdict(cut(raw, cuts))
        self.assertEqual(whole, parts)
