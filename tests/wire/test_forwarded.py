"""The Forwarded field, read."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.forwarded import Element, read_forwarded


class ForwardedTests(SynchronousTestCase):
    """`read_forwarded`."""

    def test_elements(self) -> None:
        """The forms of RFC 7239 sections 4 and 7.1, in any case and with parameters of others."""
        for value, expected in (
            (b'for="_gazonk"', [Element(b"_gazonk")]),
            (b'For="[2001:db8:cafe::17]:4711"', [Element(b"[2001:db8:cafe::17]:4711")]),
            (b"for=192.0.2.60;proto=http;by=203.0.113.43", [Element(b"192.0.2.60", b"http")]),
            (b"for=192.0.2.43, for=198.51.100.17", [Element(b"192.0.2.43"), Element(b"198.51.100.17")]),
            (b"proto=https;HOST=a.test , for=b", [Element(b"", b"https", b"a.test"), Element(b"b")]),
            (b" , ;for=a; ,,for = b\t", [Element(b"a"), Element(b"b")]),
            (b"", []),
        ):
            self.assertEqual(expected, read_forwarded(value), value)

    def test_quotes(self) -> None:
        """What stands in quotes divides nothing; a backslash takes the next byte as it is."""
        self.assertEqual(
            [Element(b"192.0.2.1", b"", b"a, for=6.6.6.6;x"), Element(b'b"c')],
            read_forwarded(b'for=192.0.2.1;host="a, for=6.6.6.6;x", for="b\\"c"'),
        )

    def test_lenient(self) -> None:
        """Ports and IPv6 addresses without quotes mean one thing only."""
        self.assertEqual(
            [Element(b"192.0.2.1:80"), Element(b"[::1]:80", b"", b"a:443")],
            read_forwarded(b"for=192.0.2.1:80, for=[::1]:80;host=a:443"),
        )

    def test_unreadable(self) -> None:
        """What could mean two things is refused, wherever it stands."""
        for value in (
            b'for="a', b'for="a, for=b', b'for=a"b"', b'for="a"b', b"192.0.2.1", b"for=a b", b"for=a;for=b",
            b"=a", b'for="a\\"', b'"for"=a', b"for",
        ):  # fmt: skip
            self.assertRaises(EdgeFault, read_forwarded, value)
            self.assertRaises(EdgeFault, read_forwarded, value + b", for=192.0.2.1")

    @given(st.binary(max_size=60))
    def test_any_bytes(self, value: bytes) -> None:
        """Whatever comes is read or refused, and what a proxy appends to what can be read is the last element."""
        try:
            elements = read_forwarded(value)
        except EdgeFault:
            return
        self.assertEqual([*elements, Element(b"192.0.2.1")], read_forwarded(value + b", for=192.0.2.1"))

    def test_time(self) -> None:
        """A field made to be read slowly is read as fast as any."""
        began = time.process_time()
        for unit in (b" ", b'"\\', b'\\"', b"\t,", b"a", b"a=", b";;", b'a="'):
            for value in (unit * 8192, b"for=" + unit * 8192, b'for="' + unit * 8192):
                try:
                    read_forwarded(value)
                except EdgeFault:
                    pass
        self.assertLess(time.process_time() - began, 1.0)
