"""What a proxy must change in a request head before it goes on."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.proxy.forwarding import client_fields, managed_lines
from hmsgw.wire.fieldnames import MANAGED
from hmsgw.wire.forwarded import Element, read_forwarded
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import RequestHead


def head_of(*fields: tuple[str, str], connection: tuple[bytes, ...] = ()) -> RequestHead:
    head = RequestHead()
    head.method, head.target, head.strip = b"GET", b"/", True
    made: list[Field] = [(name.lower().encode(), name.encode(), value.encode()) for name, value in fields]
    head.fields, head.connection = tuple(made), frozenset(connection)
    return head


class FieldTests(SynchronousTestCase):
    """`client_fields`."""

    def test_forged(self) -> None:
        """Nothing that only the gateway may say comes from a client, in either spelling."""
        forged = [(name.decode(), "forged") for name in sorted(MANAGED)]
        forged += [(name.replace("-", "_"), value) for name, value in forged if "-" in name]
        fields = client_fields(head_of(*forged, ("Accept", "*/*")))
        self.assertEqual([b"accept"], [field[0] for field in fields])

    def test_hop_by_hop(self) -> None:
        """Fields of the hop and those that Connection nominates stay here."""
        head = head_of(
            ("Connection", "x-mine"), ("X-Mine", "1"), ("Upgrade", "h2c"), ("TE", "trailers"), ("Keep-Alive", "5"),
            ("Proxy-Authorization", "x"), ("Accept", "a"), connection=(b"x-mine",),
        )  # fmt: skip
        self.assertEqual([b"accept"], [field[0] for field in client_fields(head)])

    def test_never_nominated(self) -> None:
        """`Connection: authorization` does not take the credentials from a request that was let in by them."""
        head = head_of(("Authorization", "Bearer x"), ("Cookie", "a=b"), connection=(b"authorization", b"cookie"))
        self.assertEqual([b"authorization", b"cookie"], [field[0] for field in client_fields(head)])

    def test_once(self) -> None:
        """What was found out is kept with the head."""
        head = head_of(("Accept", "a"))
        self.assertIs(client_fields(head), client_fields(head))


class LineTests(SynchronousTestCase):
    """`managed_lines`."""

    def test_lines(self) -> None:
        """Each field once, IPv6 and ports quoted as RFC 7239 section 4 wants."""
        lines = managed_lines("2001:db8::1", "https", b"a.test:8443", b"192.0.2.1", b"1.1")
        self.assertEqual(
            b"X-Forwarded-For: 192.0.2.1, 2001:db8::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test:8443\r\n"
            b'Forwarded: for="[2001:db8::1]";host="a.test:8443";proto=https\r\nVia: 1.1 hmsgw\r\n',
            lines,
        )
        lines = managed_lines("192.0.2.9", "https", b"", b"192.0.2.1", b"1.1", b"for=192.0.2.1;proto=http")
        self.assertIn(b"\r\nForwarded: for=192.0.2.1;proto=http, for=192.0.2.9;proto=https\r\n", lines)

    def test_host_that_would_be_an_element(self) -> None:
        """A host may hold what separates elements (RFC 3986 section 3.2.2): in quotes it stays one, and nothing else."""
        for host in (b"h,for=6.6.6.6", b"h;proto=https;for=6.6.6.6", b"a=b", b"(c)"):
            lines = managed_lines("192.0.2.9", "http", host, b"", b"1.1")
            value = lines.partition(b"\r\nForwarded: ")[2].partition(b"\r\n")[0]
            self.assertEqual([Element(b"192.0.2.9", b"http", host)], read_forwarded(value))
        self.assertIn(b";host=a.test;", managed_lines("192.0.2.9", "http", b"a.test", b"", b"1.1"))
