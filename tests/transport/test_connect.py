"""What failures to connect are called, on a reactor in memory."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, ConnectionRefusedError, NoRouteError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.connect import ConnectFailed, Connector


class ConnectTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.made: list[Protocol] = []

    def connect(self, timeout_s: float = 2.0) -> Any:
        def make() -> Protocol:
            self.made.append(Protocol())
            return self.made[-1]

        return Connector(self.reactor).connect(make, "192.0.2.1", 8080, None, timeout_s)

    def failed(self, deferred: Any) -> ConnectFailed:
        return self.failureResultOf(deferred, ConnectFailed).value  # type: ignore[no-any-return]

    def test_kinds(self) -> None:
        """Each way to fail has its kind, and a sentence that names the backend."""
        cases = (
            (ConnectionRefusedError(), "refused", "192.0.2.1 port 8080 refused the connection"),
            (ConnectTimeout(), "timeout", "192.0.2.1 port 8080 did not answer within 2 s"),
            (NoRouteError(), "unreachable", "192.0.2.1 port 8080 can't be reached"),
            (ConnectError(errno.ENETUNREACH, "no network"), "unreachable", "no network"),
        )
        for error, kind, words in cases:
            deferred = self.connect()
            _, _, factory, *_ = self.reactor.tcpClients[-1]
            factory.clientConnectionFailed(None, Failure(error))
            self.reactor.advance(0.5)
            failed = self.failed(deferred)
            self.assertEqual(failed.kind, kind)
            self.assertIn(words, str(failed))
            self.reactor.advance(100)

    def test_timeout(self) -> None:
        """An attempt that nothing is heard of ends on time, and leaves no timer."""
        deferred = self.connect(2.0)
        self.reactor.advance(1.9)
        self.assertNoResult(deferred)
        self.reactor.advance(0.2)
        self.assertEqual(self.failed(deferred).kind, "timeout")
        self.reactor.advance(100)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """Who gives up hears that he did."""
        deferred = self.connect()
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
