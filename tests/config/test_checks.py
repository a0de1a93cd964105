"""What is wrong between keys: pairs, names, ports."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.arrange import faults_of, good


class ChecksCase(SynchronousTestCase):
    def one(self, source: str, place: str, words: str) -> None:
        faults = faults_of(source)
        self.assertEqual(len(faults), 1, faults)
        self.assertTrue(faults[0].startswith(place + ": "), faults[0])
        self.assertIn(words, faults[0])


class ListenerTests(ChecksCase):
    def test_names(self) -> None:
        """Two listeners have two names, even when one is the other's alias."""
        self.one("listeners:\n- port: 1\n- port: 2", "3:3", "called `public` in line 2")
        self.assertEqual(len(faults_of("listeners:\n- &a {port: 0}\n- *a")), 1)

    def test_ports(self) -> None:
        """Two sockets on one port and overlapping addresses can't both be bound."""
        two = "listeners:\n- {{name: a, port: 80, address: '{}'}}\n- {{name: b, port: {}, address: '{}'}}"
        for first, second in (("::", "::"), ("::", "127.0.0.1"), ("10.0.0.1", "0.0.0.0"), ("1.2.3.4", "1.2.3.4")):
            self.one(two.format(first, 80, second), "3:3", "is taken by `a` in line 2")
        for first, port, second in (("127.0.0.1", 80, "127.0.0.2"), ("::1", 80, "0.0.0.0"), ("::", 81, "::")):
            good(two.format(first, port, second))

    def test_free_ports(self) -> None:
        """Port 0 is another one each time."""
        good("listeners: [{name: a, port: 0}, {name: b, port: 0}]\nadmin: {port: 0}")

    def test_admin(self) -> None:
        """The admin port is a port too, given or not."""
        self.one("listeners:\n- port: 9180", "2:3", "is the admin port")
        self.one("listeners:\n- port: 1\nadmin:\n  port: 1", "4:3", "is taken by `public` in line 2")

    def test_none(self) -> None:
        """`listeners:` with none in it would serve nobody."""
        self.one("listeners: []", "1:12", "empty")

    def test_protocols(self) -> None:
        """http/1.1 is what this version serves."""
        good("listeners: [{protocols: [http/1.1]}, {name: other, port: 1, protocols: [h2]}]")
        self.one("listeners: [{protocols: []}]", "1:25", "empty")
        self.one("listeners: [{protocols: h3}]", "1:25", "h2 or http/1.1")


class ProxyTests(ChecksCase):
    def test_together(self) -> None:
        """A header is taken from somebody, and named networks send one."""
        self.one("listeners: [{proxy_protocol: required}]", "1:30", "`proxy_from` is missing")
        self.one("listeners: [{proxy_protocol: required, proxy_from: []}]", "1:30", "`proxy_from` is missing")
        self.one("listeners: [{proxy_from: [10.0.0.0/8]}]", "1:26", "write `proxy_protocol: required`")
        self.one("listeners: [{proxy_protocol: off, proxy_from: 10.0.0.1}]", "1:47", "write `proxy_protocol: required`")
        good("listeners: [{proxy_protocol: required, proxy_from: 10.0.0.1}, {name: b, port: 1, proxy_protocol: false}]")

    def test_out(self) -> None:
        """A connection that many clients share can't begin with one's name."""
        for protocol, scheme in (("h2", "https"), ("h2c", "http")):
            service = f"{{endpoints: ['{scheme}://a:1'], protocol: {protocol}, proxy_protocol: v2}}"
            (fault,) = faults_of(f"services: {{a: {service}}}")
            self.assertIn("serves many clients", fault)
        good("services: {a: {proxy_protocol: v2}, b: {proxy_protocol: off, protocol: h2}}")


class ClientAuthTests(ChecksCase):
    def test_together(self) -> None:
        """Whoever is asked is asked for a certificate of somebody; an authority that nobody needs is a slip."""
        for word in ("optional", "required"):
            self.one(f"listeners: [{{tls: {{client_auth: {word}}}}}]", "1:33", "`client_ca` is missing")
        self.one("listeners: [{tls: {client_ca: a.pem}}]", "1:31", "nobody is asked for a certificate")


class SectionTests(ChecksCase):
    def test_registry(self) -> None:
        """Each kind has its keys, and no others are silently unused."""
        self.one("registry: {kind: file}", "1:11", "`path` is missing")
        self.one("registry: {path: a.yaml}", "1:18", "belongs to `kind: file`")
        self.one("registry: {kind: none, url: 'http://a'}", "1:29", "belongs to `kind: consul`")
        self.assertEqual(good("registry: {kind: file, path: s.yaml}").registry.path, "/srv/gateway/s.yaml")

    def test_log(self) -> None:
        """A path is relative to the file, wherever the gateway was started."""
        self.assertEqual(good("log: {access: a.log}").log.access, "/srv/gateway/a.log")
        self.assertEqual(good("log: {access: stdout}").log.access, "stdout")
        self.one("log: {access: ''}", "1:15", "stdout")

    def test_protocol(self) -> None:
        """h2 is over TLS and h2c is not: an endpoint says which it is."""
        for protocol, url, sound in (("h2", "https://a", True), ("h2", "http://a", False), ("h2c", "http://a", True),
                                    ("h2c", "https://a", False), ("auto", "https://a", True)):  # fmt: skip
            faults = faults_of(f"services: {{a: {{protocol: {protocol}, endpoints: ['{url}']}}}}")
            self.assertEqual(sound, not faults, faults)
        self.assertIn("every endpoint begins with https://", faults_of("services: {a: {protocol: h2, endpoints: ['http://a']}}")[0])

    def test_service(self) -> None:
        """An endpoint stands once; a certificate needs its key and the other way round."""
        self.one("services: {a: {endpoints: ['http://b', 'http://B:80/']}}", "1:27", "http://b stands here twice")
        self.one("services: {a: {tls: {certificate: a.pem}}}", "1:35", "`key` is missing")
        self.one("services: {a: {tls: {key: a.pem}}}", "1:27", "`certificate` is missing")
