"""What is wrong with streams: the listener, the names, and what can't be meant."""

from __future__ import annotations

from tests.config.arrange import good
from tests.config.test_checks import ChecksCase

LISTENERS = "listeners: [{name: a, port: 1, tls: off}, {name: b, port: 2}]\n"


class StreamTests(ChecksCase):
    def test_good(self) -> None:
        """Names are patterns as of hosts; without any, a stream takes what is left."""
        first, second = good(
            LISTENERS + 'streams: [{listener: a, sni: ["*.Mainframe.gov", x.gov, x.gov], service: cics}, {listener: a, service: raw}]'
        ).streams
        self.assertEqual((("*.mainframe.gov", "x.gov"), "a/*.mainframe.gov/x.gov"), (first.sni, first.name))
        self.assertEqual(((), "a", 3600.0, ()), (second.sni, second.name, second.idle, second.plugins))
        self.assertIsNone(good(LISTENERS + "streams: [{listener: a, service: c, idle: off}]").streams[0].idle)

    def test_listener(self) -> None:
        """It has to be there, plain, and without keys of HTTP."""
        self.one(LISTENERS + "streams: [{listener: c, service: x}]", "2:22", "no listener is called `c`; there are a, b")
        self.one("streams: [{listener: public, service: x}]", "1:22", "the one on --port serves HTTP")
        self.one(LISTENERS + "streams: [{listener: b, service: x}]", "1:43", "write `tls: off`")
        trusting = "listeners: [{name: a, port: 1, tls: off, trusted_proxies: 10.0.0.0/8}]\nstreams: [{listener: a, service: x}]"
        self.one(trusting, "1:13", "leave `trusted_proxies` out")

    def test_twins(self) -> None:
        """No two streams of a listener for one name, or for all the rest."""
        one = "{listener: a, sni: x.gov, service: x}"
        self.one(f"{LISTENERS}streams:\n- {one}\n- {{listener: a, sni: [y.gov, X.gov], service: y}}", "4:22", "line 3 of this listener takes x.gov")
        self.one(f"{LISTENERS}streams:\n- {{listener: a, service: x}}\n- {{listener: a, service: y}}", "4:3", "all that no other does")
        self.one(f"{LISTENERS}streams:\n- {{listener: a, service: x, name: n}}\n- {{listener: a, sni: a.b, service: y, name: n}}", "4:3", "the name `n`")
        good(f"{LISTENERS}streams: [{one}, {{listener: a, sni: '*.gov', service: y}}, {{listener: a, service: z}}]")

    def test_form(self) -> None:
        """Keys that are missing, and names that no client sends."""
        self.one(LISTENERS + "streams: [{listener: a}]", "2:11", "`service` is missing")
        self.one(LISTENERS + "streams: [{listener: a, service: x, sni: 10.0.0.1}]", "2:42", "clients send only names")
        self.one(LISTENERS + "streams: [{listener: a, service: x, sni: 'a b'}]", "2:42", "is no host name")
        self.one(LISTENERS + "streams: [{listener: a, service: x, sni: []}]", "2:42", "empty")

    def test_endpoints(self) -> None:
        """A stream has no TLS of ours towards its service."""
        services = "services: {x: {endpoints: ['https://a:1']}, y: {endpoints: ['http://a:1']}}\n"
        good(LISTENERS + services + "streams: [{listener: a, service: y}]")
        self.one(LISTENERS + services + "streams: [{listener: a, service: x}]", "3:34", "write http://")

    def test_no_way_in(self) -> None:
        """Routes that no listener is left for."""
        only = "listeners: [{name: a, port: 1, tls: off}]\nstreams: [{listener: a, service: x}]\n"
        good(only)
        self.one(only + "routes: [{path: /, service: x}]", "3:10", "no request could reach a route")
        good(LISTENERS + "streams: [{listener: a, service: x}]\nroutes: [{path: /, service: x}]")
