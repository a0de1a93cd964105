"""Endpoints: read, written, and what is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint

_HOSTS = (
    st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str)
    | st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True)
)


class EndpointTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Scheme, host and port; the port is the scheme's own when there is none."""
        self.assertEqual(Endpoint.parse("http://10.0.5.9:8080"), Endpoint("http", "10.0.5.9", 8080))
        self.assertEqual(Endpoint.parse("https://API.example.gov/"), Endpoint("https", "api.example.gov", 443))
        self.assertEqual(Endpoint.parse("http://[2001:DB8::0]:81"), Endpoint("http", "2001:db8::", 81))
        self.assertEqual(Endpoint.parse("http://my_service").weight, 1)

    def test_authority(self) -> None:
        """IPv6 in brackets, the scheme's own port left out."""
        self.assertEqual(Endpoint("http", "::1", 8080).authority, "[::1]:8080")
        self.assertEqual(Endpoint("https", "a", 443).authority, "a")
        self.assertEqual(Endpoint("https", "a", 80).authority, "a:80")

    def test_none(self) -> None:
        """Anything that two readers could understand differently is no endpoint."""
        for url in (
            "", "10.0.5.9:8080", "ftp://a", "http://", "http://a/path", "http://a?q", "http://a#f", "http://u:p@a",
            "http://a:0", "http://a:65536", "http://a:", "http://a:8x", "http://a b", "http://[::1", "http://[1.2.3]",
            "http://1.2.3", "http://1.2.3.256", "http://01.2.3.4", "http://0x7f000001", "http://2130706433", "http://a..b",
            "http://-a", "http://a\n", "HTTP://a", "http://" + "a" * 64, "http://.", "http://1..2.3",
            "http://a.0x7f", "http://1.2.3.4.",
        ):  # fmt: skip
            self.assertRaises(ValueError, Endpoint.parse, url)

    @given(st.sampled_from(["http", "https"]), _HOSTS, st.integers(1, 65535))
    def test_round_trip(self, scheme: str, host: str, port: int) -> None:
        """What is written is read as what it was."""
        endpoint = Endpoint(scheme, host, port)
        self.assertEqual(Endpoint.parse(f"{scheme}://{endpoint.authority}"), endpoint)

    @given(st.text(max_size=40))
    def test_any_text(self, text: str) -> None:
        """Nothing but a ValueError comes of a text that is no endpoint."""
        try:
            Endpoint.parse(text)
        except ValueError:
            pass
        else:
            self.assertTrue(text.startswith("http"))
