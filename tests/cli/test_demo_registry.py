"""The registry of the demo."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET
from twisted.web.test.requesthelper import DummyRequest

from hmsgw.cli.demo_registry import Registry


class RegistryTests(SynchronousTestCase):
    """Consul's health endpoint."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.registry = Registry(self.clock, {"clinic-registry": 4711})

    def ask(self, path: bytes, **args: bytes) -> tuple[Any, Any]:
        request: Any = DummyRequest([])
        request.path = path
        request.args = {name.encode(): [value] for name, value in args.items()}
        return request, self.registry.render_GET(request)

    def test_entry(self) -> None:
        """A service is one entry with its address and port, and the index."""
        request, body = self.ask(b"/v1/health/service/clinic-registry")
        (entry,) = json.loads(body)
        self.assertEqual((entry["Service"]["Address"], entry["Service"]["Port"]), ("127.0.0.1", 4711))
        self.assertEqual(request.responseHeaders.getRawHeaders(b"X-Consul-Index"), [b"1"])

    def test_unknown(self) -> None:
        """An unknown service is an empty list; any other path is 404."""
        self.assertEqual(self.ask(b"/v1/health/service/x")[1], b"[]")
        self.assertEqual(self.ask(b"/v1/kv/x")[0].responseCode, 404)

    def test_blocking(self) -> None:
        """A query with the current index is answered when its wait is over."""
        for wait, seconds in ((b"5s", 5), (b"1m", 60), (b"soon", 5), (b"99999m", 600)):
            request, now = self.ask(b"/v1/health/service/clinic-registry", index=b"1", wait=wait)
            self.assertEqual(now, NOT_DONE_YET)
            self.clock.advance(seconds - 0.1)
            self.assertEqual(request.written, [])
            self.clock.advance(0.1)
            self.assertIn(b"4711", b"".join(request.written))

    def test_gone(self) -> None:
        """Who hangs up is not waited for."""
        request, _ = self.ask(b"/v1/health/service/clinic-registry", index=b"1")
        request.processingFailed(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
