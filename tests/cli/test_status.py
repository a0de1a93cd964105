"""`hms-gateway status`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.running import answer_calls, run

STATUS: dict[str, Any] = {
    "version": "9.9", "serial": None, "digest": "sha256:1", "file": "/r.yaml", "signed": False, "dev": True,
    "ready": True, "draining": False, "uptime_s": 7300,
    "workers": [{"worker": "0", "up": True}],
    "listeners": [{"name": "public", "address": "::", "port": 8080, "tls": True, "scheme": "https", "connections": 3}],
    "streams": [{"name": "s", "listener": "raw", "sni": ["*.a.gov", "b.gov"], "service": "d"}],
    "routes": [
        {"name": "clinics", "path": "/clinics/*", "service": "c"},
        {"name": "/x", "path": "/x", "service": None},
    ],
    "services": {
        "c": [
            {"endpoint": "http://a:1", "health": "ok", "requests": 0},
            {"endpoint": "http://b:1", "health": "failing", "requests": 0},
        ],
        "d": [],
    },
    "degraded": ["the configuration is unsigned (--dev)"],
    "overrides": {"--admin-port": 9181},
}  # fmt: skip


class StatusTests(SynchronousTestCase):
    """How it reads."""

    def test_for_people(self) -> None:
        """One fact a line."""
        answer_calls(self, STATUS)
        self.assertEqual(
            run("status").out.splitlines(),
            [
                "hms-gateway 9.9, ready, up 2 h",
                "configuration  /r.yaml (unsigned (--dev), serial -, sha256:1)",
                "listener       public: https on :: port 8080",
                "route          clinics: /clinics/* -> c",
                "route          /x -> a plugin answers",
                "stream         raw *.a.gov, b.gov -> d",
                "service        c: http://a:1, http://b:1 (failing)",
                "service        d: no endpoint",
                "override       --admin-port 9181",
                "degraded       the configuration is unsigned (--dev)",
            ],
        )

    def test_states(self) -> None:
        """Draining and not being ready are said first."""
        for changed, word in (({"draining": True}, "draining"), ({"ready": False}, "not ready")):
            answer_calls(self, {**STATUS, **changed})
            self.assertIn(f", {word}, ", run("status").out.splitlines()[0])

    def test_for_programs(self) -> None:
        """--json is everything."""
        answer_calls(self, STATUS)
        self.assertEqual(json.loads(run("status", "--json").out), STATUS)
