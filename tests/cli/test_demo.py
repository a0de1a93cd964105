"""`hms-gateway demo`, up to the gateway's own door."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw import tap
from hmsgw.cli import demo
from hmsgw.control.options import StartOptions
from hmsgw.control.state import StateFolder
from tests.cli.running import run


class DemoTests(SynchronousTestCase):
    """What is put together, and what is said of it."""

    def setUp(self) -> None:
        self.started: list[StartOptions] = []
        self.environ = {**os.environ, "HMSGW_JWT_SECRET": "of the shell"}
        self.patch(os, "environ", self.environ)
        reactor: Any = MemoryReactorClock()
        self.patch(tap, "choose_reactor", lambda _: reactor)

        def started(options: StartOptions, announce: Callable[[list[tuple[str, int]]], None]) -> int:
            self.started.append(options)
            with open(options.config or "", encoding="utf-8") as file:
                self.routes = file.read()
            StateFolder(options.state_dir).prepare()
            announce([("::", 8081)])
            return 0

        self.patch(tap, "run", started)

    def test_demo(self) -> None:
        """The tutorial's routes run with the development key and the demo's registry; the guide has all to try."""
        ran = run("demo", "--port", "8081", "--admin-port", "9999")
        self.assertEqual(ran.code, 0)
        (options,) = self.started
        self.assertEqual((options.port, options.admin_port, options.dev), (8081, 9999, True))
        self.assertEqual(self.routes, demo.ROUTES)
        self.assertTrue(self.environ["REG_URL"].startswith("http://127.0.0.1:"))
        self.assertNotIn("HMSGW_JWT_SECRET", self.environ)
        for text in ("TOKEN=ey", "https://localhost:8081/clinics/85123", "http://127.0.0.1:9999/metrics", "unsigned"):
            self.assertIn(text, ran.out)

    def test_nothing_is_left(self) -> None:
        """The folder is gone when it ends."""
        run("demo")
        self.assertFalse(os.path.exists(os.path.dirname(self.started[0].config or "")))

    def test_bad_port(self) -> None:
        """A port that is none is a usage error."""
        self.assertEqual((run("demo", "--port", "x").code, self.started), (2, []))

    def test_admin_port_in_use(self) -> None:
        """When somebody has 9180, another one is found."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assertNotEqual(demo._free_port(port), port)
        self.assertEqual(demo._free_port(port), port)
