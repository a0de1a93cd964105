"""Consul's answers, read."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.consul import endpoints_in, next_index, question
from hmsgw.registry.source import BadAnswer

#: As Consul 1.x writes it, shortened.
ENTRY: dict[str, Any] = {
    "Node": {"ID": "40e4", "Node": "foobar", "Address": "10.1.10.12", "Datacenter": "dc1"},
    "Service": {
        "ID": "redis-1", "Service": "redis", "Tags": ["primary"], "Address": "10.1.10.13", "Port": 8000,
        "Meta": {"redis_version": "4.0"}, "Weights": {"Passing": 10, "Warning": 1},
    },
    "Checks": [{"Node": "foobar", "CheckID": "serfHealth", "Status": "passing"}],
}  # fmt: skip


def entry(node: Any = None, **service: Any) -> dict[str, Any]:
    return {**ENTRY, "Node": ENTRY["Node"] if node is None else node, "Service": {**ENTRY["Service"], **service}}


def read(*entries: Any) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    return endpoints_in(orjson.dumps(entries))


NAMES = st.sampled_from(["Service", "Node", "Address", "Port", "Weights", "Meta", "ID", "Passing"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=30,
)


class QuestionTests(SynchronousTestCase):
    def test_first(self) -> None:
        """The first question is answered at once: no index."""
        self.assertEqual(
            question("http://localhost:8500", "clinic-registry", 0),
            "http://localhost:8500/v1/health/service/clinic-registry?passing=1&stale",
        )

    def test_next(self) -> None:
        """The next ones wait for news, 5 s at most."""
        self.assertTrue(
            question("http://localhost:8500/consul/", "a", 7).startswith("http://localhost:8500/consul/v1/")
        )
        self.assertTrue(question("http://localhost:8500", "a", 7).endswith("&index=7&wait=5s"))

    def test_names_stay_names(self) -> None:
        """A service's name can't change what is asked."""
        url = question("http://localhost:8500", "a/../../kv/x?token=1#é", 0)
        self.assertIn("/v1/health/service/a%2F..%2F..%2Fkv%2Fx%3Ftoken%3D1%23%C3%A9?passing", url)


class IndexTests(SynchronousTestCase):
    def test_rules(self) -> None:
        """Forward is taken; backward begins anew; what would spin is 1."""
        for previous, header, wanted in (
            (0, "12", 12), (12, "12", 12), (12, "13", 13), (12, "11", 0), (12, "1", 0),
            (12, None, 1), (12, "", 1), (12, "0", 1), (12, "-3", 1), (12, "x", 1), (12, "1e9", 1), (12, "\u0663", 1),
            (0, "18446744073709551615", 18446744073709551615), (0, "9" * 5000, 1), (0, " 7 ", 7),
        ):  # fmt: skip
            self.assertEqual(next_index(previous, header), wanted, (previous, header))


class EndpointTests(SynchronousTestCase):
    def test_entry(self) -> None:
        """Address, port and weight of the service."""
        self.assertEqual(read(ENTRY), ((Endpoint("http", "10.1.10.13", 8000, 10),), ()))

    def test_address_of_the_node(self) -> None:
        """An instance without an address of its own is at its node's."""
        self.assertEqual(read(entry(Address=""))[0][0].host, "10.1.10.12")
        self.assertEqual(read(entry(Address=None))[0][0].host, "10.1.10.12")

    def test_forms(self) -> None:
        """IPv6 with and without brackets, names, https by `Meta.scheme`; null where Consul writes null."""
        self.assertEqual(read(entry(Address="2001:DB8::1"))[0][0].host, "2001:db8::1")
        self.assertEqual(read(entry(Address="[2001:db8::1]"))[0][0].authority, "[2001:db8::1]:8000")
        self.assertEqual(read(entry(Address="Ec2-1.Example.GOV"))[0][0].host, "ec2-1.example.gov")
        self.assertEqual(read(entry(Meta={"scheme": "https"}))[0][0].scheme, "https")
        self.assertEqual(read(entry(Meta=None, Tags=None, Weights=None))[0][0], Endpoint("http", "10.1.10.13", 8000, 1))

    def test_sorted_and_unique(self) -> None:
        """The same instances in another order are the same answer; one address counts once."""
        one, two = entry(Address="10.0.0.1"), entry(Address="10.0.0.2")
        self.assertEqual(read(one, two), read(two, one, two))

    def test_skipped(self) -> None:
        """An instance that can't be used is left out with its reason; the others are there."""
        for bad, words in (
            (entry(Port=0), "port"), (entry(Port=None), "port"), (entry(Port=70000), "port"),
            (entry(Port="80"), "port"),
            (entry(Port=True), "port"), (entry(Address="", node={}), "no address"),
            (entry(node=7, Address=""), "no address"),
            (entry(Address="10.0.0.1/evil"), "endpoint"), (entry(Address="a b"), "endpoint"),
            (entry(Address=7), "address"),
            (entry(Address="user@10.0.0.1"), "endpoint"), (entry(Address="fe80::1%eth0"), "endpoint"),
            (entry(Meta={"scheme": "gopher"}), "scheme"), (entry(Weights={"Passing": 0}), "weight"),
            (entry(Address="x\r\ny"), "endpoint"), (entry(Address="é.example"), "endpoint"),
            (entry(Address="::zz"), ""),
        ):  # fmt: skip
            endpoints, skipped = read(bad, ENTRY)
            self.assertEqual(endpoints, read(ENTRY)[0], bad)
            self.assertIn(words, skipped[0])
            self.assertIn("redis-1", skipped[0])

    def test_odd_weights(self) -> None:
        """A weight that is no number counts as 1; one without bound is bounded."""
        self.assertEqual(read(entry(Weights={"Passing": "many"}))[0][0].weight, 1)
        self.assertEqual(read(entry(Weights={"Passing": 10**9}))[0][0].weight, 65535)

    def test_unknown_service(self) -> None:
        """Consul answers an empty list for a service that it does not know."""
        self.assertEqual(read(), ((), ()))

    def test_garbage(self) -> None:
        """What is not a list of instances is refused as a whole."""
        for body in (
            b"", b"<html>", b"null", b"{}", b'"x"', b"[1]", b"[null]", b"[{}]", b'[{"Service": []}]', b"[[]]",
            b"[" * 100_000, b"\xff", b'[{"Service": {}', b"No cluster leader",
        ):  # fmt: skip
            self.assertRaises(BadAnswer, endpoints_in, body)

    @given(ANY_JSON)
    def test_any_json(self, answer: Any) -> None:
        """Any JSON at all is either endpoints or BadAnswer."""
        try:
            endpoints, _ = endpoints_in(orjson.dumps([answer, {"Service": answer}]))
        except BadAnswer:
            return
        for endpoint in endpoints:
            self.assertEqual(Endpoint.parse(f"{endpoint.scheme}://{endpoint.authority}").host, endpoint.host)
