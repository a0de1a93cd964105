"""Making a connection on uvloop.

Knows: that an address needs no look-up, that a name is looked up in uvloop's threads and may have several addresses.
Refuses to know: what a failure is called. Strategy: the addresses of a name are tried a quarter of a second apart, the
two families in turn, and the first that answers is it (RFC 8305).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address

from hmsgw.transport.uv_transport import UvTransport

_STAGGER_S = 0.25
#: How long a backend may take to answer our close_notify.
_GOODBYE_S = 5.0


async def connect_uv(
    loop: Any, new_protocol: Callable[[], Any], host: str, port: int, context: ssl.SSLContext | None, name: str,
    first: bytes = b"",
) -> Any:  # fmt: skip
    """A connected Protocol. name: that the certificate must carry. first: goes out before TLS. Raises OSError
    (ssl.SSLError is one)."""
    protocol = new_protocol()
    adapter = UvTransport(protocol)
    where: dict[str, Any] = {}
    if context is not None:
        where = {"ssl": context, "server_hostname": name, "ssl_shutdown_timeout": _GOODBYE_S}
    if not first and (isIPAddress(host) or isIPv6Address(host)):
        where.update(host=host, port=port)
    else:
        where["sock"] = await _first_to_answer(loop, host, port)
    try:
        if first:
            await loop.sock_sendall(where["sock"], first)
        await loop.create_connection(lambda: adapter, **where)
    except BaseException:
        if "sock" in where:
            where["sock"].close()
        raise
    if not adapter.made:
        raise ConnectionResetError("the connection was closed during the handshake")
    return protocol


async def _first_to_answer(loop: Any, host: str, port: int) -> socket.socket:
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    by_family: dict[int, list[Any]] = {}
    for family, _, _, _, address in found:
        by_family.setdefault(family, []).append((family, address))
    waiting = [one for one in chain.from_iterable(zip_longest(*by_family.values())) if one is not None]
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_tcp(loop, *waiting.pop(0))))
            patience_s = _STAGGER_S if waiting else None
            done, running = await asyncio.wait(running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            answered = [task.result() for task in done if task.exception() is None]
            for spare in answered[1:]:
                spare.close()
            if answered:
                return answered[0]
            failures += [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in running:
            task.cancel()
    refused = [error for error in failures if isinstance(error, ConnectionRefusedError)]
    raise (refused or failures or [OSError(f"{host} has no address")])[0]


async def _tcp(loop: Any, family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
