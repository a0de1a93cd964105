"""The request as plugins see it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Route
from tests.walks.walk import Walk

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Looking:
    """A chain of one step, which is given the request."""

    has_response_steps = False
    answers = False

    def __init__(self, step: Any) -> None:
        self._step = step

    def run(self, req: Any) -> Any:
        self._step(req)
        return None

    def respond(self, req: Any, resp: Any) -> Any:
        return None


class RequestTests(SynchronousTestCase):
    """`Request`, in a whole walk."""

    def through(
        self, step: Any, head: bytes = b"GET /a/7?q=1 HTTP/1.1\r\nHost: A.test:8080\r\nX-Old: o\r\n\r\n"
    ) -> Walk:
        walk = Walk(Looking(step), routes=[Route(path="/a/{id}", service="svc", name="one")])
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
        """A path, query or method that can't be sent is the plugin's fault, and never reaches the upstream."""
        for name, value in (
            ("query", "a b"),
            ("query", "a\r\nX: y"),
            ("method", "GET /x"),
            ("path", "/../x"),
            ("path", "/a b"),
        ):
            walk = self.through(lambda req, name=name, value=value: setattr(req, name, value))
            self.assertIn(b"plugin-error", walk.client_sees(), (name, value))
            self.assertEqual([b""], [wire.take() for wire in walk.upstreams])

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
