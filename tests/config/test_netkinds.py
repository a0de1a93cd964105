"""Addresses, networks, hosts, URLs: one spelling each, and what is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hmsgw.config.kinds import Address, Cidr, HostPattern, RoutePath, Url
from hmsgw.config.netkinds import network, overlap
from tests.config.test_kinds import KindCase


class AddressTests(KindCase):
    def test_addresses(self) -> None:
        """IP addresses in their shortest form; names are not looked up."""
        self.takes(Address(), {"'::'": "::", "127.0.0.1": "127.0.0.1", "2001:DB8:0::1": "2001:db8::1"})
        self.refuses(Address(), "localhost", words="127.0.0.1 or ::1")
        self.refuses(Address(), "1.2.3", "1.2.3.4/8", "'[::1]'", "8080", "'*'")


class CidrTests(KindCase):
    def test_network(self) -> None:
        """A network of IPv4-mapped addresses is the IPv4 network, to whoever asks."""
        for text, expected in (("::ffff:127.0.0.0/104", "127.0.0.0/8"), ("::ffff:10.1.2.3", "10.1.2.3/32"),
                               ("10.0.0.0/8", "10.0.0.0/8"), ("fd00::/8", "fd00::/8"), ("::/0", "::/0")):  # fmt: skip
            self.assertEqual(str(network(text)), expected)

    def test_overlap(self) -> None:
        """Which addresses can't both be listened on with one port."""
        for one, other, expected in (("::", "127.0.0.1", True), ("0.0.0.0", "127.0.0.1", True), ("::1", "::", True),
                                     ("::1", "127.0.0.1", False), ("127.0.0.1", "127.0.0.2", False),
                                     ("0.0.0.0", "::1", False)):  # fmt: skip
            self.assertEqual((overlap(one, other), overlap(other, one)), (expected, expected), (one, other))

    def test_networks(self) -> None:
        """A network, or one address."""
        self.takes(Cidr(), {"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "FD00::/8": "fd00::/8"})

    def test_bits_outside(self) -> None:
        """10.0.0.1/8 is a slip, and the message says of what."""
        self.refuses(Cidr(), "10.0.0.1/8", words="10.0.0.0/8")
        self.refuses(Cidr(), "10.0.0.0/33", "example.gov", "'*'", "''", "10.0.0.0/255.0.0.1")


class HostTests(KindCase):
    def test_hosts(self) -> None:
        """Lower-case, IDNA, without a dot at the end, IPv6 as requests are compared: without brackets."""
        self.takes(HostPattern(), {
            "API.cdc.gov": "api.cdc.gov", "'*.Example.gov'": "*.example.gov", "bücher.example": "xn--bcher-kva.example",
            "a.gov.": "a.gov", "10.0.0.1": "10.0.0.1", "'[2001:DB8::1]'": "2001:db8::1", "my_host": "my_host",
        })  # fmt: skip

    def test_refused(self) -> None:
        """A wildcard is the whole first label; no scheme, no port, no path."""
        self.refuses(HostPattern(), "'*'", "'a.*.gov'", "'*a.gov'", "'*.*.gov'", words="first label")
        self.refuses(HostPattern(), "a.gov:443", "https://a.gov", "'::1'", words="port")
        self.refuses(
            HostPattern(), "a/b", "a b", "''", "-a.gov", "a..gov", "1.2.3", "'[1]'", "'*.'", "☃️" * 300, "'*.1.2.3'"
        )

    @given(st.from_regex(r"[A-Za-z0-9.*\[\]:-]{1,20}", fullmatch=True))
    def test_once_is_enough(self, text: str) -> None:
        """A spelled host is spelled the same again."""
        try:
            host = HostPattern().of_text(text)
        except ValueError:
            return
        again = f"[{host}]" if ":" in host else host
        self.assertEqual(HostPattern().of_text(again), host)


class UrlTests(KindCase):
    def test_urls(self) -> None:
        """A URL of one of the schemes."""
        self.takes(
            Url("http", "https"), {"http://localhost:8500": "http://localhost:8500", "https://a/b?c": "https://a/b?c"}
        )

    def test_refused(self) -> None:
        """Other schemes, no host, credentials, fragments, control characters."""
        self.refuses(Url("http"), "https://a", "a", "http://", "http:///a", "//a", "http://a:99999", '"http://a\\nb"',
                     "http://[::1", "http://a:0/")  # fmt: skip
        self.refuses(Url("http"), "http://user:secret@a", words="user name")
        self.refuses(Url("http"), "'http://a#b'", words="fragment")

    def test_bare(self) -> None:
        """An endpoint in its one spelling."""
        bare = Url("http", "https", bare=True)
        self.takes(bare, {"http://A:80/": "http://a", "https://[::1]:8443": "https://[::1]:8443"})
        self.refuses(bare, "http://a/b", "http://u@a", "tcp://a:1")


class PathTests(KindCase):
    def test_paths(self) -> None:
        """As `hmsgw.config.paths` reads them."""
        self.takes(RoutePath(), {"/clinics/*": "/clinics/*", "'/a/{id}'": "/a/{id}"})
        self.refuses(RoutePath(), "clinics", words="begin with `/`")
