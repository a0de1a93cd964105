"""Plugins of an operator's own in the running gateway: faulty, slow, stubborn, and what they may do to a request."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.integration.asking import Answered, Wire
from tests.integration.origins import Origin
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports


@on_both_transports
class DropInTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin()
        self.addCleanup(self.behind.close)

    def serve(self, **plugins: str) -> Gateway:
        """A gateway with /NAME for each of these plugins, and /plain."""
        gateway = self.gateway_to_start()
        routes = ["- {path: /plain, service: web}"]
        for name, source in plugins.items():
            gateway.write(source, f"plugins/{name}.py")
            routes.append(f"- {{path: '/{name}/*', service: web, plugins: [{name.replace('_', '-')}]}}")
        self.routes = "\n".join(routes)
        gateway.start(self.config(), "--dev")
        return gateway

    def config(self) -> str:
        """For these routes."""
        return (
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"services: {{web: {{endpoints: ['{self.behind.url}']}}}}\nroutes:\n{self.routes}\n"
        )

    def get(self, gateway: Gateway, path: str, *fields: str) -> Answered:
        """One request."""
        with Wire(gateway.port()) as wire:
            return wire.get(path, *fields)

    def test_raises(self) -> None:
        """What a plugin raises is 500 plugin-error, its name and traceback are logged, and the gateway lives on."""
        self.expects_traceback = True
        gateway = self.serve(
            broken="def run(req):\n    return 1 / 0\n",
            late="async def on_response(req, resp):\n    resp.headers['X'] = {}['y']\n",
        )
        for name in ("broken", "late"):
            answer = self.get(gateway, f"/{name}/a")
            self.assertEqual((answer.status, answer.reason), (500, "plugin-error"))
            self.assertNotIn(b"Error", answer.body.replace(b"plugin-error", b""))
        self.assertEqual(self.get(gateway, "/plain").status, 200)
        told = eventually("both are logged", lambda: self.tracebacks(gateway, 2))
        self.assertIn("broken.py", told[0])
        self.assertIn("ZeroDivisionError", told[0])
        self.assertIn("late.py", told[1])

    def tracebacks(self, gateway: Gateway, n: int) -> list[str]:
        """As they were logged, once there are n."""
        found = [json.dumps(line) for line in gateway.lines("log") if "Traceback" in json.dumps(line)]
        return found if len(found) >= n else []

    def test_never_returns(self) -> None:
        """A plugin that waits for ever is 500 plugin-error after its deadline, and holds nobody else up."""
        self.expects_traceback = True
        gateway = self.serve(
            waits="from twisted.internet.defer import Deferred\nasync def run(req):\n    await Deferred()\n"
        )
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /waits/a HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(self.get(gateway, "/plain").status, 200)
            answer = wire.answer()
            self.assertEqual((answer.status, answer.reason), (500, "plugin-error"))

    def test_refuses_and_answers(self) -> None:
        """HTTPError and Response, with fields and reasons, without an import."""
        gateway = self.serve(
            refuses="def run(req):\n    raise HTTPError(403, 'Tell us who you are', headers={'X-Why': 'no agency'})\n",
            answers="async def run(req):\n    return Response(202, {'X-By': 'plugin'}, b'done ' + await req.body())\n",
        )
        refused = self.get(gateway, "/refuses/a")
        self.assertEqual((refused.status, refused.reason, refused.field("x-why")), (403, "forbidden", "no agency"))
        self.assertEqual(json.loads(refused.body)["detail"], "Tell us who you are")
        with Wire(gateway.port()) as wire:
            for size in (0, 5, 70_000):
                wire.send(b"POST /answers/a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
                answer = wire.answer()
                self.assertEqual((answer.status, answer.field("x-by")), (202, "plugin"))
                self.assertTrue(answer.body == b"done " + b"x" * size)
        self.assertEqual(self.behind.got, [])

    def test_writes(self) -> None:
        """A plugin may write method, path, query and fields, and cannot smuggle by that."""
        gateway = self.serve(
            writes="def run(req):\n    req.path = '/x/../y'\n"
            "    req.query = 'q=1'\n    req.headers['X-Agency'] = 'cdc'\n",
            smuggles="def run(req):\n    req.headers['X-A'] = 'b\\r\\nX-Evil: 1'\n",
            climbs="def run(req):\n    req.path = '/a b HTTP/1.1\\r\\nX-Evil: 1'\n",
            cuts="def on_response(req, resp):\n    resp.headers['X-A'] = 'b\\r\\n\\r\\nX-Evil: 1'\n",
        )
        self.expects_traceback = True
        self.assertEqual(self.get(gateway, "/writes/a").status, 200)
        self.assertEqual((self.behind.got[0].target, self.behind.got[0].values("x-agency")), ("/y?q=1", ["cdc"]))
        for name in ("smuggles", "climbs", "cuts"):
            answer = self.get(gateway, f"/{name}/a")
            self.assertIn(answer.status, (200, 500))
            self.assertIsNone(answer.field("x-evil"))
        self.assertNotIn(b"\r\nX-Evil", self.behind.raw)

    def test_body_passes_on(self) -> None:
        """A body that a plugin has read reaches the service whole."""
        gateway = self.serve(reads="async def run(req):\n    req.headers['X-Size'] = str(len(await req.body()))\n")
        body = bytes(range(256)) * 400
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /reads/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 1000):
                wire.send(b"%x\r\n%b\r\n" % (len(body[at : at + 1000]), body[at : at + 1000]))
            wire.send(b"0\r\n\r\n")
            self.assertEqual(wire.answer().status, 200)
            self.assertEqual(wire.get("/plain").status, 200)
        self.assertTrue(self.behind.got[0].body == body)
        self.assertEqual(self.behind.got[0].values("x-size"), [str(len(body))])

    def test_body_too_large(self) -> None:
        """`await req.body()` is bounded: an endless body is 413, whatever the client says of its length."""
        gateway = self.serve(reads="async def run(req):\n    await req.body()\n")
        before = gateway.memory()
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /reads/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(2000):
                    wire.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            except OSError:
                pass
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 413 "))
        self.assertTrue(gateway.memory() - before < 40 << 20)
        self.assertEqual(self.behind.got, [])

    def test_state(self) -> None:
        """An unchanged plugin keeps its memory over a reload; a changed one is the new one at once."""
        counts = "n = 0\ndef run(req):\n    global n\n    n += 1\n    return Response(200, {}, f'%s {n}'.encode())\n"
        gateway = self.serve(counts=counts % "first")
        self.assertEqual([self.get(gateway, "/counts/a").body for _ in range(2)], [b"first 1", b"first 2"])
        self.assertEqual(gateway.reload(self.config() + "# changed\n").returncode, 0)
        self.assertEqual(self.get(gateway, "/counts/a").body, b"first 3")
        gateway.write(counts % "second", "plugins/counts.py")
        self.assertEqual(gateway.reload(self.config()).returncode, 0)
        self.assertEqual(self.get(gateway, "/counts/a").body, b"second 1")

    def test_slow_to_load(self) -> None:
        """A drop-in that takes long to import holds up its own reload, and no request."""
        gateway = self.serve(quick="def run(req): pass\n")
        gateway.write("import time\ntime.sleep(1.5)\ndef run(req): pass\n", "plugins/quick.py")
        gateway.write(self.config())
        slowest = 0.0
        with Wire(gateway.port()) as wire:
            words = [sys.executable, "-m", "hmsgw", "reload", "routes.yaml", "--state-dir", gateway.state_dir]
            with subprocess.Popen(words, env=gateway.environ, cwd=gateway.folder, stdout=subprocess.DEVNULL) as child:
                while child.poll() is None:
                    begun = time.monotonic()
                    self.assertEqual(wire.get("/plain").status, 200)
                    slowest = max(slowest, time.monotonic() - begun)
                    time.sleep(0.01)
        self.assertEqual(child.returncode, 0)
        self.assertLess(slowest, 1.2)
