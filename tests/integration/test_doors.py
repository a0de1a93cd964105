"""Both doors, with a process behind them: how a gateway starts, how it refuses to, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from twisted.trial.unittest import SkipTest

from hmsgw.cli.demo import ROUTES
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports

HELLO = """\
listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]
routes: [{path: /hello, plugins: [{respond: {status: 200, body: hello}}]}]
"""
TWISTD = ("-c", "from twisted.scripts.twistd import run; run()")


def ask(port: int, path: str = "/hello") -> str:
    """The status line of a plain answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return sock.makefile("rb").readline().decode().strip()


@on_both_transports
class Doors(GatewayCase):
    """What is the same on both transports, for `hms-gateway start` and `twistd hmsgw`."""

    def ended(self, *words: str, config: str | None = None) -> tuple[int, str]:
        """A gateway that does not get to serving: (exit code, stderr)."""
        made = self.gateway_to_start()
        if config is not None:
            words = ("--config", made.write(config), *words)
        where = ("--state-dir", made.state_dir, "--admin-port", str(made.admin_port))
        ran = subprocess.run(
            [sys.executable, "-m", "hmsgw", "start", *words, *where], capture_output=True, text=True, env=made.environ,
            cwd=made.folder, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual(ran.stdout, "")
        self.assertNotIn("Traceback", ran.stderr)
        return ran.returncode, ran.stderr

    def test_start_and_stop(self) -> None:
        """`start` serves, logs only JSON lines, and SIGTERM ends it with 0."""
        made = self.gateway(HELLO)
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")
        self.assertEqual(made.stop(), 0)
        for line in made.output().splitlines():
            self.assertIn(json.loads(line)["event"], ("log", "request"))
        self.assertEqual(made.errors(), "")

    def test_ctrl_c(self) -> None:
        """SIGINT is the same."""
        made = self.gateway(HELLO)
        assert made.child is not None
        made.child.send_signal(signal.SIGINT)
        self.assertEqual(made.child.wait(20), 0)

    def test_nothing_given(self) -> None:
        """Without a configuration there is TLS and no route, and an unsigned reload is refused with what to type."""
        made = self.gateway_to_start()
        made.start(None, "--port", "0")
        status = made.status()
        self.assertTrue(status["listeners"][0]["tls"])
        self.assertEqual(status["routes"], [])
        path = made.write(ROUTES)
        ran = made.reload()
        self.assertEqual(ran.returncode, 1)
        start = f"start --dev --config {path} --state-dir {made.state_dir} --port 0 --admin-port {made.admin_port}"
        self.assertIn(f"next: hms-gateway {start}\n", ran.stderr)
        self.assertEqual(made.command("token").returncode, 1)
        self.assertEqual(made.metric("gateway_config_reloads_total", outcome="refused"), 1)
        self.assertEqual(made.command("audit", "verify").returncode, 0)

    def test_unsigned(self) -> None:
        """An unsigned file does not start, and is not even read; 78."""
        code, said = self.ended(config="{")
        self.assertEqual((code, said.count("\n")), (78, 1))
        self.assertIn("To try it on this machine: hms-gateway start --dev --config ", said)

    def test_faulty(self) -> None:
        """Every fault on its line; 78."""
        code, said = self.ended("--dev", config="routes:\n  - {path: /a, servise: x}\n  - {path: b, service: x}\n")
        self.assertEqual((code, said.count("\n")), (78, 2))

    def test_usage(self) -> None:
        """Words that can't be are 2, --port beside `listeners:` among them."""
        for words, config in ((("--workers", "3"), None), (("--trust", "x"), None), (("--dev", "--port", "1"), HELLO)):
            with self.subTest(words=words):
                code, said = self.ended(*words, config=config)
                self.assertEqual((code, said.count("\n")), (2, 1))

    def test_port_in_use(self) -> None:
        """A port that somebody has is one sentence that names it; 1."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code, said = self.ended("--dev", config=HELLO.replace("port: 0", f"port: {port}"))
        self.assertEqual((code, said.count("\n")), (1, 1))
        self.assertIn(f"port {port} is in use", said)

    def test_two_with_one_state(self) -> None:
        """A second gateway with the same state directory is refused, and the first goes on."""
        made = self.gateway(HELLO)
        ran = made.command("start", "--dev", "--port", "0", "--admin-port", "0")
        self.assertEqual((ran.returncode, ran.stderr.count("\n")), (1, 1))
        self.assertIn("another gateway runs", ran.stderr)
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")

    def test_killed_and_started_again(self) -> None:
        """What a killed gateway left behind keeps nobody from starting, and the development key is the same."""
        made = self.gateway(HELLO)
        with open(os.path.join(made.state_dir, "dev.secret"), encoding="ascii") as file:
            secret = file.read()
        made.kill()
        made.start(HELLO, "--dev")
        with open(os.path.join(made.state_dir, "dev.secret"), encoding="ascii") as file:
            self.assertEqual(file.read(), secret)
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")

    def test_early_hangup(self) -> None:
        """SIGHUP while the gateway starts does not kill it."""
        made = self.gateway_to_start()
        made.write(HELLO)
        words = ("--dev", "--config", made.config, "--state-dir", made.state_dir, "--admin-port", str(made.admin_port))
        with open(made.stdout, "wb") as out, open(made.stderr, "wb") as err:
            made.child = subprocess.Popen(
                [sys.executable, "-m", "hmsgw", "start", *words], stdout=out, stderr=err, env=made.environ,
                cwd=made.folder,
            )  # fmt: skip
        eventually("its sockets are bound", lambda: os.path.exists(os.path.join(made.state_dir, "dev.secret")))
        handles = f"/proc/{made.child.pid}/status"
        eventually("it takes SIGHUP", lambda: _catches(handles, signal.SIGHUP))
        for _ in range(20):
            made.child.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        eventually("it is ready", lambda: made.admin("/ready")[0] == 200)
        self.assertEqual(made.stop(), 0)

    def test_twistd(self) -> None:
        """`twistd --nodaemon hmsgw` serves the same, in the same words, and SIGTERM ends it with 0 too."""
        made = self.gateway_to_start()
        made.start(HELLO, "--dev", command=(*TWISTD, "--nodaemon", "--pidfile=", "hmsgw"))
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")
        self.assertEqual(made.stop(), 0)
        self.assertEqual([line["path"] for line in made.lines("request")], ["/hello"])

    def daemon(self, *words: str) -> Gateway:
        """`twistd hmsgw` as a daemon."""
        made = self.gateway_to_start()
        made.write(HELLO)
        ran = subprocess.run(
            [sys.executable, *TWISTD, *words, "hmsgw", "--dev", "--config", "routes.yaml",
             "--state-dir", made.state_dir, "--admin-port", str(made.admin_port)],
            env=made.environ, cwd=made.folder, timeout=60, check=False, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(os.path.join(made.folder, "twistd.pid"), encoding="ascii") as file:
            pid = int(file.read())
        self.addCleanup(_kill, pid)
        made.pid = pid
        made.stdout = made.stderr = os.path.join(made.folder, "twistd.log")
        eventually("the daemon is ready", lambda: made.admin("/ready")[0] == 200)
        return made

    def test_daemon(self) -> None:
        """The daemon has a pid file, logs JSON lines to twistd.log, goes on in a new file after a rotation, reloads on
        SIGHUP although its folder may be another, and ends on SIGTERM."""
        made = self.daemon()
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")
        eventually("the request is in the log", lambda: made.lines("request"))
        os.rename(made.stdout, made.stdout + ".1")
        os.kill(made.pid, signal.SIGUSR1)
        eventually("the log is opened again", lambda: os.path.exists(made.stdout))
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")
        eventually("the next request is in the new file", lambda: made.lines("request"))
        os.kill(made.pid, signal.SIGHUP)
        eventually("it has loaded again", lambda: made.metric("gateway_config_reloads_total", outcome="accepted") == 1)
        os.kill(made.pid, signal.SIGTERM)
        eventually("it has ended", lambda: not os.path.exists(os.path.join(made.folder, "twistd.pid")))

    def test_privileges(self) -> None:
        """With --uid it binds as root and serves as that user, who owns the state directory and can be reached."""
        if os.geteuid() != 0:
            raise SkipTest("only root can drop privileges")
        folder_open_to_all = self.gateway_to_start
        self.patch(self, "gateway_to_start", lambda *args: _passable(folder_open_to_all(*args)))
        made = self.daemon("--uid=65534", "--gid=65534")
        with open(f"/proc/{made.pid}/status", encoding="ascii") as file:
            self.assertIn("Uid:\t65534\t65534\t65534\t65534", file.read())
        self.assertEqual(os.stat(made.state_dir).st_uid, 65534)
        self.assertEqual(ask(made.port()), "HTTP/1.1 200 OK")
        self.assertEqual(made.command("reload").returncode, 0)
        os.kill(made.pid, signal.SIGTERM)
        eventually("it has ended", lambda: not os.path.exists(f"/proc/{made.pid}"))

    def test_second_signal(self) -> None:
        """A second SIGTERM does not wait for what still runs."""
        made = self.gateway(HELLO)
        assert made.child is not None
        with socket.create_connection(("127.0.0.1", made.port()), 10) as sock:
            sock.sendall(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n")
            made.child.send_signal(signal.SIGTERM)
            eventually("it drains", lambda: made.status().get("draining") or made.child.poll() is not None)
            made.child.send_signal(signal.SIGTERM)
            self.assertEqual(made.child.wait(10), 0)

    def test_demo(self) -> None:
        """The demo serves the tutorial's request with the token that it prints, and Ctrl-C ends it cleanly."""
        made = self.gateway_to_start()
        port = free_port()
        with open(made.stdout, "wb") as out, open(made.stderr, "wb") as err:
            made.child = subprocess.Popen(
                [sys.executable, "-m", "hmsgw", "demo", "--port", str(port), "--admin-port", str(made.admin_port)],
                stdout=out, stderr=err, env=made.environ, cwd=made.folder,
            )  # fmt: skip
        eventually("the demo is ready", lambda: made.admin("/ready")[0] == 200)
        token = next(line.split("=")[1] for line in made.output().splitlines() if line.strip().startswith("TOKEN="))
        url = f"https://localhost:{port}/clinics/85123"
        self.assertEqual(curl("-w", "%{http_code}", "-o", os.devnull, url), "401")
        answer = json.loads(curl("-H", f"Authorization: Bearer {token}", url))
        self.assertEqual(answer, {"clinic_id": "85123", "vaccines": ["Flu", "COVID-19"]})
        made.child.send_signal(signal.SIGINT)
        self.assertEqual(made.child.wait(20), 0)
        self.assertEqual(made.errors(), "hms-gateway demo: stopped\n")


def curl(*words: str) -> str:
    """What curl prints."""
    ran = subprocess.run(["curl", "-ks", "--max-time", "20", *words], capture_output=True, text=True, check=True)
    return ran.stdout


def _catches(status: str, number: int) -> bool:
    """A handler of its own is there for a signal (proc(5), SigCgt)."""
    with open(status, encoding="ascii") as file:
        caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


def _passable(gateway: Any) -> Any:
    os.chmod(gateway.folder, 0o755)
    return gateway


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
