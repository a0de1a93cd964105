"""WebSocket by the `websockets` package: a service that echoes messages, and clients that wait for each echo.

Knows: that package. Refuses to know: whom it talks through. Strategy: as `bench.echo_grpc`:
`python -m bench.echo_websocket serve PORT`, `python -m bench.echo_websocket talk URL CERTIFICATE TOKEN CLIENTS
SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import WebSocketException

from bench.origin import SMALL

_MESSAGE = SMALL.decode()


async def _echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def listen(port: int) -> None:
    """Until it is ended."""
    async with serve(_echo, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


async def talk(url: str, certificate: str, token: str, clients: int, seconds: float) -> dict[str, float]:
    """Echoes that came back to so many clients, as `load.Counted` counts them."""
    context = ssl.create_default_context(cafile=certificate)
    counted = {"requests": 0, "socket_errors": 0}
    ends = time.monotonic() + seconds

    async def one() -> None:
        fields = {"Authorization": f"Bearer {token}"}
        try:
            async with connect(
                url, ssl=context, server_hostname="localhost", compression=None, proxy=None, additional_headers=fields
            ) as socket:
                while time.monotonic() < ends:
                    await socket.send(_MESSAGE)
                    if await socket.recv() != _MESSAGE:
                        counted["socket_errors"] += 1
                        return
                    counted["requests"] += 1
        except (OSError, WebSocketException):
            counted["socket_errors"] += 1

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(clients)))
    return {**counted, "duration_us": (time.monotonic() - began) * 1e6}


def main(words: list[str]) -> None:
    if words[0] == "serve":
        uvloop.run(listen(int(words[1])))
    else:
        url, certificate, token, clients, seconds = words[1:]
        print(json.dumps(uvloop.run(talk(url, certificate, token, int(clients), float(seconds)))))


if __name__ == "__main__":
    main(sys.argv[1:])
