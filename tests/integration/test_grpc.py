"""gRPC through the running gateway: grpcio's own client and server, over h2c on either side."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports

LARGE = 3 * 1024 * 1024
PATIENCE_S = 20


class Service:
    """What the backend does. cancelled: set when the caller of `hold` has gone. left_s: what it was told of the time."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.left_s: float | None = None

    def echo(self, request: bytes, context: Any) -> bytes:
        self.left_s = context.time_remaining()
        context.set_trailing_metadata((("x-end", "9"), ("x-raw-bin", b"\x00\xff")))
        sent = dict(context.invocation_metadata())
        return b"|".join((request, str(sent.get("x-word", "")).encode(), bytes(sent.get("x-data-bin", b""))))

    def count(self, request: bytes, context: Any) -> Iterator[bytes]:
        for n in range(int(request)):
            yield b"%d" % n

    def add(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(map(int, requests))

    def talk(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield request.upper()

    def fail(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("x-why", "because"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nicht so: \u00e4%")
        raise AssertionError

    def hold(self, request: bytes, context: Any) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        yield b"begun"
        self.cancelled.wait(PATIENCE_S)

    def handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler("test.Service", {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Add": grpc.stream_unary_rpc_method_handler(self.add),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Hold": grpc.unary_stream_rpc_method_handler(self.hold),
        })  # fmt: skip


@on_both_transports
class GrpcTests(GatewayCase):
    def setUp(self) -> None:
        self.service = Service()
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((self.service.handlers(),))
        self.upstream_port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.addCleanup(lambda: self.server.stop(0).wait(PATIENCE_S))

    def begin(self, routes: str = "- {path: /*, service: calls}") -> Gateway:
        gateway = self.gateway(
            "listeners: [{address: 127.0.0.1, port: 0, tls: off}]\nregistry: {kind: none}\nservices:\n"
            f"  calls: {{endpoints: [http://127.0.0.1:{self.upstream_port}]}}\n  empty: {{}}\nroutes:\n{routes}\n"
        )
        large = [("grpc.max_receive_message_length", 2 * LARGE), ("grpc.enable_http_proxy", 0)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{gateway.port()}", options=large)
        self.addCleanup(self.channel.close)
        return gateway

    def refused(self, method: str = "Echo", **how: Any) -> grpc.RpcError:
        """How a unary call ends that does not end well."""
        call = self.channel.unary_unary(f"/test.Service/{method}")
        return self.assertRaises(grpc.RpcError, call, b"x", **{"timeout": PATIENCE_S, **how})

    def test_unary(self) -> None:
        """Messages, metadata either way, `-bin` too, trailers that nobody announced, one connection for all."""
        gateway = self.begin()
        echo = self.channel.unary_unary("/test.Service/Echo")
        metadata = (("x-word", "w"), ("x-data-bin", b"\x01\x02"))
        answer, call = echo.with_call(b"hello", metadata=metadata, timeout=PATIENCE_S)
        self.assertEqual(b"hello|w|\x01\x02", answer)
        end = dict(call.trailing_metadata())
        self.assertEqual(("9", b"\x00\xff"), (end["x-end"], end["x-raw-bin"]))
        self.assertIs(grpc.StatusCode.OK, call.code())
        for n in range(20):
            self.assertEqual(b"%d||" % n, echo(b"%d" % n, timeout=PATIENCE_S))
        lines = eventually("it is logged", lambda: gateway.lines("request"))
        self.assertEqual(("h2", 200, "/test.Service/Echo"), tuple(lines[0][k] for k in ("protocol", "status", "path")))

    def test_streams(self) -> None:
        """All kinds of streaming, message by message."""
        self.begin()
        counted = self.channel.unary_stream("/test.Service/Count")(b"200", timeout=PATIENCE_S)
        self.assertEqual([b"%d" % n for n in range(200)], list(counted))
        added = self.channel.stream_unary("/test.Service/Add")(iter([b"%d" % n for n in range(200)]), timeout=PATIENCE_S)
        self.assertEqual(b"19900", added)
        said: list[bytes] = []

        def words() -> Iterator[bytes]:
            for n in range(20):
                yield b"w%d" % n
                eventually("the answer to the last word is there", lambda n=n: len(said) > n)

        for answer in self.channel.stream_stream("/test.Service/Talk")(words(), timeout=PATIENCE_S):
            said.append(answer)
        self.assertEqual([b"W%d" % n for n in range(20)], said)

    def test_many_small_messages(self) -> None:
        """A long talk in small messages, each with its windows and PINGs, is no flood."""
        self.begin()
        turn = threading.Semaphore(1)

        def words() -> Iterator[bytes]:
            for _ in range(6000):
                turn.acquire()
                yield b"w"

        count = 0
        for _ in self.channel.stream_stream("/test.Service/Talk")(words(), timeout=60):
            count += 1
            turn.release()
        self.assertEqual(6000, count)

    def test_large(self) -> None:
        """Messages larger than every window, both ways."""
        self.begin()
        body = os.urandom(LARGE)
        self.assertEqual(body + b"||", self.channel.unary_unary("/test.Service/Echo")(body, timeout=PATIENCE_S))

    def test_trailers_only(self) -> None:
        """A refusal of the service itself is its own: status, message, metadata; a method that is not there too. The
        log and the metrics know."""
        gateway = self.begin()
        error = self.refused("Fail")
        self.assertEqual((grpc.StatusCode.FAILED_PRECONDITION, "nicht so: \u00e4%"), (error.code(), error.details()))
        self.assertEqual("because", dict(error.trailing_metadata())["x-why"])
        self.assertIs(grpc.StatusCode.UNIMPLEMENTED, self.refused("Nothing").code())
        lines = eventually("both are logged", lambda: [*gateway.lines("request")][1:] and gateway.lines("request"))
        self.assertEqual([(200, 9), (200, 12)], [(line["status"], line["grpc_status"]) for line in lines])
        self.assertEqual(1, gateway.metric("gateway_grpc_calls_total", route="/*", service="calls", grpc_status="9"))

    def test_deadline(self) -> None:
        """The service hears what is left of the time, and a call that passes it ends as such."""
        self.begin("- {path: /test.Service/Hold, service: calls}\n- {path: /*, service: calls}")
        self.channel.unary_unary("/test.Service/Echo")(b"x", timeout=9)
        left_s = self.service.left_s
        assert left_s is not None
        self.assertTrue(0 < left_s <= 9, left_s)
        held = self.channel.unary_stream("/test.Service/Hold")(b"", timeout=1)
        error = self.assertRaises(grpc.RpcError, list, held)
        self.assertIs(grpc.StatusCode.DEADLINE_EXCEEDED, error.code())
        self.assertTrue(self.service.cancelled.wait(PATIENCE_S))

    def test_cancelled(self) -> None:
        """A caller that gives up is heard by the service."""
        gateway = self.begin()
        held = self.channel.unary_stream("/test.Service/Hold")(b"", timeout=PATIENCE_S)
        self.assertEqual(b"begun", next(held))
        held.cancel()
        self.assertTrue(self.service.cancelled.wait(PATIENCE_S))
        eventually("it is logged", lambda: [line for line in gateway.lines("request") if line["reason"] == "client-gone"])

    def test_refusals(self) -> None:
        """The gateway's own refusals are gRPC's: no token, too many, no endpoint, no route."""
        self.begin(
            "- {path: /test.Service/Echo, service: calls, plugins: [{jwt: {secret: 0123456789abcdef0123456789abcdef}}]}\n"
            "- {path: /test.Service/Count, service: calls, plugins: [rate-1ip]}\n"
            "- {path: /test.Service/Add, service: empty}\n"
        )
        self.assertIs(grpc.StatusCode.UNAUTHENTICATED, self.refused().code())
        list(self.channel.unary_stream("/test.Service/Count")(b"1", timeout=PATIENCE_S))
        error = self.refused("Count")
        self.assertIs(grpc.StatusCode.RESOURCE_EXHAUSTED, error.code())
        self.assertIn("retry-after", dict(error.trailing_metadata() or error.initial_metadata()))
        self.assertIs(grpc.StatusCode.UNAVAILABLE, self.refused("Add").code())
        self.assertIs(grpc.StatusCode.UNIMPLEMENTED, self.refused("Talk").code())

    def test_service_restarts(self) -> None:
        """A service that goes away takes its calls with it as UNAVAILABLE, and is found again."""
        self.begin()
        echo = self.channel.unary_unary("/test.Service/Echo")
        echo(b"x", timeout=PATIENCE_S)
        self.server.stop(0).wait(PATIENCE_S)
        self.assertIs(grpc.StatusCode.UNAVAILABLE, self.refused().code())
        again = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        again.add_generic_rpc_handlers((self.service.handlers(),))
        again.add_insecure_port(f"127.0.0.1:{self.upstream_port}")
        again.start()
        self.addCleanup(lambda: again.stop(0).wait(PATIENCE_S))

        def answered() -> bool:
            try:
                return bool(echo(b"y", timeout=2) == b"y||")
            except grpc.RpcError:
                return False

        eventually("it answers again", answered)
