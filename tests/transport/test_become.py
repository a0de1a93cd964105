"""An open connection changes its Protocol, on a Twisted transport that knows nothing of it."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.become import become


class Transport:
    protocol: Any = None


class BecomeTests(SynchronousTestCase):
    """`become`; our own adapters do it in `tests.integration.test_http2`."""

    def test_plain(self) -> None:
        """What comes next goes to the new one, which believes that it was just connected."""
        transport, new = Transport(), Protocol()
        become(transport, new)
        self.assertIs(transport.protocol, new)
        self.assertIs(new.transport, transport)
        self.assertTrue(new.connected)
