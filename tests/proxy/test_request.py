"""The request as plugins see it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Route
from tests.walks.walk import Walk, chain_of

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class RequestTests(SynchronousTestCase):
    """`Request`, in a whole walk."""

    def through(
        self, step: Any, head: bytes = b"GET /a/7?q=1 HTTP/1.1\r\nHost: A.test:8080\r\nX-Old: o\r\n\r\n"
    ) -> Walk:
        walk = Walk(chain_of(step), routes=[Route(path="/a/{id}", service="svc", name="one")])
        walk.client_sends(head)
        return walk

    def test_reading(self) -> None:
        """Everything that the contract names is there, in its one spelling."""
        seen: list[Any] = []

        def step(req: Any) -> None:
            seen.extend([req.method, req.path, req.query, req.host, req.scheme, req.protocol, req.route, req.service])
            seen.extend([req.params, req.client.host, req.user, req.claims, req.headers["x-old"], len(req.id)])

        self.through(step)
        self.assertEqual(
            ["GET", "/a/7", "q=1", "a.test", "http", "http/1.1", "one", "svc", {"id": "7"}, "192.0.2.7", None, None,
             "o", 32],
            seen,
        )  # fmt: skip

    def test_writing(self) -> None:
        """What is written goes to the upstream: method, path, query, header fields."""

        def step(req: Any) -> None:
            req.method, req.path, req.query = "PUT", "/x/../%6fther", "z=2"
            req.headers["X-New"] = "n"
            del req.headers["X-Old"]

        line, fields, _ = self.through(step).upstream_head()
        self.assertEqual(b"PUT /other?z=2 HTTP/1.1", line)
        self.assertEqual([b"n"], fields[b"x-new"])
        self.assertNotIn(b"x-old", fields)

    def test_headers_at_once(self) -> None:
        """All of the header fields may be exchanged for others, each checked."""

        def step(req: Any) -> None:
            req.headers = {"X-Only": "1"}
            self.assertRaises(ValueError, setattr, req, "headers", {"X": "a\r\nb: c"})

        _, fields, _ = self.through(step).upstream_head()
        self.assertEqual([b"1"], fields[b"x-only"])
        self.assertNotIn(b"x-old", fields)

    def test_no_way_out_of_the_line(self) -> None:
        """What can't be sent, of whatever type, is refused in the plugin's own line and never reaches the upstream."""
        wrong: list[tuple[str, Any]] = [
            ("query", "a b"), ("query", "a\r\nX: y"), ("query", None), ("query", b"a"), ("query", "a#b"),
            ("method", "GET /x"), ("method", None), ("method", ""), ("method", 5), ("method", "CONNECT"),
            ("path", "/../x"), ("path", "/a b"), ("path", None), ("path", ""), ("path", "a"), ("path", "/a?x=1"),
            ("path", "/a#b"), ("path", "/\N{SNOWMAN}"), ("path", "/%2f"), ("path", b"/a"),
            ("fields", None), ("fields", "abc"), ("headers", None), ("state", None), ("state", 5),
        ]  # fmt: skip
        for name, value in wrong:
            walk = self.through(lambda req, name=name, value=value: setattr(req, name, value))
            self.assertIn(b"plugin-error", walk.client_sees(), (name, value))
            self.assertEqual([], walk.upstreams)
            failure = self.flushLoggedErrors()[0]
            self.assertIn("in <lambda>", failure.getTraceback(), (name, value))

    def test_fields_that_are_none(self) -> None:
        """What stands in `fields` is judged when it is sent: the answer is 500 plugin-error, and the next goes on."""
        for field in (None, (b"x",), (b"x", b"X", None), ("x", "X", "y"), (b"x", b"X", b"a\r\nY: b"), (b"x", b"X", b"\n")):
            walk = self.through(lambda req, field=field: setattr(req, "fields", [*req.fields, field]))
            self.assertIn(b"plugin-error", walk.client_sees(), field)
            self.assertEqual([b""], [wire.take() for wire in walk.upstreams])
            self.assertEqual(1, len(self.flushLoggedErrors()))
            self.assertIsNone(walk.client.closed)

    def test_read_only(self) -> None:
        """What the contract does not call writable can't be written, for this request or a later one."""
        seen: list[Any] = []

        def step(req: Any) -> None:
            seen.append((req.client.host, req.params))
            req.params["id"] = "other"
            for name in ("client", "host", "scheme", "protocol", "route", "service", "params", "id", "nonsense"):
                self.assertRaises(AttributeError, setattr, req, name, "x")
            for name in ("host", "port", "certificate"):
                self.assertRaises(AttributeError, setattr, req.client, name, "x")

        walk = self.through(step)
        walk.upstream_sends(_OK)
        walk.client_sends(b"GET /a/7 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual([("192.0.2.7", {"id": "7"})] * 2, seen)

    def test_who_asks(self) -> None:
        """Plugins that find out who asks say so."""

        def step(req: Any) -> None:
            req.user, req.claims, req.api_key = "ada", {"sub": "ada"}, "k"
            self.assertEqual(("ada", {"sub": "ada"}, "k"), (req.user, req.claims, req.api_key))

        self.assertIn(b"GET /a/7?q=1", self.through(step).upstream_sees())

    def test_later_steps_read_what_is_sent(self) -> None:
        """A written path is brought into its one spelling at once."""

        def step(req: Any) -> None:
            req.path = "/x//y/../%7ez"
            self.assertEqual("/x/~z", req.path)

        self.assertEqual(b"GET /x/~z?q=1 HTTP/1.1", self.through(step).upstream_head()[0])

    def test_host(self) -> None:
        """Host is read like any other field; another one is refused where it is written, and never lost in silence."""

        def step(req: Any) -> None:
            self.assertEqual(("a.test:8080", ["Host", "X-Old"]), (req.headers["Host"], list(req.headers)))
            req.headers = {name: value for name, value in req.headers.items() if name != "X-Old"}
            req.headers["HOST"] = "A.test:8080"
            self.assertEqual([("Host", "a.test:8080")], req.headers.items())
            req.headers = []
            self.assertEqual(["a.test:8080"], req.headers.get_all("host"))
            req.fields = [*req.fields, (b"x-new", b"X-New", b"n")]
            self.assertEqual(["a.test:8080"], req.headers.get_all("host"))
            for call in (req.headers.add, req.headers.__setitem__, lambda *field: setattr(req, "headers", [field])):
                self.assertRaises(ValueError, call, "host", "other")
            self.assertRaises(ValueError, req.headers.pop, "Host")
            self.assertRaises(ValueError, req.headers.__delitem__, "Host")

        _, fields, _ = self.through(step).upstream_head()
        self.assertEqual(([b"a.test:8080"], [b"n"]), (fields[b"host"], fields[b"x-new"]))

    def test_no_host(self) -> None:
        """A request of HTTP/1.0 may have none."""
        seen: list[Any] = []
        self.through(lambda req: seen.append(req.headers.get("host")), b"GET /a/7 HTTP/1.0\r\n\r\n")
        self.assertEqual([None], seen)

    def test_the_gateways_own(self) -> None:
        """What the gateway says of a request goes out once, whatever a plugin sets."""
        names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Request-Id", "traceparent")

        def step(req: Any) -> None:
            for name in names:
                req.headers[name] = "forged"
            req.headers["X-Real-IP"] = req.headers["x_own"] = "mine"

        _, fields, _ = self.through(step).upstream_head()
        for name in names:
            values = fields[name.lower().encode()]
            self.assertEqual((1, False), (len(values), b"forged" in values), name)
        self.assertEqual(([b"mine"], [b"mine"]), (fields[b"x-real-ip"], fields[b"x_own"]))

    def test_framing_is_not_a_plugins(self) -> None:
        """Fields that frame the message, or belong to the hop, are dropped from what plugins write."""

        def step(req: Any) -> None:
            req.headers["Content-Length"] = "5"
            req.headers["Transfer-Encoding"] = "chunked"
            req.headers["Connection"] = "close"

        _, fields, _ = self.through(step).upstream_head()
        for name in (b"content-length", b"transfer-encoding", b"connection"):
            self.assertNotIn(name, fields)

    def test_state(self) -> None:
        """A request's notes are its own."""
        notes: list[Any] = []

        def step(req: Any) -> None:
            req.state["n"] = len(notes)
            notes.append(req.state)

        walk = self.through(step)
        walk.upstream_sends(_OK)
        walk.client_sends(b"GET /a/8 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual([{"n": 0}, {"n": 1}], notes)
