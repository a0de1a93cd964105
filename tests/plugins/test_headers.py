"""headers: what is done to fields, in which order, and what may not be done."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.plugins.headers import Change, Headers, Settings, build, verify
from hmsgw.testing import FakeRequest, FakeResponse
from hmsgw.wire.headers import BAD_VALUE


def plugin(request: Change | None = None, response: Change | None = None) -> Any:
    settings = Settings(request=request or Change(), response=response or Change())
    verify(settings)
    return build(settings, None, None)  # type: ignore[arg-type]


def after(change: Change, req: FakeRequest) -> list[tuple[str, str]]:
    plugin(change).run(req)
    return [field for field in req.headers.items() if field[0] != "Host"]


class ChangeTests(SynchronousTestCase):
    def test_set(self) -> None:
        """`set` takes the place of every field of the name, in whatever case and number they came."""
        req = FakeRequest(headers=[("x-a", "1"), ("B", "2"), ("X-A", "3")])
        self.assertEqual(after(Change(set={"X-A": "new"}), req), [("B", "2"), ("X-A", "new")])

    def test_add(self) -> None:
        """`add` leaves what is there."""
        self.assertEqual(after(Change(add={"a": "2"}), FakeRequest(headers={"A": "1"})), [("A", "1"), ("a", "2")])

    def test_remove(self) -> None:
        """`remove` takes all of the name away."""
        req = FakeRequest(headers=[("X-A", "1"), ("x-a", "2"), ("B", "3")])
        self.assertEqual(after(Change(remove=("X-a",)), req), [("B", "3")])

    def test_default(self) -> None:
        """`default` is for requests that have none, and an empty one is one."""
        self.assertEqual(after(Change(default={"A": "d"}), FakeRequest()), [("A", "d")])
        self.assertEqual(after(Change(default={"A": "d"}), FakeRequest(headers={"a": ""})), [("a", "")])

    def test_order(self) -> None:
        """Remove, default, set, add: so removing and a default together mean a fixed value."""
        change = Change(remove=("A",), default={"A": "d"}, set={"B": "s"}, add={"B": "t"})
        self.assertEqual(after(change, FakeRequest(headers={"A": "1"})), [("A", "d"), ("B", "s"), ("B", "t")])

    def test_response(self) -> None:
        """The answer's fields are changed alike, and only the asked side has a step."""
        made, resp = plugin(response=Change(set={"X-For": "{client}"}, remove=("Server",))), FakeResponse()
        resp.headers.add("Server", "x")
        made.on_response(FakeRequest(), resp)
        self.assertEqual(resp.headers.items(), [("X-For", "192.0.2.1")])
        self.assertFalse(hasattr(made, "run"))


class PlaceholderTests(SynchronousTestCase):
    def value(self, text: str, **request: Any) -> str | None:
        req = FakeRequest(**request)
        plugin(Change(set={"X-A": text})).run(req)
        return req.headers.get("X-A")

    def test_each(self) -> None:
        """Each placeholder stands for its part of the request."""
        text = "{client} {host} {method} {request_id} {route} {scheme} {service} {user}"
        self.assertEqual(
            self.value(text, user="ann", id="i", route="r"), "192.0.2.1 api.example.gov GET i r https backend ann"
        )

    def test_braces(self) -> None:
        """Doubled braces are braces."""
        self.assertEqual(self.value('{{"user": "{user}"}}', user=5), '{"user": "5"}')
        self.assertEqual(self.value("{{}}"), "{}")

    def test_nobody(self) -> None:
        """Where there is no user the field is gone, and what the client sent does not stand in for it."""
        self.assertIsNone(self.value("{user}", headers={"X-A": "admin"}))

    def test_unsendable(self) -> None:
        """A user with a line break in the name is refused, and gets nothing forwarded."""
        error = self.assertRaises(HTTPError, self.value, "{user}", user="a\r\nX-Admin: 1")
        self.assertEqual(error.status, 400)

    @given(st.text(max_size=20))
    def test_any_user(self, user: str) -> None:
        """Whatever the user is called, what goes on can be written to a wire."""
        req = FakeRequest(user=user)
        try:
            plugin(Change(set={"X-A": "u={user}"})).run(req)
        except HTTPError:
            return
        self.assertFalse(any(BAD_VALUE.search(value) for _, _, value in req.fields))


class FaultTests(SynchronousTestCase):
    def fault(self, request: Change | None = None, response: Change | None = None) -> OptionError:
        return self.assertRaises(OptionError, plugin, request, response)

    def test_framing(self) -> None:
        """Fields that frame a message are nobody's to change, on either side, by any of the four."""
        for name in ("Content-Length", "transfer-encoding", "Connection", "TE", "Upgrade", "Trailer", "Proxy-Authorization"):
            value = {name: "x"}
            for change in (Change(set=value), Change(add=value), Change(default=value), Change(remove=(name,))):
                self.assertIn(name, str(self.fault(change)))
                self.assertIn(name, str(self.fault(None, change)))

    def test_managed(self) -> None:
        """What the gateway tells the upstream itself is a fault in a request, and free in an answer."""
        for name in ("Host", "Via", "X-Forwarded-For", "Forwarded", "X-Request-Id", "traceparent"):
            self.assertEqual(self.fault(Change(set={name: "x"})).option, f"request.set.{name}")
        plugin(None, Change(set={"Via": "x"}))

    def test_values(self) -> None:
        """Control characters and unknown placeholders are faults when the file is read."""
        self.assertEqual(self.fault(Change(set={"X-A": "a\nb"})).option, "request.set.X-A")
        self.assertIn("{usr}", str(self.fault(Change(set={"X-A": "{usr}"}))))
        self.assertIn("{ in the value", str(self.fault(Change(set={"X-A": "a{b"}))))
        self.assertEqual(self.fault(None, Change(add={"X A": "b"})).option, "response.add.X A")

    def test_nothing_to_do(self) -> None:
        """A use that does nothing is a slip."""
        self.assertIn("`request` or `response`", str(self.fault()))

    def test_type(self) -> None:
        """What is built is the plugin."""
        self.assertIsInstance(plugin(Change(set={"A": "b"})), Headers)
