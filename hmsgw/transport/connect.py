"""Connections to backends.

Knows: how one is made on either event loop, within its time, with TLS verified; and what to call each way to fail.
Refuses to know: who asks, and pools. Strategy: every failure becomes ConnectFailed at this border; cancelling the
Deferred gives the attempt up.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure

from hmsgw.transport.loops import uvloop_of
from hmsgw.transport.pem import BadCertificate
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.uv_transport import UvTransport, loop_failure


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
        if self._loop is not None:
            self._loop.set_exception_handler(loop_failure)

    def connect(
        self, new_protocol: Callable[[], Any], host: str, port: int, tls: ClientTls | None, timeout_s: float
    ) -> Deferred[Any]:
        """A connected Protocol, once TLS (if any) has been verified. Fails with ConnectFailed; may be cancelled."""
        where = f"{host} port {port}"
        if self._loop is None:
            deferred = self._stock(new_protocol, host, port, tls)
        else:
            deferred = self._uv(new_protocol, host, port, tls)
        deferred.addTimeout(timeout_s, self._reactor)
        return deferred.addErrback(_told, where, timeout_s)

    def _uv(self, new_protocol: Callable[[], Any], host: str, port: int, tls: ClientTls | None) -> Deferred[Any]:
        loop = self._loop
        task = loop.create_task(self._uv_connect(loop, new_protocol, host, port, tls))
        deferred: Deferred[Any] = Deferred(lambda _: task.cancel())

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

    async def _uv_connect(
        self, loop: Any, new_protocol: Callable[[], Any], host: str, port: int, tls: ClientTls | None
    ) -> Any:
        protocol = new_protocol()
        how: dict[str, Any] = {}
        if tls is not None:
            how = {"ssl": tls.context(), "server_hostname": tls.name or host, "ssl_shutdown_timeout": 2.0}
        adapter = UvTransport(protocol)
        transport, _ = await loop.create_connection(lambda: adapter, host, port, **how)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return protocol

    def _stock(self, new_protocol: Callable[[], Any], host: str, port: int, tls: ClientTls | None) -> Deferred[Any]:
        endpoint: Any = HostnameEndpoint(self._reactor, host, port)
        if tls is not None:
            try:
                endpoint = wrapClientTLS(_stock_options(tls, host), endpoint)
            except (BadCertificate, SSL.Error, ValueError) as error:
                failed: Deferred[Any] = Deferred()
                failed.errback(ConnectFailed("tls", str(error)))
                return failed
        connected: Deferred[Any] = connectProtocol(endpoint, new_protocol())
        return connected


def _stock_options(tls: ClientTls, host: str) -> Any:
    tls.context()  # the same checks as on uvloop
    trust: Any = platformTrust()
    if tls.ca is not None:
        pems = tls.ca.split(b"-----END CERTIFICATE-----")
        trust = trustRootFromCertificates(
            [Certificate.loadPEM(pem + b"-----END CERTIFICATE-----\n") for pem in pems if b"BEGIN" in pem]
        )
    own = PrivateCertificate.loadPEM(tls.certificate + b"\n" + tls.key) if tls.certificate and tls.key else None
    return optionsForClientTLS(tls.name or host, trust, own, acceptableProtocols=[b"http/1.1"])


def _told(failure: Failure, where: str, timeout_s: float) -> Any:
    error = failure.value
    if isinstance(error, ConnectFailed):
        return failure
    if failure.check(TimeoutError, ConnectTimeout, asyncio.TimeoutError):
        raise ConnectFailed("timeout", f"{where} did not answer within {timeout_s:g} s")
    if failure.check(CancelledError):
        return failure
    if isinstance(error, (ssl.SSLError, SSL.Error, BadCertificate)):
        raise ConnectFailed("tls", f"TLS with {where} failed: {error}")
    if isinstance(error, (socket.gaierror, DNSLookupError)):
        raise ConnectFailed("name", f"the name in {where} can't be looked up: {error}")
    if isinstance(error, (OSError, ConnectionRefusedError)) and "refused" in str(error).lower():
        raise ConnectFailed("refused", f"{where} refused the connection")
    raise ConnectFailed("unreachable", f"{where} can't be reached: {error}")
