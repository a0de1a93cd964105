"""The data plane from the encoded form of its configuration: nothing but the bytes crosses over."""

from __future__ import annotations

import os
import shutil
import time

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.build import build
from hmsgw.chain.tools import Tools
from hmsgw.config.snapshot import decode, encode
from hmsgw.generation import Candidate, candidate_of, read_candidate, snapshot_of
from hmsgw.limits.memory import Counters
from hmsgw.transport.selfsigned import self_signed
from tests.walks.walk import OK, Walk

ROUTES = """
plugins:
  locked: {plugin: jwt, secret: "0123456789abcdef0123456789abcdef"}
routes:
  - {path: /open, service: svc, plugins: [greet]}
  - {path: /shut, service: svc, plugins: [locked]}
"""
GREET = """
def on_response(req, resp):
    resp.headers["X-Greeting"] = "hello"
"""


class SnapshotTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(folder, "plugins"))
        os.makedirs(os.path.join(folder, "state"))
        with open(os.path.join(folder, "routes.yaml"), "w") as file:
            file.write(ROUTES)
        with open(os.path.join(folder, "plugins", "greet.py"), "w") as file:
            file.write(GREET)
        self.candidate = read_candidate(
            os.path.join(folder, "routes.yaml"),
            port=0,
            dev=True,
            environ={},
            state_dir=os.path.join(folder, "state"),
            self_signed=lambda: self_signed(os.path.join(folder, "state")),
            previous=None,
        )
        self.encoded = encode(snapshot_of(self.candidate, dev=True))
        shutil.rmtree(folder)

    def walk(self, candidate: Candidate) -> Walk:
        clock = Clock()
        tools = Tools(
            clock=clock, seconds=clock.seconds, wall=time.time, counters=Counters(), key_set=lambda url: None,
            bundle=candidate.bundle, count_decision=lambda plugin, decision: None,
        )  # fmt: skip
        chains = build(candidate.prepared, tools)
        return Walk(routes=[prepared.route for prepared in candidate.prepared.routes], chains=chains)

    def test_serves_without_a_disk(self) -> None:
        """From the encoded snapshot alone, with every file gone: routes, drop-ins, secrets and certificates."""
        candidate = candidate_of(decode(self.encoded), {})
        self.assertEqual(candidate.digest, self.candidate.digest)
        self.assertIsNotNone(candidate.server_tls["public"])
        walk = self.walk(candidate)
        walk.get(b"/open")
        walk.upstream_sends(OK)
        self.assertIn(b"X-Greeting: hello", walk.client_sees())
        walk.get(b"/shut")
        self.assertIn(b"401 Unauthorized", walk.client_sees())
