"""gRPC-Web."""

from __future__ import annotations

from base64 import b64encode
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.plugins.grpc_web import Call, Settings, TextCall, build
from hmsgw.testing import FakeRequest, FakeResponse
from hmsgw.wire.headers import Headers
from tests.plugins.building import Workbench, use


def asked(kind: str, method: str = "POST") -> tuple[FakeRequest, Any]:
    """A request of that content type after the step, and what changes its bodies."""
    plugin = build(Settings(), Workbench().tools(), use("grpc-web"))
    req = FakeRequest(method=method, headers={"Content-Type": kind})
    plugin.run(req)  # type: ignore[arg-type]
    return req, plugin.transform(req)  # type: ignore[arg-type]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


class WebTests(SynchronousTestCase):
    """`grpc-web`."""

    def test_types(self) -> None:
        """Each kind becomes gRPC with its message format kept, and its answer becomes its own kind again."""
        for kind, more, form in (
            ("application/grpc-web", "+proto", Call), ("application/grpc-web-text", "+proto", TextCall),
            ("application/grpc-web", "", Call), ("application/grpc-web", "+json;a=b", Call),
        ):  # fmt: skip
            req, call = asked(kind + more)
            self.assertEqual("application/grpc" + more, req.headers["Content-Type"])
            self.assertIs(form, type(call))
            resp = FakeResponse(headers={"Content-Type": "application/grpc" + more})
            self.assertTrue(call.response_begin(resp))
            self.assertEqual(kind + more, resp.headers["Content-Type"])

    def test_others(self) -> None:
        """What is no such call passes untouched, and so does an answer that is none."""
        for kind in ("application/grpc", "application/json", "text/plain"):
            req, call = asked(kind, "GET")
            self.assertEqual((kind, None), (req.headers["Content-Type"], call))
        _, call = asked("application/grpc-web")
        self.assertFalse(call.response_begin(FakeResponse(404, {"Content-Type": "text/html"})))

    def test_post_only(self) -> None:
        """A call by another method is refused."""
        self.assertEqual(405, self.assertRaises(HTTPError, asked, "application/grpc-web", "GET").status)

    def test_trailers(self) -> None:
        """They are the last frame; where the head told the status, there is none."""
        trailers = Headers([(b"grpc-status", b"grpc-status", b"0"), (b"x-y", b"X-Y", b"a")])
        lines = b"grpc-status: 0\r\nx-y: a\r\n"
        self.assertEqual(b"\x80\0\0\0" + bytes((len(lines),)) + lines, Call().response_end(trailers))
        self.assertEqual([], trailers.fields)
        call = TextCall()
        call.response_begin(FakeResponse(headers={"Content-Type": "application/grpc", "grpc-status": "5"}))
        self.assertEqual(b"", call.response_end(trailers))

    def test_no_status(self) -> None:
        """A call whose end nobody told has not succeeded (doc/statuscodes.md: UNKNOWN)."""
        for fields in ([], [(b"x-y", b"X-Y", b"a")]):
            call = Call()
            call.response_begin(FakeResponse(headers={"Content-Type": "application/grpc"}))
            self.assertIn(b"\r\ngrpc-status: 2\r\n", b"\r\n" + call.response_end(Headers(fields))[5:])

    @given(st.lists(st.binary(max_size=20), max_size=4), st.lists(st.integers(0, 100), max_size=6))
    def test_base64(self, parts: list[bytes], places: list[int]) -> None:
        """Padding may stand in the middle, and pieces may be cut anywhere."""
        call = TextCall()
        pieces = cut(b"".join(b64encode(part) for part in parts), places)
        self.assertEqual(b"".join(parts), b"".join([*map(call.request, pieces), call.request_end()]))

    def test_no_base64(self) -> None:
        """What is none is refused, early or at the end."""
        for text in (b"ab!d", b"a===", b"ab=c", b"====", b"ab\ncd==="):
            self.assertEqual(400, self.assertRaises(HTTPError, TextCall().request, text).status)
        call = TextCall()
        self.assertEqual(b"", call.request(b"abc"))
        self.assertRaises(HTTPError, call.request_end)
