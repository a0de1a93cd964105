"""Listening sockets, and accepting from them.

Knows: binding before privileges drop, accepting in batches, handshakes that are under way, and what to do when there
are no descriptors left. Refuses to know: HTTP and certificates' content. Strategy: we accept ourselves, on either
event loop's readiness, take a PROXY header off where there has to be one, and hand each socket over: to uvloop's
transports where uvloop runs, else to Twisted's own.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from hmsgw.config.model import Listener
from hmsgw.transport.client_certificate import CertificateGate, Refusing
from hmsgw.transport.handshakes import handshake_fault, handshake_late
from hmsgw.transport.loops import uvloop_of
from hmsgw.transport.proxy_header import FROM_ELSEWHERE, PROXY_HEADER, PROXY_SOURCE, Gone, Sources, take_header
from hmsgw.transport.stock import StockServing, connection_waits
from hmsgw.transport.tls import ServerTls
from hmsgw.transport.uv_transport import UvTransport, loop_failure
from hmsgw.wire.proxy_protocol import BadProxyHeader

_log = Logger()

_BATCH = 64
_MOST_WAITING = 4096
_BACK_OFF_S = 0.1
#: How long a client may take to read what is left and to answer our close_notify. A Protocol's own deadline may be
#: shorter.
_GOODBYE_S = 60.0
#: accept(2) gives the connection's own errors too: that one is gone, the next may be good.
_ITS_OWN = (
    errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
)  # fmt: skip


class BindError(Exception):
    """An address can't be listened on; one sentence that says what to do. place: (address, port)."""

    def __init__(self, sentence: str, place: tuple[str, int]) -> None:
        super().__init__(sentence)
        self.place = place


class _NotLetIn(Exception):
    """Whoever had to be told has been."""


def open_socket(address: str, port: int, backlog: int = _MOST_WAITING) -> socket.socket:
    """A bound, listening, non-blocking socket. `::` listens on IPv4 too, and falls back to 0.0.0.0 where the host has
    no IPv6. Raises BindError."""
    try:
        return _bound(address, port, backlog)
    except OSError as error:
        if address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return open_socket("0.0.0.0", port, backlog)
        raise BindError(_why_not(address, port, error), (address, port)) from None


def _bound(address: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        # Accepted connections inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address, port))
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _why_not(address: str, port: int, error: OSError) -> str:
    where = f"address {address} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; stop that one, or choose another port with --port or in the file"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where} may not be opened by this user; start as root with --uid, or use a port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is no address of this host; name one that is, or 0.0.0.0"
    return f"{where} can't be opened: {error.strerror}"


class Serving:
    """A socket that is accepted from by uvloop. handshaking: how many have their PROXY header or TLS under way, at
    most `max_pending`."""

    def __init__(
        self,
        loop: Any,
        sock: socket.socket,
        new_protocol: Callable[[], Any],
        tls: ServerTls | None,
        max_pending: int,
        handshake_timeout_s: float,
        refused: Refusing,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._new_protocol = new_protocol
        self._tls = tls
        self._max_pending = max_pending
        self._handshake_timeout_s = handshake_timeout_s
        self._tell_refused = refused
        self._sources: Sources | None = None
        self._tasks: set[Any] = set()
        self._retry: Any = None
        self._short = False
        self.refused = 0
        loop.set_exception_handler(loop_failure)
        loop.add_reader(sock.fileno(), self._accept)

    @property
    def handshaking(self) -> int:
        return len(self._tasks)

    @property
    def address(self) -> tuple[str, int]:
        name = self._sock.getsockname()
        return (name[0], name[1])

    def set_tls(self, tls: ServerTls | None) -> None:
        """For connections from now on; those that are open keep what they have."""
        self._tls = tls

    def set_sources(self, sources: Sources | None) -> None:
        """Who sends a PROXY header from now on, and has to; None: nobody does."""
        self._sources = sources

    def take_waiting(self) -> None:
        """Accept what waits: to its client each of these is a connection that is open already."""
        for _ in range(_MOST_WAITING // _BATCH):
            if self._retry is not None or not connection_waits(self._sock):
                return
            self._accept()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections go on."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                connection, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _ITS_OWN:
                    continue
                self._back_off(error)
                return
            self._short = False
            if len(self._tasks) >= self._max_pending:
                self.refused += 1
                connection.close()
                continue
            task = self._loop.create_task(self._hand_over(connection, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _back_off(self, error: OSError) -> None:
        """Descriptors or memory have run out: readiness would come again at once, and for ever."""
        if not self._short:
            self._short = True
            _log.error("connections wait, none can be accepted now: {why}", why=error.strerror)
        self._loop.remove_reader(self._sock.fileno())
        self._retry = self._loop.call_later(_BACK_OFF_S, self._accept_again)

    def _accept_again(self) -> None:
        self._retry = None
        self._loop.add_reader(self._sock.fileno(), self._accept)

    async def _hand_over(self, connection: socket.socket, peer: Any) -> None:
        announced = None
        if self._sources is not None:
            try:
                announced = await self._header(connection, peer)
            except BaseException as error:
                connection.close()
                if isinstance(error, (_NotLetIn, OSError)):
                    return
                raise
        client = peer[0] if announced is None else announced.host
        tls = self._tls
        how: dict[str, Any] = {}
        new_protocol = self._new_protocol
        if tls is not None:
            how = {
                "ssl": tls.context,
                "ssl_handshake_timeout": self._handshake_timeout_s,
                "ssl_shutdown_timeout": _GOODBYE_S,
            }
            if tls.clients is not None:
                new_protocol = self._gate

        def new_transport() -> UvTransport:
            made = UvTransport(new_protocol())
            made.announced = announced
            return made

        try:
            await self._loop.connect_accepted_socket(new_transport, connection, **how)
        except (OSError, asyncio.TimeoutError) as error:
            connection.close()
            late = isinstance(error, (ConnectionAbortedError, asyncio.TimeoutError))
            fault = handshake_late(self._handshake_timeout_s) if tls is not None and late else handshake_fault(error)
            if fault is not None:
                self._tell_refused(client, *fault)
                return
            _log.debug(
                "the connection of {peer} ended before it began: {why}",
                peer=client, why=str(error) or type(error).__name__,
            )  # fmt: skip
        except BaseException:
            connection.close()
            raise

    async def _header(self, connection: socket.socket, peer: Any) -> Any:
        """The address that is announced, None for the peer's own. Raises _NotLetIn, OSError."""
        if self._sources is None or peer[0] not in self._sources:
            self._tell_refused(peer[0], PROXY_SOURCE, FROM_ELSEWHERE)
            raise _NotLetIn
        try:
            return await take_header(self._loop, connection, self._handshake_timeout_s)
        except BadProxyHeader as error:
            self._tell_refused(peer[0], PROXY_HEADER, str(error))
            raise _NotLetIn from None
        except Gone:
            raise _NotLetIn from None

    def _gate(self) -> CertificateGate:
        return CertificateGate(self._new_protocol, self._tell_refused)


def serve(
    reactor: Any,
    sock: socket.socket,
    new_protocol: Callable[[], Any],
    tls: ServerTls | None,
    *,
    max_pending: int,
    handshake_timeout_s: float,
    refused: Refusing,
) -> Any:
    """Accept from `sock` until `stop_accepting`. new_protocol: makes a Twisted Protocol for each connection. refused:
    told of each client that is not let in for what it is, once."""
    loop = uvloop_of(reactor)
    if loop is None:
        return StockServing(reactor, sock, new_protocol, tls, max_pending, handshake_timeout_s, refused)
    return Serving(loop, sock, new_protocol, tls, max_pending, handshake_timeout_s, refused)


def sources_of(listener: Listener) -> Sources | None:
    """Whose PROXY headers a listener takes; None where there are none."""
    return Sources(listener.proxy_from) if listener.proxy_protocol == "required" else None
