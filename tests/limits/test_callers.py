"""Whose counter a request belongs to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.callers import caller


def request(host: str = "203.0.113.9", **rest: Any) -> SimpleNamespace:
    values: dict[str, Any] = {"user": None, "claims": None, "api_key": None, "route": "/x", **rest}
    return SimpleNamespace(client=SimpleNamespace(host=host), **values)


class CallerTests(SynchronousTestCase):
    def test_ipv6_by_prefix(self) -> None:
        """Addresses of one /64 are one caller, those of two are two, however they are spelled."""
        of = caller(("ip",), 64)
        self.assertEqual(of(request("2001:db8:0:1::1")), of(request("2001:0DB8::1:ffff:0:0:2")))
        self.assertNotEqual(of(request("2001:db8:0:1::1")), of(request("2001:db8:0:2::1")))

    def test_odd_prefix(self) -> None:
        """A prefix that ends within a byte is cut there."""
        of = caller(("ip",), 57)
        self.assertEqual(of(request("2001:db8:0:0::1")), of(request("2001:db8:0:7f::1")))
        self.assertNotEqual(of(request("2001:db8:0:0::1")), of(request("2001:db8:0:80::1")))

    def test_ipv4_is_whole(self) -> None:
        """Each IPv4 address is a caller."""
        of = caller(("ip",), 64)
        self.assertNotEqual(of(request("203.0.113.9")), of(request("203.0.113.10")))

    def test_user_is_issuer_and_subject(self) -> None:
        """The same subject of two issuers is two users."""
        of = caller(("user",), 64)
        first = request(user="alice", claims={"iss": "https://a", "sub": "alice"})
        second = request(user="alice", claims={"iss": "https://b", "sub": "alice"})
        self.assertNotEqual(of(first), of(second))
        self.assertEqual(of(first), of(request("198.51.100.1", user="alice", claims={"iss": "https://a"})))

    def test_user_and_address_never_meet(self) -> None:
        """A user who is called like an address shares no counter with it."""
        of = caller(("user",), 64)
        packed = caller(("ip",), 64)(request("2001:db8::1"))
        self.assertNotEqual(of(request(user="203.0.113.9")), of(request("203.0.113.9")))
        self.assertNotEqual(of(request(user=packed)), of(request("2001:db8::1")))

    def test_api_key_else_address(self) -> None:
        """A recognised key is a caller; without one the address is, and a header alone is no key."""
        of = caller(("key",), 64)
        self.assertEqual(of(request()), "203.0.113.9")
        self.assertNotEqual(of(request(api_key="k1")), of(request(api_key="k2")))
        self.assertNotIn("k1", repr(of(request(api_key="k1"))))

    def test_route_and_all(self) -> None:
        """`route` is one caller a route, `all` is one altogether."""
        self.assertNotEqual(caller(("route",), 64)(request(route="/a")), caller(("route",), 64)(request(route="/b")))
        self.assertEqual(caller(("all",), 64)(request("192.0.2.1")), caller(("all",), 64)(request("192.0.2.2")))

    def test_together(self) -> None:
        """Several words are told apart by each of them."""
        of = caller(("ip", "route"), 64)
        keys = {of(request(host, route=route)) for host in ("192.0.2.1", "192.0.2.2") for route in ("/a", "/b")}
        self.assertEqual(len(keys), 4)

    def test_long_values_are_short_keys(self) -> None:
        """What a client can make long does not fill the memory with its length."""
        of = caller(("user",), 64)
        long = of(request(user="x" * 10_000, claims={"iss": "y" * 10_000}))
        self.assertLess(len(repr(long)), 400)
        self.assertNotEqual(long, of(request(user="x" * 10_001, claims={"iss": "y" * 10_000})))

    def test_garbage_is_a_caller_too(self) -> None:
        """A host that is no address is counted, and nothing raises."""
        self.assertEqual(caller(("ip",), 64)(request(":::")), caller(("ip",), 64)(request(":::")))
        self.assertIsNotNone(caller(("user",), 64)(request(user={"a": ["list"]}, claims={"iss": 5})))
        self.assertIsNotNone(caller(("user",), 64)(request(user="\ud800" * 100)))
