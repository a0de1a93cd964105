"""The room's tests again on the other transport: a process has one reactor, so a child runs them."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from hmsgw.transport.loops import uvloop_of

MODULES = ("test_transport", "test_tls", "test_connect", "test_client_auth", "test_proxy_header")


class StockTests(TestCase):
    timeout = 240

    async def test_stock(self) -> None:
        """What holds on uvloop holds on Twisted's own reactor."""
        if uvloop_of(reactor) is None:
            raise SkipTest("these tests run on Twisted's own reactor already")
        command = [sys.executable, "-m", "twisted.trial", "--temp-directory", self.mktemp()]
        command += [f"tests.integration.{name}" for name in MODULES]
        environ = {
            **os.environ,
            "HMSGW_REACTOR": "stock",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        child = await deferToThread(
            subprocess.run, command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=200, check=False,
        )  # fmt: skip
        self.assertEqual(child.returncode, 0, child.stdout)
