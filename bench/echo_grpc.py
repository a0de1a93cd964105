"""gRPC by grpcio: a service that echoes a stream's messages, and callers that wait for each echo.

Knows: grpcio. Refuses to know: whom it talks through. Strategy: two small programs, so that each is a process of its
own: `python -m bench.echo_grpc serve PORT`, `python -m bench.echo_grpc talk HOST:PORT CERTIFICATE TOKEN CALLS SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from bench.origin import SMALL

METHOD = "/clinics.Clinics/Talk"


async def _echo(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def serve(port: int) -> None:
    """Until it is ended."""
    server = grpc.aio.server()
    _, service, method = METHOD.split("/")
    handlers = {method: grpc.stream_stream_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def talk(target: str, certificate: Path, token: str, calls: int, seconds: float) -> dict[str, float]:
    """Echoes that came back over so many calls at once, as `load.Counted` counts them."""
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.enable_http_proxy", 0)]
    counted = {"requests": 0, "socket_errors": 0}
    ends = time.monotonic() + seconds

    async def one(channel: grpc.aio.Channel) -> None:
        call = channel.stream_stream(METHOD)(metadata=(("authorization", f"Bearer {token}"),))
        try:
            while time.monotonic() < ends:
                await call.write(SMALL)
                if await call.read() != SMALL:
                    counted["socket_errors"] += 1
                    return
                counted["requests"] += 1
            await call.done_writing()
        except grpc.RpcError:
            counted["socket_errors"] += 1

    began = time.monotonic()
    async with grpc.aio.secure_channel(target, credentials, options) as channel:
        await asyncio.gather(*(one(channel) for _ in range(calls)))
    return {**counted, "duration_us": (time.monotonic() - began) * 1e6}


def main(words: list[str]) -> None:
    if words[0] == "serve":
        asyncio.run(serve(int(words[1])))
    else:
        target, certificate, token, calls, seconds = words[1:]
        print(json.dumps(asyncio.run(talk(target, Path(certificate), token, int(calls), float(seconds)))))


if __name__ == "__main__":
    main(sys.argv[1:])
