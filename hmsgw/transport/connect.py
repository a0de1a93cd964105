"""Connections to backends.

Knows: that one is made within its time, with TLS verified; and what to call each way to fail. Refuses to know: who
asks, and pools; how either event loop does it (`uv_connect`, `stock_connect`). Strategy: every failure becomes
ConnectFailed at this border; cancelling the Deferred gives the attempt up; TLS settings are made ready in a thread,
once, because trust stores are files.
"""

from __future__ import annotations

import asyncio
import builtins
import socket
import ssl
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from hmsgw.transport.loops import uvloop_of
from hmsgw.transport.pem import BadCertificate
from hmsgw.transport.stock_connect import connect_stock, stock_client_tls
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.uv_connect import connect_uv
from hmsgw.transport.uv_transport import loop_failure

#: TLS settings that are kept ready: one a service, or a name.
_MAX_READY = 1024


class ConnectFailed(Exception):
    """No connection. kind: `refused`, `timeout`, `name`, `tls` or `unreachable`; the text is one sentence."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Connector:
    """Makes connections on one reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._loop = uvloop_of(reactor)
        self._ready: dict[Any, Any] = {}
        if self._loop is not None:
            self._loop.set_exception_handler(loop_failure)

    def connect(
        self,
        new_protocol: Callable[[], Any],
        host: str,
        port: int,
        tls: ClientTls | None,
        timeout_s: float,
        first: bytes = b"",
    ) -> Deferred[Any]:
        """A connected Protocol, once TLS (if any) has been verified. first: goes out before everything else. Fails with
        ConnectFailed; may be cancelled."""
        if tls is None:
            deferred = self._attempt(None, new_protocol, host, port, "", first)
        else:
            name = tls.name or host
            deferred = self._made_ready(tls, name)
            deferred.addCallback(self._attempt, new_protocol, host, port, name, first)
        deferred.addTimeout(timeout_s, self._reactor)
        return deferred.addErrback(_told, f"{host} port {port}", timeout_s, tls is not None)

    def _made_ready(self, tls: ClientTls, name: str) -> Deferred[Any]:
        """The event loop's own form of `tls`."""
        key = tls if self._loop is not None else (tls, name)
        ready = self._ready.get(key)
        made: Deferred[Any] = Deferred()
        if ready is not None:
            made.callback(ready)
            return made
        make = tls.context if self._loop is not None else lambda: stock_client_tls(tls, name)
        made = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), make)
        return made.addCallback(self._keep, key)

    def _keep(self, ready: Any, key: Any) -> Any:
        if len(self._ready) >= _MAX_READY:
            self._ready.clear()
        self._ready[key] = ready
        return ready

    def _attempt(
        self, ready: Any, new_protocol: Callable[[], Any], host: str, port: int, name: str, first: bytes
    ) -> Deferred[Any]:
        if self._loop is None:
            return connect_stock(self._reactor, new_protocol, host, port, ready, first)
        return _deferred(self._loop.create_task(connect_uv(self._loop, new_protocol, host, port, ready, name, first)))


def _deferred(task: asyncio.Task[Any]) -> Deferred[Any]:
    """A task's result; one that comes after the Deferred was cancelled is closed."""

    def give_up(_: Any) -> None:
        task.cancel()

    deferred: Deferred[Any] = Deferred(give_up)

    def done(_: Any) -> None:
        error = CancelledError() if task.cancelled() else task.exception()
        if deferred.called:
            if error is None:
                task.result().transport.abortConnection()
        elif error is not None:
            deferred.errback(Failure(error))
        else:
            deferred.callback(task.result())

    task.add_done_callback(done)
    return deferred


def _told(failure: Failure, where: str, timeout_s: float, secured: bool) -> Any:
    error = failure.value
    if isinstance(error, (TimeoutError, ConnectTimeout, asyncio.TimeoutError, builtins.TimeoutError)):
        raise ConnectFailed("timeout", f"{where} did not answer within {timeout_s:g} s") from None
    # ValueError, UnicodeError among them: a name that no look-up takes, which a registry may well deliver.
    if isinstance(error, (socket.gaierror, DNSLookupError, ValueError)) and not isinstance(error, ssl.SSLError):
        raise ConnectFailed("name", f"the name in {where} can't be looked up: {error}") from None
    if isinstance(error, (ssl.SSLError, SSL.Error, BadCertificate, VerificationError, CertificateError)):
        raise ConnectFailed("tls", f"TLS with {where} failed: {_tls_words(error)}") from None
    if isinstance(error, (ConnectionRefusedError, builtins.ConnectionRefusedError)):
        raise ConnectFailed("refused", f"{where} refused the connection") from None
    if secured and isinstance(error, (ConnectionError, ConnectionClosed)):
        raise ConnectFailed("tls", f"TLS with {where} failed: it closed the connection during the handshake") from None
    if isinstance(error, (OSError, ConnectError, ConnectionClosed)):
        raise ConnectFailed("unreachable", f"{where} can't be reached: {error}") from None
    return failure  # cancelled, or a fault of ours


def _tls_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, SSL.Error):
        queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
        return "; ".join(str(entry[-1]) for entry in queue) or "it closed the connection during the handshake"
    if isinstance(error, (VerificationError, CertificateError)):
        return "its certificate is refused: it is for another name"
    return str(error)
