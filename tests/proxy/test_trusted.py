"""Whom to believe about who the client is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.proxy.trusted import TrustedProxies, canonical_host, trusted_claims
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.target import AUTHORITY
from tests.proxy.test_forwarding import head_of


class ClaimTests(SynchronousTestCase):
    """`trusted_claims`: whom to believe about the client."""

    trusted = TrustedProxies(("10.0.0.0/8", "fd00::/8"))

    def host(self, *fields: tuple[str, str]) -> str | None:
        return trusted_claims(head_of(*fields), self.trusted).host

    def test_right_to_left(self) -> None:
        """The client is the last address that is not a trusted proxy's: what stands left of it may be forged."""
        self.assertEqual("192.0.2.1", self.host(("X-Forwarded-For", "1.1.1.1, 192.0.2.1, 10.0.0.9")))
        self.assertEqual(
            "192.0.2.1", self.host(("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "192.0.2.1,10.1.1.1"))
        )

    def test_all_trusted(self) -> None:
        """A chain of trusted proxies only: the first of them asked."""
        self.assertEqual("10.0.0.1", self.host(("X-Forwarded-For", "10.0.0.1, 10.0.0.2")))

    def test_garbage_ends_the_walk(self) -> None:
        """What is no address is believed by nobody, nor is what stands left of it."""
        self.assertEqual("10.0.0.2", self.host(("X-Forwarded-For", "192.0.2.1, unknown, 10.0.0.2")))
        self.assertIsNone(self.host(("X-Forwarded-For", "nonsense")))

    def test_forms(self) -> None:
        """Ports, brackets and mapped addresses are spellings of one address."""
        for spelled, expected in (
            ("192.0.2.1:443", "192.0.2.1"), ("[2001:db8::1]:443", "2001:db8::1"), ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ):  # fmt: skip
            self.assertEqual(expected, self.host(("X-Forwarded-For", spelled)), spelled)

    def test_forwarded(self) -> None:
        """RFC 7239 is read right to left too; scheme and host are those of the client's own element."""
        claims = trusted_claims(head_of(("Forwarded", 'for="[2001:db8::7]";proto=https;host=a.test')), self.trusted)
        self.assertEqual(("2001:db8::7", "https", b"a.test"), (claims.host, claims.proto, claims.server_name))
        claims = trusted_claims(
            head_of(
                ("Forwarded", "for=6.6.6.6;proto=http;host=forged.test"),
                ("Forwarded", "for=192.0.2.1;proto=https, for=10.0.0.1;host=in.test"),
            ),
            self.trusted,
        )
        self.assertEqual(("192.0.2.1", "https", b"in.test"), (claims.host, claims.proto, claims.server_name))
        claims = trusted_claims(head_of(("Forwarded", "for=6.6.6.6;proto=https, for=192.0.2.1")), self.trusted)
        self.assertEqual(("192.0.2.1", None), (claims.host, claims.proto))
        self.assertIsNone(self.host(("Forwarded", "for=6.6.6.6, proto=https")))
        self.assertIsNone(self.host(("Forwarded", "for=6.6.6.6, for=_hidden")))

    def test_both_chains(self) -> None:
        """Where both came they have to name the same client: a proxy that writes one hands on a forged other."""
        for xff, forwarded in (
            ("192.0.2.1", "for=192.0.2.1"), ("6.6.6.6, 192.0.2.1, 10.0.0.1", 'for="192.0.2.1:80"'),
            ("2001:db8::1", 'for="[2001:DB8::1]"'), ("192.0.2.1", "proto=https"), ("nonsense", "for=unknown"),
        ):  # fmt: skip
            self.host(("X-Forwarded-For", xff), ("Forwarded", forwarded))
        for xff, forwarded in (
            ("6.6.6.6", "for=8.8.8.8"), ("8.8.8.8", "for=6.6.6.6"), ("6.6.6.6", "for=unknown"),
            ("6.6.6.6", "for=6.6.6.6, proto=https"), ("6.6.6.6, 192.0.2.1", "for=192.0.2.1, for=6.6.6.6"),
            ("192.0.2.1", 'for="'),
        ):  # fmt: skip
            with self.assertRaises(EdgeFault, msg=(xff, forwarded)):
                self.host(("X-Forwarded-For", xff), ("Forwarded", forwarded))

    def test_chains_go_on(self) -> None:
        """Each chain is passed on as it came; one that did not come is made of the other."""
        for given_fields, xff, forwarded in (
            (
                (("Forwarded", 'for=6.6.6.6, for="[2001:db8::1]:99";host=a'), ("Forwarded", "for=10.0.0.1")),
                b"6.6.6.6, 2001:db8::1, 10.0.0.1",
                b'for=6.6.6.6, for="[2001:db8::1]:99";host=a, for=10.0.0.1',
            ),
            ((("Forwarded", 'for="a, b", for=10.0.0.1'),), b"unknown, 10.0.0.1", b'for="a, b", for=10.0.0.1'),
            (
                (("X-Forwarded-For", "x;y, 192.0.2.1:80, 2001:db8::1, ::ffff:10.0.0.1"),),
                b"x;y, 192.0.2.1:80, 2001:db8::1, ::ffff:10.0.0.1",
                b'for=unknown, for=192.0.2.1, for="[2001:db8::1]", for=10.0.0.1',
            ),
            (
                (("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1;proto=https")),
                b"192.0.2.1",
                b"for=192.0.2.1;proto=https",
            ),
            ((("X-Forwarded-For", ""), ("Forwarded", " , ")), b"", b""),
        ):
            claims = trusted_claims(head_of(*given_fields), self.trusted)
            self.assertEqual((xff, forwarded), (claims.forwarded_for, claims.forwarded))

    def test_scheme(self) -> None:
        """The last word counts, on one line as on two; what is no scheme is no word."""
        for values, expected in (
            (["http, https"], "https"), (["http", "https"], "https"), (["https,HTTP"], "http"), (["https, ws"], None),
            (["https", "ws"], None), (["https"], "https"),
        ):  # fmt: skip
            claims = trusted_claims(head_of(*(("X-Forwarded-Proto", value) for value in values)), self.trusted)
            self.assertEqual(expected, claims.proto, values)

    @given(st.lists(st.binary(max_size=30), max_size=4), st.sampled_from(["X-Forwarded-For", "Forwarded"]))
    def test_any_bytes(self, values: list[bytes], name: str) -> None:
        """Whatever stands there, a host that is believed is an address in its one spelling."""
        head = head_of()
        head.fields = tuple((name.lower().encode(), name.encode(), value) for value in values)
        try:
            host = trusted_claims(head, self.trusted).host
        except EdgeFault:
            return
        if host is not None:
            self.assertEqual(host, canonical_host(host))

    @given(st.binary(max_size=30))
    def test_any_name(self, name: bytes) -> None:
        """A host that is believed could have stood in Host."""
        for field, value in ((b"x-forwarded-host", name), (b"forwarded", b"for=192.0.2.1;host=" + name)):
            head = head_of()
            head.fields = ((field, field, value),)
            try:
                found = trusted_claims(head, self.trusted).server_name
            except EdgeFault:
                continue
            if found is not None:
                self.assertIsNotNone(AUTHORITY.fullmatch(found))

    def test_trust(self) -> None:
        """Networks of either family; what is no address is trusted by nobody."""
        for host, expected in (("10.9.9.9", True), ("11.0.0.1", False), ("fd00::1", True), ("x", False)):
            self.assertEqual(expected, host in self.trusted, host)
        self.assertNotIn("10.0.0.1", TrustedProxies(()))

    def test_mapped_network(self) -> None:
        """A network of IPv4-mapped addresses is the IPv4 network."""
        trusted = TrustedProxies(("::ffff:127.0.0.0/104",))
        self.assertEqual((True, False), ("127.1.2.3" in trusted, "128.0.0.1" in trusted))
