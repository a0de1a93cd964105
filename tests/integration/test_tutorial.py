"""The tutorial that the project answers to, line by line, with curl, over TLS."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import Any

from tests.integration.origins import Origin, Received
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports
from tests.integration.spine import Spine

ROUTES = """\
# file: routes.yaml
routes:
  - path: /login
    service: identity          # service name from the Spine
    plugins: [jwt, rate-60ip]

  - path: /clinics/*
    service: clinic-registry
    plugins: [jwt, quota-1000user]
"""

HEADER_GPO = """\
async def on_response(req, resp):
    resp.headers["X-Served-By"] = "US-GPO"
"""

RATE_60IP = """\
# file: hms_gateway/plugins/rate_60ip.py
from time import time
bucket = {}   # ip -> [timestamps]

async def run(req):
    ip = req.client.host
    bucket.setdefault(ip, [])
    bucket[ip] = [t for t in bucket[ip] if t > time()-60]
    if len(bucket[ip]) >= 60:
        raise HTTPError(429, "Slow down 🚦")
    bucket[ip].append(time())
"""


def clinics(got: Received, to: socket.socket) -> None:
    """The tutorial's answer."""
    found: dict[str, Any] = {"login": "ok"}
    if got.target.startswith("/clinics/"):
        found = {"clinic_id": got.target.removeprefix("/clinics/"), "vaccines": ["Flu", "COVID-19"]}
    body = json.dumps(found).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    to.sendall(head + (b"" if got.method == "HEAD" else body))


def curl(*words: str) -> str:
    """What curl prints."""
    return subprocess.run(["curl", "-sk", "-m", "20", *words], capture_output=True, text=True, check=True).stdout


def status_of(*words: str) -> int:
    """The status that curl got."""
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *words))


@on_both_transports
class TutorialTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin(clinics)
        self.addCleanup(self.behind.close)
        self.spine = Spine({"identity": self.behind.port, "clinic-registry": self.behind.port})
        self.addCleanup(self.spine.origin.close)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"

    def tutorial(self, config: str | None = ROUTES) -> Gateway:
        """A gateway with the tutorial's environment. config: None starts without one."""
        return self.gateway(config, "--port", str(self.port), environ={"REG_URL": self.spine.origin.url})

    def test_one_command(self) -> None:
        """`start --port` alone launches TLS and JSON lines on stdout, and answers 404 no-route with a problem."""
        gateway = self.gateway_to_start({"REG_URL": self.spine.origin.url})
        gateway.start(None, "--port", str(self.port))
        answer = curl("-i", f"{self.url}/clinics/1")
        self.assertIn(" 404 ", answer.splitlines()[0])
        self.assertIn("application/problem+json", answer)
        self.assertEqual(json.loads(answer.splitlines()[-1])["reason"], "no-route")
        line = eventually("the request is logged", lambda: gateway.lines("request"))[0]
        self.assertEqual((line["status"], line["reason"], line["path"]), (404, "no-route", "/clinics/1"))
        self.assertTrue(line["tls"])
        self.assertEqual(gateway.stop(), 0)

    def test_nothing_unsigned(self) -> None:
        """Without --dev the unsigned file is refused, and the refusal prints the exact next command, which works."""
        gateway = self.gateway_to_start({"REG_URL": self.spine.origin.url})
        gateway.start(None, "--port", str(self.port))
        refused = gateway.reload(ROUTES)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("not signed", refused.stderr)
        following = next(line for line in refused.stderr.splitlines() if line.startswith("next: "))
        words = following.removeprefix("next: ").split()
        self.assertEqual(words[:3], ["hms-gateway", "start", "--dev"])
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 404)
        self.assertEqual(gateway.stop(), 0)
        gateway.start(None, *words[2:], "--port", str(self.port))
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 401)

    def test_unsigned_at_start(self) -> None:
        """Starting with the unsigned file ends with 78 and the same advice."""
        gateway = self.gateway_to_start()
        gateway.write(ROUTES)
        ended = gateway.command("start", "--config", "routes.yaml", "--port", str(self.port))
        self.assertEqual(ended.returncode, 78)
        self.assertIn(f"hms-gateway start --dev --config {gateway.config}", ended.stderr)

    def test_two_routes(self) -> None:
        """The routes as printed: 200 with a token, 401 without, the body as promised, forwarded as it came."""
        gateway = self.tutorial(None)
        loaded = gateway.reload(ROUTES)
        self.assertEqual((loaded.returncode, loaded.stderr), (0, ""))
        self.assertIn("accepted", loaded.stdout)
        bearer = f"Authorization: Bearer {gateway.token()}"
        address = f"{self.url}/clinics/85123"
        eventually("the registry's answer has come", lambda: status_of("-H", bearer, address) == 200)
        self.assertEqual(
            json.loads(curl("-H", bearer, address)), {"clinic_id": "85123", "vaccines": ["Flu", "COVID-19"]}
        )
        self.assertEqual(self.behind.got[-1].target, "/clinics/85123")
        without = curl("-i", address)
        self.assertIn(" 401 ", without.splitlines()[0])
        self.assertRegex(without.lower(), r'www-authenticate: bearer realm="')
        self.assertEqual(status_of("-H", bearer, f"{self.url}/login"), 200)

    def test_the_sixty_first(self) -> None:
        """Of more than 60 requests within a minute from one address the 61st is the first to be refused: 429."""
        gateway = self.tutorial()
        bearer = f"Authorization: Bearer {gateway.token()}"
        said = curl("-H", bearer, "-o", "/dev/null", "-w", "%{http_code}\n", f"{self.url}/login?n=[1-62]")
        self.assertEqual(said.split(), ["200"] * 60 + ["429"] * 2)
        refused = curl("-i", "-H", bearer, f"{self.url}/login")
        after = re.search(r"(?im)^retry-after: (\d+)", refused)
        assert after is not None
        self.assertGreaterEqual(int(after[1]), 1)
        self.assertLessEqual(int(after[1]), 62)
        self.assertEqual(json.loads(refused.splitlines()[-1])["reason"], "rate-limited")

    def test_metrics(self) -> None:
        """gateway_requests_total{status="200"} and gateway_request_duration_seconds count what was asked."""
        gateway = self.tutorial()
        bearer = f"Authorization: Bearer {gateway.token()}"
        for number in range(3):
            self.assertEqual(status_of("-H", bearer, f"{self.url}/clinics/{number}"), 200)
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 401)
        route = {"route": "/clinics/*", "service": "clinic-registry"}
        self.assertEqual(gateway.metric("gateway_requests_total", status="200", method="GET", **route), 3)
        self.assertEqual(gateway.metric("gateway_requests_total", status="401", reason="unauthenticated", **route), 1)
        self.assertEqual(gateway.metric("gateway_request_duration_seconds_count", **route), 4)

    def test_log(self) -> None:
        """Each request is a JSON line on stdout; the token is in none of them."""
        gateway = self.tutorial()
        token = gateway.token("--sub", "pat")
        address = f"{self.url}/clinics/85123?near=me"
        self.assertEqual(status_of("-H", f"Authorization: Bearer {token}", address), 200)
        line = eventually("the request is logged", lambda: gateway.lines("request"))[0]
        expected = {
            "method": "GET", "path": "/clinics/85123", "route": "/clinics/*", "service": "clinic-registry",
            "status": 200, "user": "pat", "protocol": "h2", "scheme": "https",
        }  # fmt: skip
        self.assertEqual({name: line[name] for name in expected}, expected)
        self.assertRegex(line["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertNotIn(token, gateway.output())

    def test_mini_challenge(self) -> None:
        """header_gpo.py in plugins/, `header-gpo` on the route, reload: `curl -I` shows X-Served-By: US-GPO."""
        gateway = self.tutorial()
        gateway.write(HEADER_GPO, "plugins/header_gpo.py")
        loaded = gateway.reload(ROUTES.replace("quota-1000user]", "quota-1000user, header-gpo]"))
        self.assertEqual((loaded.returncode, loaded.stderr), (0, ""))
        bearer = f"Authorization: Bearer {gateway.token()}"
        for words in (["-H", bearer], []):
            self.assertRegex(curl("-I", *words, f"{self.url}/clinics/85123"), r"(?im)^x-served-by: US-GPO\r?$")

    def test_ten_line_plugin(self) -> None:
        """The ten-line rate limiter works unchanged, and its memory survives the reload of something else."""
        gateway = self.gateway_to_start({"REG_URL": self.spine.origin.url})
        gateway.write(RATE_60IP, "plugins/rate_60ip.py")
        gateway.start(ROUTES.replace("[jwt, rate-60ip]", "[rate-60ip]"), "--dev", "--port", str(self.port))
        said = curl("-o", "/dev/null", "-w", "%{http_code}\n", f"{self.url}/login?n=[1-59]")
        self.assertEqual(said.split(), ["200"] * 59)
        loaded = gateway.reload(ROUTES.replace("[jwt, rate-60ip]", "[rate-60ip]").replace("/clinics", "/clinic"))
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        self.assertEqual(status_of(f"{self.url}/login"), 200)
        refused = curl("-i", f"{self.url}/login")
        self.assertIn(" 429 ", refused.splitlines()[0])
        self.assertEqual(json.loads(refused.splitlines()[-1])["detail"], "Slow down 🚦")

    def test_the_spine_moves(self) -> None:
        """An instance that the registry names anew is used within moments."""
        gateway = self.tutorial()
        bearer = f"Authorization: Bearer {gateway.token()}"
        other = Origin(clinics)
        self.addCleanup(other.close)
        self.assertEqual(status_of("-H", bearer, f"{self.url}/clinics/1"), 200)
        self.behind.close()
        self.spine.register({"identity": other.port, "clinic-registry": other.port})
        eventually("it is used", lambda: status_of("-H", bearer, f"{self.url}/clinics/1") == 200)
        self.assertTrue(other.got)


@on_both_transports
class TwistdTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin(clinics)
        self.addCleanup(self.behind.close)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.config = (
            f"services: {{web: {{endpoints: ['{self.behind.url}']}}}}\nroutes: [{{path: /clinics/*, service: web}}]\n"
        )

    def start(self, *words: str) -> Gateway:
        """Under twistd."""
        twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
        gateway = self.gateway_to_start()
        gateway.start(self.config, "--dev", "--port", str(self.port), command=(twistd, *words, "hmsgw"))
        return gateway

    def test_in_the_foreground(self) -> None:
        """`twistd --nodaemon hmsgw` serves, logs JSON on stdout, reloads on SIGHUP, and SIGTERM ends it with 0."""
        gateway = self.start("--nodaemon", "--pidfile=")
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 200)
        self.assertEqual(status_of(f"{self.url}/other"), 404)
        gateway.write(self.config.replace("/clinics/*", "/other"))
        os.kill(gateway.pid, signal.SIGHUP)
        eventually("the new file is served", lambda: status_of(f"{self.url}/other") == 200)
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 404)
        self.assertTrue(eventually("the requests are logged", lambda: gateway.lines("request")))
        self.assertEqual(gateway.stop(), 0)

    def test_faulty_on_hangup(self) -> None:
        """SIGHUP with a faulty file changes nothing and says so in the log."""
        gateway = self.start("--nodaemon", "--pidfile=")
        gateway.write(self.config + "nonsense: 1\n")
        os.kill(gateway.pid, signal.SIGHUP)
        said = eventually("it is logged", lambda: [one for one in gateway.lines("log") if one["level"] == "error"])
        self.assertIn("routes.yaml:3:1: ", said[0]["message"])
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 200)

    def test_daemon(self) -> None:
        """As a daemon with a pid file and a log file it serves, reloads, and goes with its pid file on SIGTERM."""
        pid_file = os.path.join("/tmp", f"hmsgw-{os.getpid()}-{free_port()}.pid")
        log_file = pid_file.replace(".pid", ".log")
        for path in (pid_file, log_file):
            self.addCleanup(_remove, path)
        self.addCleanup(_kill, pid_file)
        twistd = os.path.join(os.path.dirname(sys.executable), "twistd")
        gateway = self.gateway_to_start()
        gateway.write(self.config)
        words = [f"--pidfile={pid_file}", f"--logfile={log_file}", "hmsgw", "--dev", "--config", gateway.config]
        words += ["--port", str(self.port), "--state-dir", gateway.state_dir, "--admin-port", str(gateway.admin_port)]
        begun = subprocess.run(
            [sys.executable, twistd, *words], env=gateway.environ, cwd=gateway.folder, timeout=30, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(begun.returncode, 0, begun.stderr)
        eventually("the daemon is ready", lambda: gateway.admin("/ready")[0] == 200)
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        self.assertEqual(status_of(f"{self.url}/clinics/1"), 200)
        reloaded = gateway.reload(self.config.replace("/clinics/*", "/other"))
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertEqual(status_of(f"{self.url}/other"), 200)
        os.kill(pid, signal.SIGTERM)
        eventually("the pid file has gone", lambda: not os.path.exists(pid_file))
        eventually("the process has gone", lambda: not os.path.exists(f"/proc/{pid}"))
        with open(log_file, encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        self.assertEqual([one["status"] for one in events if one["event"] == "request"], [200, 200])


def _remove(file: str) -> None:
    if os.path.exists(file):
        os.remove(file)


def _kill(pid_file: str) -> None:
    try:
        with open(pid_file, encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass
