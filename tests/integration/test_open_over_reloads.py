"""What is open stays open over a hundred reloads that leave its route as it was: a gRPC stream and a WebSocket.

Each reload is a SIGHUP, is waited for, and changes another route, which is asked before the open stream is used again.
"""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

from tests.integration.asking import Wire
from tests.integration.chat import Chat, dial
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports

RELOADS = 100
PATIENCE_S = 60


def talk(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
    """Says every message again, in capitals."""
    for request in requests:
        yield request.upper()


@on_both_transports
class OpenOverReloadsTests(GatewayCase):
    def begin(self, endpoint: str) -> None:
        """A gateway before this service; `self.config(n)` is its configuration of turn n."""
        self.endpoint = endpoint
        self.running = self.gateway(self.config(0))

    def config(self, turn: int) -> str:
        return (
            "listeners: [{address: 127.0.0.1, port: 0, tls: off}]\nregistry: {kind: none}\ndefaults: {plugins: []}\n"
            f"services: {{open: {{endpoints: ['{self.endpoint}']}}}}\nroutes:\n- {{path: /open/*, service: open}}\n"
            f"- {{path: /turn, service: open, plugins: [{{respond: {{status: 200, body: 'turn {turn}'}}}}]}}\n"
        )

    def reload_and(self, use: Callable[[int], None]) -> None:
        """A hundred times: another configuration is loaded, is served, and what is open still works."""
        gateway: Gateway = self.running
        use(0)
        with Wire(gateway.port()) as wire:
            for turn in range(1, RELOADS + 1):
                gateway.write(self.config(turn))
                os.kill(gateway.pid, signal.SIGHUP)
                served = b"turn %d" % turn
                eventually("the new configuration is served", lambda served=served: wire.get("/turn").body == served)
                use(turn)
        self.assertEqual(RELOADS, gateway.metric("gateway_config_reloads_total", outcome="accepted"))

    def test_grpc(self) -> None:
        """A bidirectional stream: one call from the first message to the last."""
        server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        handler = grpc.stream_stream_rpc_method_handler(talk)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("open", {"Talk": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(0).wait(PATIENCE_S))
        self.begin(f"http://127.0.0.1:{port}")
        channel = grpc.insecure_channel(f"127.0.0.1:{self.running.port()}", options=[("grpc.enable_http_proxy", 0)])
        self.addCleanup(channel.close)
        words: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        said = channel.stream_stream("/open/Talk")(iter(words.get, None), timeout=PATIENCE_S)

        def use(turn: int) -> None:
            words.put(b"word %d" % turn)
            self.assertEqual(b"WORD %d" % turn, next(said))

        self.reload_and(use)
        words.put(None)
        self.assertEqual([], list(said))
        self.assertIs(grpc.StatusCode.OK, said.code())
        lines = self.lines_of("/open/Talk")
        self.assertEqual([(200, "")], [(line["status"], line["reason"]) for line in lines])

    def test_websocket(self) -> None:
        """A WebSocket: one opening, and the service hears how it ends."""
        service = Chat()
        self.addCleanup(service.close)
        self.begin(f"http://127.0.0.1:{service.port}")
        client = dial(self.running.port(), "/open/chat")
        self.addCleanup(client.socket.close)

        def use(turn: int) -> None:
            client.send(f"word {turn}")
            self.assertEqual(f"word {turn}", client.recv(PATIENCE_S))

        self.reload_and(use)
        client.close(4001, "bye")
        eventually("the service hears why", lambda: service.ended == [(4001, "bye")])
        self.assertEqual([101], [line["status"] for line in self.lines_of("/open/chat")])

    def lines_of(self, path: str) -> list[dict[str, Any]]:
        """What was logged of the requests for this path; one at least."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.running.lines("request") if line["path"] == path]

        return list(eventually("it is logged", found))
