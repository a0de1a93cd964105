"""Consul over HTTP: what is sent, and what each answer leads to."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.registry.consul_source import MAX_BYTES, ConsulSource
from hmsgw.registry.source import Answer, BadAnswer
from tests.registry.test_consul import ENTRY


class ConsulSourceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str], int]] = []
        self.fetched: Deferred[tuple[int, Mapping[str, str], bytes]] = Deferred()
        self.source = ConsulSource("http://localhost:8500", "t0ken", self.fetch)

    def fetch(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> Deferred[tuple[int, Mapping[str, str], bytes]]:
        self.asked.append((url, headers, max_bytes))
        self.fetched = Deferred()
        return self.fetched

    def ask(self, status: int, body: bytes, cursor: int = 0, **fields: str) -> Deferred[Answer]:
        asked = self.source.ask("clinics", cursor)
        self.fetched.callback((status, {name.replace("_", "-"): value for name, value in fields.items()}, body))
        return asked

    def refused(self, status: int, body: bytes = b"") -> str:
        return str(self.failureResultOf(self.ask(status, body), BadAnswer).getErrorMessage())

    def test_good(self) -> None:
        """Endpoints, and the index to ask with next."""
        answer = self.successResultOf(self.ask(200, orjson.dumps([ENTRY]), x_consul_index="42"))
        self.assertEqual((len(answer.endpoints), answer.cursor, answer.partial), (1, 42, False))
        answer = self.successResultOf(self.ask(200, b"[]", cursor=42, x_consul_index="41"))
        self.assertEqual(answer.cursor, 0)
        answer = self.successResultOf(self.ask(200, b"[]", x_consul_results_filtered_by_acls="true"))
        self.assertEqual((answer.cursor, answer.partial), (1, True))

    def test_token(self) -> None:
        """The token goes in its header; neither the URL nor what is told of it holds it."""
        self.refused(403)
        url, headers, max_bytes = self.asked[0]
        self.assertEqual((headers["X-Consul-Token"], max_bytes), ("t0ken", MAX_BYTES))
        self.assertNotIn("t0ken", url + self.source.name + self.refused(403))
        plain = ConsulSource("http://user:pass@consul.gov:8500/x/", None, self.fetch)
        self.assertEqual(plain.name, "http://consul.gov:8500/x")
        plain.ask("clinics", 0)
        self.assertNotIn("X-Consul-Token", self.asked[-1][1])

    def test_statuses(self) -> None:
        """Every status but 200 is a failure that says what to do, whatever the body."""
        for status, words in (
            (201, "answers 201"), (204, "answers 204"), (301, "redirects"), (400, "Consul"), (401, "token"),
            (403, "service:read"), (404, "registry.url"), (429, "too often"), (500, "leader"), (503, "(503)"),
        ):  # fmt: skip
            self.assertIn(words, self.refused(status, orjson.dumps([ENTRY])), status)

    def test_garbage(self) -> None:
        """A 200 that is not Consul's, and one that is too long."""
        for body in (b"<html>It works!</html>", b"{}", b"", b"[" + b" " * MAX_BYTES + b"]"):
            self.refused(200, body)

    def test_bad_url(self) -> None:
        """A fetch that raises is a failed question."""

        def fetch(
            url: str, headers: Mapping[str, str], max_bytes: int
        ) -> Deferred[tuple[int, Mapping[str, str], bytes]]:
            raise ValueError("bad URL")

        self.failureResultOf(ConsulSource("http://", None, fetch).ask("clinics", 0), ValueError)

    def test_cancel(self) -> None:
        """Giving up a question gives up the fetch; stopping closes the connections."""
        stops: list[str] = []
        cancelled: list[object] = []
        fetched: Deferred[tuple[int, Mapping[str, str], bytes]] = Deferred(cancelled.append)
        source = ConsulSource("http://localhost:8500", None, lambda *_: fetched, lambda: stops.append("closed"))
        asked = source.ask("clinics", 7)
        asked.addErrback(lambda _: None)
        asked.cancel()
        source.stop()
        self.assertEqual((len(cancelled), stops), (1, ["closed"]))
