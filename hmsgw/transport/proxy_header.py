"""A PROXY header at the beginning of a connection, taken off before TLS or anything else.

Knows: who may send one, how it is read off a socket to its last byte and no further, in whatever pieces it comes.
Refuses to know: its grammar (`wire.proxy_protocol`) and what the client's address is for. Strategy: on uvloop from the
accepted socket itself, before a transport exists (bytes can't be pushed back into its TLS): what is peeked at and
belongs to the header is consumed, so that nothing wakes us twice. On Twisted's transports a Protocol in between.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address as TwistedIPv4
from twisted.internet.address import IPv6Address as TwistedIPv6
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from hmsgw.config.netkinds import address_of, network
from hmsgw.transport.become import become
from hmsgw.transport.client_certificate import Refusing
from hmsgw.wire.proxy_protocol import MAX_V2_BYTES, Announced, BadProxyHeader, read_proxy_header

PROXY_HEADER, PROXY_SOURCE = "proxy-header", "proxy-source"
"""The metric's words: a header that is none; one that comes from where nobody may send one."""

FROM_ELSEWHERE = "`proxy_from` does not hold this address: only those that it holds may connect here"


class Gone(Exception):
    """The other side closed before it had said anything, as a probe does."""


class Sources:
    """The networks that may send a header."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks = [network(cidr) for cidr in cidrs]

    def __contains__(self, host: str) -> bool:
        """host: an IP address, IPv4-mapped or not."""
        address = address_of(host)
        return address is not None and any(address in one for one in self._networks if one.version == address.version)


def announced_address(found: Announced) -> Any:
    """What `getPeer` gives from now on; None: what it gave before."""
    if found.source is None:
        return None
    host, port = found.source
    return TwistedIPv6("TCP", host, port) if ":" in host else TwistedIPv4("TCP", host, port)


async def take_header(loop: Any, sock: socket.socket, timeout_s: float) -> Any:
    """Take the header off an accepted socket. Returns as `announced_address`. Raises BadProxyHeader, Gone, OSError.
    Nobody else may read from the socket meanwhile."""
    sock.setblocking(False)  # accept(2) does not hand that down
    try:
        return announced_address(await asyncio.wait_for(_taken(loop, sock), timeout_s))
    except asyncio.TimeoutError:
        raise BadProxyHeader(late(timeout_s)) from None


async def _taken(loop: Any, sock: socket.socket) -> Announced:
    held = b""
    while True:
        try:
            data = sock.recv(MAX_V2_BYTES, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await _readable(loop, sock)
            continue
        if not data:
            if not held:
                raise Gone
            raise BadProxyHeader("the connection ended within its PROXY header")
        found = read_proxy_header(held + data)
        if found is not None:
            sock.recv(found.length - len(held))
            return found
        # All of it is header, so all of it can go.
        sock.recv(len(data))
        held += data


async def _readable(loop: Any, sock: socket.socket) -> None:
    waiting = loop.create_future()
    number = sock.fileno()
    loop.add_reader(number, lambda: waiting.done() or waiting.set_result(None))
    try:
        await waiting
    finally:
        loop.remove_reader(number)


def late(timeout_s: float) -> str:
    """A header that does not come."""
    return f"the PROXY header did not come within {timeout_s:g} s"


class HeaderFirst(Protocol):
    """Reads the header, then gives the connection to what `new_protocol` makes.

    over: called once, when the header is there or will never be. refused: told of one that is none.
    """

    def __init__(
        self, reactor: Any, timeout_s: float, new_protocol: Callable[[], Any], over: Callable[[], None],
        refused: Refusing,
    ) -> None:  # fmt: skip
        self._held = b""
        self._new_protocol = new_protocol
        self._over = over
        self._tell_refused = refused
        self._timeout_s = timeout_s
        self._deadline = reactor.callLater(timeout_s, self._late)

    def dataReceived(self, data: bytes) -> None:
        if not self._deadline.active():
            return
        held = self._held = self._held + data
        try:
            found = read_proxy_header(held)
        except BadProxyHeader as error:
            self._refuse(str(error))
            return
        if found is None:
            return
        self._end()
        transport: Any = self.transport
        address = announced_address(found)
        if address is not None:
            transport.getPeer = lambda: address
        become(transport, self._new_protocol())
        if len(held) > found.length:
            transport.protocol.dataReceived(held[found.length :])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline.active():
            if self._held:
                self._tell_refused(self._peer, PROXY_HEADER, "the connection ended within its PROXY header")
            self._end()

    @property
    def _peer(self) -> str:
        transport: Any = self.transport
        return str(transport.getPeer().host)

    def _end(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self._held = b""
        self._over()

    def _late(self) -> None:
        self._over()
        self._tell_refused(self._peer, PROXY_HEADER, late(self._timeout_s))
        self._abort()

    def _refuse(self, why: str) -> None:
        self._end()
        self._tell_refused(self._peer, PROXY_HEADER, why)
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
