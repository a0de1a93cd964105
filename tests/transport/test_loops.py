"""Which event loop is under the reactor."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import uvloop
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.loops import soon_of, uvloop_of


class LoopTests(SynchronousTestCase):
    def test_told_apart(self) -> None:
        """uvloop's loop is known; asyncio's own and reactors without one are not it."""
        fast, usual = uvloop.new_event_loop(), asyncio.new_event_loop()
        self.addCleanup(fast.close)
        self.addCleanup(usual.close)
        self.assertIs(uvloop_of(SimpleNamespace(_asyncioEventloop=fast)), fast)
        self.assertIsNone(uvloop_of(SimpleNamespace(_asyncioEventloop=usual)))
        self.assertIsNone(uvloop_of(Clock()))

    def test_soon(self) -> None:
        """Not at once; on uvloop by the loop itself, else by the reactor's clock."""
        said: list[str] = []
        clock = Clock()
        soon_of(clock)(lambda: said.append("clock"))
        loop = uvloop.new_event_loop()
        self.addCleanup(loop.close)
        soon_of(SimpleNamespace(_asyncioEventloop=loop))(lambda: said.append("loop"))
        self.assertEqual(said, [])
        clock.advance(0)
        loop.call_soon(loop.stop)
        loop.run_forever()
        self.assertEqual(said, ["clock", "loop"])
