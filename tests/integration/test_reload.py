"""What a reload must not touch: connections, requests that run, counters; and what a faulty one must leave alone."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable

from tests.integration.asking import Closed, Wire
from tests.integration.origins import HeldOrigin
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports

LISTENER = "{name: public, address: 127.0.0.1, port: 0, tls: off}"


def certificate(folder: str, name: str) -> str:
    """Make a self-signed certificate NAME.pem with its key. Returns the listener's `tls:`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", os.path.join(folder, f"{name}.key"), "-out", os.path.join(folder, f"{name}.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return f"{{certificates: [{{certificate: {name}.pem, key: {name}.key}}]}}"


def common_name(wire: Wire) -> str:
    """Of the certificate that was shown on a connection."""
    from cryptography import x509

    assert isinstance(wire.sock, ssl.SSLSocket)
    shown = wire.sock.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).subject.rfc4514_string()


@on_both_transports
class ReloadTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = HeldOrigin()
        self.addCleanup(self.behind.close)

    def config(self, *routes: str, listeners: str = LISTENER) -> str:
        """A configuration with /slow and these routes."""
        text = f"listeners: [{listeners}]\nservices: {{web: {{endpoints: ['{self.behind.url}']}}}}\nroutes:\n"
        return text + "\n".join(["- {path: '/slow/*', service: web}", *routes]) + "\n"

    def reloaded(self, gateway: Gateway, config: str) -> None:
        """The reload has to be accepted."""
        done = gateway.reload(config)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_kept_alive(self) -> None:
        """An idle connection lives on, and its next request is answered by the new configuration."""
        gateway = self.gateway(self.config("- {path: /old, service: web}"))
        with Wire(gateway.port()) as wire:
            self.assertEqual(wire.get("/old").status, 200)
            self.reloaded(gateway, self.config("- {path: /new, service: web}"))
            self.assertEqual(wire.get("/new").status, 200)
            self.assertEqual(wire.get("/old").status, 404)

    def test_running_request(self) -> None:
        """A request that runs is answered by the route it began with, though that has gone; pipelined ones too."""
        gateway = self.gateway(self.config())
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /slow/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /slow/2 HTTP/1.1\r\nHost: a\r\n\r\n")
            eventually("the origin has the request", lambda: self.behind.connections)
            self.reloaded(gateway, self.config().replace("/slow/*", "/gone/*"))
            self.behind.held.set()
            first = wire.answer()
            self.assertEqual((first.status, b"/slow/1" in first.body), (200, True))
            self.assertIn(wire.answer().status, (200, 404))
            self.assertEqual(wire.get("/slow/3").status, 404)

    def test_running_upload(self) -> None:
        """A body that is half sent goes on to the service it was for, though the service has gone from the file."""
        gateway = self.gateway(self.config("- {path: /up, service: web}"))
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
            eventually("the origin has begun to read", lambda: self.behind.body_seen == 5)
            self.reloaded(gateway, f"listeners: [{LISTENER}]\nroutes: []\n")
            wire.send(b"67890")
            self.assertEqual(wire.answer().status, 200)
        self.assertEqual(self.behind.got[-1].body, b"1234567890")

    def test_counters(self) -> None:
        """What was counted stays counted; a changed limit keeps the count."""
        route = "- {path: /few, service: web, plugins: [{rate: {limit: 3, per: 1m, key: ip}}]}"
        gateway = self.gateway(self.config(route))
        with Wire(gateway.port()) as wire:
            self.assertEqual([wire.get("/few").status for _ in range(2)], [200, 200])
            self.reloaded(gateway, self.config(route, "- {path: /other, service: web}"))
            self.assertEqual([wire.get("/few").status for _ in range(2)], [200, 429])

    def test_named_set_up_keeps_its_count(self) -> None:
        """A set-up whose limit is raised goes on from where it was."""
        named = "plugins: {few: {plugin: rate, limit: %d, per: 1m, key: ip}}\n"
        route = "- {path: /few, service: web, plugins: [few]}"
        gateway = self.gateway(named % 2 + self.config(route))
        with Wire(gateway.port()) as wire:
            self.assertEqual([wire.get("/few").status for _ in range(3)], [200, 200, 429])
            self.reloaded(gateway, named % 3 + self.config(route))
            self.assertEqual([wire.get("/few").status for _ in range(2)], [200, 429])

    def test_shorthand_keeps_its_count(self) -> None:
        """So does a shorthand, and options without a name."""
        for uses in ("[rate-%dip]", "[{rate: {limit: %d, per: 1m}}]", "[quota-%dip]"):
            route = f"- {{path: /few, service: web, plugins: {uses}}}"
            gateway = self.gateway("defaults: {plugins: []}\n" + self.config(route % 2))
            with Wire(gateway.port()) as wire:
                self.assertEqual([wire.get("/few").status for _ in range(3)], [200, 200, 429])
                self.reloaded(gateway, "defaults: {plugins: []}\n" + self.config(route % 3))
                self.assertEqual([wire.get("/few").status for _ in range(2)], [200, 429])

    def test_faulty_file(self) -> None:
        """A fault is told, with its place, to the caller (exit 1), the log and the metric; nothing changes."""
        gateway = self.gateway(self.config("- {path: /old, service: web}"))
        before = gateway.status()
        with Wire(gateway.port()) as wire:
            refused = gateway.reload(self.config("- {path: /new, service: web, plugins: [{rate: {limit: many}}]}"))
            self.assertEqual(refused.returncode, 1)
            self.assertRegex(refused.stderr, r"(?m)^\S*routes\.yaml:5:\d+: ")
            self.assertIn("nothing has changed", refused.stderr)
            self.assertEqual((wire.get("/old").status, wire.get("/new").status), (200, 404))
        self.assertEqual(gateway.metric("gateway_config_reloads_total", outcome="refused"), 1)
        self.assertEqual(gateway.metric("gateway_config_reloads_total", outcome="accepted"), 0)
        eventually("the log has it", lambda: [
            line for line in gateway.lines("log") if line["level"] == "error" and "routes.yaml:5:" in line["message"]
        ])  # fmt: skip
        self.assertEqual(gateway.status()["digest"], before["digest"])

    def test_faulty_plugin(self) -> None:
        """A drop-in that can't be compiled is refused with its own file and line; the one that runs goes on."""
        gateway = self.gateway_to_start()
        gateway.write("def run(req):\n    raise HTTPError(418, 'first')\n", "plugins/tea.py")
        config = self.config("- {path: /tea, service: web, plugins: [tea]}")
        gateway.start(config, "--dev")
        gateway.write("def run(req):\n    raise HTTPError(418\n", "plugins/tea.py")
        refused = gateway.reload(config)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"tea\.py:2:")
        with Wire(gateway.port()) as wire:
            self.assertEqual(wire.get("/tea").status, 418)
            gateway.write("def run(req):\n    raise HTTPError(410, 'second')\n", "plugins/tea.py")
            self.reloaded(gateway, config)
            self.assertEqual(wire.get("/tea").status, 410)

    def test_no_file(self) -> None:
        """A file that is not there is a sentence with its name; nothing changes."""
        gateway = self.gateway(self.config("- {path: /old, service: web}"))
        refused = gateway.command("reload", "absent.yaml")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("absent.yaml", refused.stderr)
        with Wire(gateway.port()) as wire:
            self.assertEqual(wire.get("/old").status, 200)

    def test_listener_comes_and_goes(self) -> None:
        """A new listener opens; one that is left out stops accepting, and what runs on it is answered."""
        more = free_port()
        both = f"{LISTENER}, {{name: more, address: 127.0.0.1, port: {more}, tls: off}}"
        gateway = self.gateway(self.config("- {path: /old, service: web}"))
        self.reloaded(gateway, self.config("- {path: /old, service: web}", listeners=both))
        with Wire(more) as wire:
            self.assertEqual(wire.get("/old").status, 200)
            wire.send(b"GET /slow/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            eventually("the origin has the request", lambda: self.behind.connections > 1 or len(self.behind.raw) > 200)
            self.reloaded(gateway, self.config("- {path: /old, service: web}"))
            with self.assertRaises(ConnectionRefusedError):
                Wire(more)
            self.behind.held.set()
            self.assertEqual(wire.answer().status, 200)
            self.assertEqual(wire.rest(), b"")
        with Wire(gateway.port()) as wire:
            self.assertEqual(wire.get("/old").status, 200)

    def test_address_in_use(self) -> None:
        """A listener whose address somebody else has refuses the reload, naming the address; nothing changes."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        more = f"{LISTENER}, {{name: more, address: 127.0.0.1, port: {taken.getsockname()[1]}, tls: off}}"
        gateway = self.gateway(self.config("- {path: /old, service: web}"))
        refused = gateway.reload(self.config("- {path: /new, service: web}", listeners=more))
        self.assertEqual(refused.returncode, 1)
        self.assertIn(str(taken.getsockname()[1]), refused.stderr)
        with Wire(gateway.port()) as wire:
            self.assertEqual((wire.get("/old").status, wire.get("/new").status), (200, 404))

    def movable(self) -> tuple[Gateway, int, Callable[..., str]]:
        """A gateway on 127.0.0.1, its port, and its configuration at other addresses of listener and admin port."""
        gateway = self.gateway_to_start()
        port, admin = free_port(), gateway.admin_port

        def config(address: str, admin_at: str = "127.0.0.1") -> str:
            listener = f"{{name: public, address: '{address}', port: {port}, tls: off}}"
            return self.config(listeners=listener) + f"admin: {{address: '{admin_at}', port: {admin}}}\n"

        gateway.start(config("127.0.0.1"), "--dev", own_admin=True)
        return gateway, port, config

    def test_overlapping_address(self) -> None:
        """An address that overlaps the old one takes its port over, either way; what runs on the old one is answered.
        The admin port does the same."""
        gateway, port, config = self.movable()
        admin = gateway.admin_port
        for address, admin_at in (("0.0.0.0", "0.0.0.0"), ("127.0.0.1", "127.0.0.1"), ("::", "::")):
            with Wire(port) as wire:
                wire.send(b"GET /slow/1 HTTP/1.1\r\nHost: a\r\n\r\n")
                self.behind.held.clear()
                self.reloaded(gateway, config(address, admin_at))
                self.behind.held.set()
                self.assertEqual(wire.answer().status, 200)
            with Wire(port) as new, Wire(admin) as metrics:
                self.assertEqual((new.get("/x").status, metrics.get("/health").status), (404, 200))

    def test_overlapping_address_refused(self) -> None:
        """When another program is in the way, the old address listens again: for the listener, and for the admin
        port, whose failure also gives the listener its place back."""
        gateway, port, config = self.movable()
        admin = gateway.admin_port
        for taken_port in (port, admin):
            with socket.create_server(("127.0.0.2", taken_port)), Wire(port) as wire:
                refused = gateway.reload(config("0.0.0.0", "0.0.0.0"))
                self.assertEqual(refused.returncode, 1)
                self.assertIn(f"port {taken_port} is in use by another program", refused.stderr)
                with Wire(port) as new, Wire(admin) as metrics:
                    self.assertEqual((new.get("/x").status, metrics.get("/health").status), (404, 200))
                self.assertEqual(wire.get("/x").status, 404)
        self.reloaded(gateway, config("0.0.0.0", "0.0.0.0"))

    def advice(self, gateway: Gateway, config: str) -> str:
        """Of a reload that is refused."""
        refused = gateway.reload(config)
        self.assertEqual(refused.returncode, 1)
        return next(line for line in refused.stderr.splitlines() if line.startswith("next: "))

    def test_next_command(self) -> None:
        """Every refused reload prints a command that helps: to see the fault, to try again, to start otherwise."""
        gateway = self.gateway_to_start()
        gateway.start("routes: []\n", "--dev", "--port", "0", "--environment", "prod")
        advice = self.advice(gateway, "routes: []\nenvironment: staging\n")
        self.assertEqual(advice, f"next: hms-gateway check {gateway.config} --environment prod")
        seen = gateway.command(*advice.split()[2:])
        self.assertEqual((seen.returncode, ":2:14: " in seen.stderr), (1, True))
        advice = self.advice(gateway, self.config())
        start = f"start --dev --config {gateway.config} --state-dir {gateway.state_dir}"
        admin = f"--admin-port {gateway.admin_port}"
        self.assertEqual(advice, f"next: hms-gateway {start} {admin} --environment prod")

    def test_next_command_without_a_file(self) -> None:
        """Where there is no file, there is nothing to check: the command names one that is there, or shows them."""
        gateway = self.gateway(self.config())
        state = f"--state-dir {gateway.state_dir}"
        for name, advice in (("rotues.yaml", f"hms-gateway reload {gateway.config} {state}"), ("x.yaml", f"ls {gateway.folder}")):
            refused = gateway.command("reload", os.path.join(gateway.folder, name))
            self.assertIn("No such file or directory", refused.stderr)
            self.assertEqual(f"next: {advice}", refused.stderr.splitlines()[-1])

    def test_next_command_for_a_port(self) -> None:
        """When a port is taken, it is the same reload again."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        more = f"{LISTENER}, {{name: more, address: 127.0.0.1, port: {taken.getsockname()[1]}, tls: off}}"
        gateway = self.gateway(self.config())
        advice = self.advice(gateway, self.config(listeners=more))
        self.assertEqual(advice, f"next: hms-gateway reload {gateway.config} --state-dir {gateway.state_dir}")

    def test_own_port(self) -> None:
        """A port that the gateway itself holds for something else is not said to be another program's."""
        gateway = self.gateway(self.config())
        listener = f"{{name: public, address: 127.0.0.1, port: {gateway.admin_port}, tls: off}}"
        refused = gateway.reload(self.config(listeners=listener))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("in use by the admin port of this gateway", refused.stderr)

    def test_certificate_exchanged(self) -> None:
        """New connections see the new certificate; those that are open live on with the old one."""
        gateway = self.gateway_to_start()
        port = free_port()
        listener = f"{{name: public, address: 127.0.0.1, port: {port}, tls: "
        first, second = certificate(gateway.folder, "first"), certificate(gateway.folder, "second")
        gateway.start(self.config("- {path: /old, service: web}", listeners=listener + first + "}"), "--dev")
        with Wire(port, tls=True) as old:
            self.assertEqual((old.get("/old").status, common_name(old)), (200, "CN=first"))
            self.reloaded(gateway, self.config("- {path: /old, service: web}", listeners=listener + second + "}"))
            with Wire(port, tls=True) as new:
                self.assertEqual((new.get("/old").status, common_name(new)), (200, "CN=second"))
            self.assertEqual(old.get("/old").status, 200)

    def test_same_name_other_bytes(self) -> None:
        """A certificate renewed in place, under the same name, is taken by a reload of the same file."""
        gateway = self.gateway_to_start()
        port = free_port()
        tls = certificate(gateway.folder, "first")
        listener = f"{{name: public, address: 127.0.0.1, port: {port}, tls: {tls}}}"
        gateway.start(self.config(listeners=listener), "--dev")
        certificate(gateway.folder, "second")
        for kind in ("pem", "key"):
            os.replace(os.path.join(gateway.folder, f"second.{kind}"), os.path.join(gateway.folder, f"first.{kind}"))
        self.assertEqual(gateway.command("reload").returncode, 0)
        with Wire(port, tls=True) as new:
            self.assertEqual((new.get("/x").status, common_name(new)), (404, "CN=second"))

    def test_fifty_under_load(self) -> None:
        """Through fifty reloads under load no request fails, no connection is closed, and no file stays open."""
        routes = ["- {path: /old, service: web, plugins: [{rate: {limit: 1000000, per: 1m, key: ip}}]}"]
        configs = [self.config(*routes), self.config(*routes, "- {path: /more, service: web, plugins: [request-id]}")]
        gateway = self.gateway(configs[0])
        port = gateway.port()
        ended = threading.Event()
        wrong: list[object] = []
        served = [0, 0]

        def load(number: int) -> None:
            try:
                with Wire(port) as wire:
                    while not ended.is_set():
                        answer = wire.get("/old")
                        served[number] += 1
                        if answer.status != 200:
                            wrong.append(answer)
                        time.sleep(0.002)
            except (Closed, OSError, ValueError) as error:
                wrong.append(error)

        threads = [threading.Thread(target=load, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            accepted = [self.ask(gateway, configs[turn % 2]) for turn in range(10)]
            files, memory = gateway.files(), gateway.memory()
            accepted += [self.ask(gateway, configs[turn % 2]) for turn in range(50)]
            files_after, memory_after = gateway.files(), gateway.memory()
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual((wrong, accepted), ([], [True] * 60))
        self.assertTrue(min(served) > 60, served)
        self.assertTrue(files_after <= files + 2, (files, files_after))
        self.assertTrue(memory_after - memory < 10 << 20, (memory, memory_after))
        self.assertEqual(gateway.metric("gateway_config_reloads_total", outcome="accepted"), 60)
        self.assertEqual(gateway.metric("gateway_requests_total", route="/old", status="200"), sum(served))

    def ask(self, gateway: Gateway, config: str) -> bool:
        """A reload over the control socket, without the cost of a command."""
        from hmsgw.control.call import call
        from hmsgw.control.state import StateFolder

        gateway.write(config)
        return bool(call(StateFolder(gateway.state_dir), "reload", timeout_s=20, file=gateway.config)["accepted"])
