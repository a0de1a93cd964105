"""uvloop's transports as Twisted knows transports, over a transport that only takes notes."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from hmsgw.transport.uv_transport import UvTransport, loop_failure
from tests.transport.recording import Recorder


class Notes:
    """An asyncio transport that remembers what it was asked to do."""

    def __init__(self, session: Any = None, peer: Any = ("192.0.2.1", 4000), half_closes: bool = True) -> None:
        self.calls: list[str] = []
        self.sent = b""
        self.closing = False
        self._extra = {"ssl_object": session, "peername": peer, "sockname": ("::1", 8080, 0, 0)}
        self._half_closes = half_closes

    def get_extra_info(self, name: str) -> Any:
        return self._extra[name]

    def write(self, data: bytes) -> None:
        self.sent += data

    def can_write_eof(self) -> bool:
        return self._half_closes

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int) -> None:
        self.calls.append(f"write {high}")

    def set_read_buffer_limits(self, high: int) -> None:
        self.calls.append(f"read {high}")

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


class Session:
    """What asyncio shows of TLS."""

    def selected_alpn_protocol(self) -> str:
        return "h2"

    def version(self) -> str:
        return "TLSv1.3"

    def getpeercert(self, binary: bool) -> bytes:
        return b"DER"


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    def readConnectionLost(self) -> None:
        self.events.append("end")

    def writeConnectionLost(self) -> None:
        """Of no interest."""


class Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


def made(protocol: Any = None, **how: Any) -> tuple[Any, UvTransport, Notes]:
    protocol = protocol or Recorder()
    adapter, notes = UvTransport(protocol), Notes(**how)
    adapter.connection_made(notes)
    return protocol, adapter, notes


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


class LifeTests(SynchronousTestCase):
    def test_begins(self) -> None:
        """The Protocol gets its transport, data without a frame in between, and writes likewise."""
        protocol = Recorder()
        adapter = UvTransport(protocol)
        self.assertFalse(adapter.made)
        notes = Notes()
        adapter.connection_made(notes)
        self.assertTrue(adapter.made)
        self.assertIs(protocol.transport, adapter)
        self.assertEqual(adapter.data_received, protocol.dataReceived)
        adapter.data_received(b"in")
        adapter.write(b"out ")
        adapter.writeSequence([b"a", b"b"])
        self.assertEqual((protocol.events, notes.sent, notes.calls), (["made", b"in"], b"out ab", []))

    def test_why_lost(self) -> None:
        """A quiet end is ConnectionDone, one by the network ConnectionLost, one by a fault that fault."""
        cases = (
            (None, ConnectionDone),
            (ConnectionResetError("reset"), ConnectionLost),
            (OSError("timed out"), ConnectionLost),
            (asyncio.TimeoutError(), ConnectionLost),
            (raised(ssl.SSLError("bad record")), ConnectionLost),
            (ZeroDivisionError(), ZeroDivisionError),
        )
        for error, kind in cases:
            protocol, adapter, _ = made()
            adapter.connection_lost(error)
            adapter.connection_lost(None)
            self.assertEqual(protocol.events, ["made", kind])

    def test_os_error_of_ours(self) -> None:
        """An OSError that was raised is the Protocol's, which uvloop does not tell: it is logged."""
        protocol, adapter, _ = made()
        adapter.connection_lost(raised(OSError("a bug")))
        self.assertEqual(protocol.events, ["made", OSError])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_cut_short(self) -> None:
        """With TLS, an end without a goodbye is ConnectionLost, unless it was ours."""
        for said, ours, kind in (
            (False, False, ConnectionLost), (True, False, ConnectionDone), (False, True, ConnectionDone),
        ):  # fmt: skip
            protocol, adapter, _ = made(session=Session())
            if said:
                self.assertFalse(adapter.eof_received())
            if ours:
                adapter.loseConnection()
            adapter.connection_lost(None)
            self.assertEqual(protocol.events, ["made", kind])

    def test_end_of_input(self) -> None:
        """The other side's half-close closes, but for a Protocol that wants to know; never within TLS."""
        protocol, adapter, _ = made()
        self.assertFalse(adapter.eof_received())
        protocol, adapter, _ = made(HalfCloseable())
        self.assertTrue(adapter.eof_received())
        self.assertEqual(protocol.events, ["made", "end"])
        protocol, adapter, _ = made(HalfCloseable(), session=Session())
        self.assertFalse(adapter.eof_received())

    def test_after_the_end(self) -> None:
        """Whatever a Protocol does with a transport that is lost has no effect, and raises nothing."""
        _, adapter, notes = made()
        adapter.connection_lost(None)
        producer = Producer()
        adapter.write(b"x")
        adapter.writeSequence([b"x"])
        adapter.pauseProducing()
        adapter.resumeProducing()
        adapter.loseWriteConnection()
        adapter.registerProducer(producer, True)
        adapter.unregisterProducer()
        self.assertEqual((notes.sent, notes.calls, producer.calls), (b"", [], ["stop"]))

    def test_no_cycle(self) -> None:
        """A connection that is lost is freed at once, with no help of the collector."""
        gc.disable()
        self.addCleanup(gc.enable)
        protocol, adapter, _ = made()
        adapter.connection_lost(None)
        seen = weakref.ref(protocol)
        del protocol
        self.assertIsNone(seen())

    def test_faults(self) -> None:
        """What a Protocol raises at its beginning or its end is logged, and the connection closed."""

        class Failing(Recorder):
            def connectionMade(self) -> None:
                raise ZeroDivisionError

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise KeyError

        _, adapter, notes = made(Failing())
        self.assertEqual(notes.calls, ["abort"])
        adapter.connection_lost(None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class FlowTests(SynchronousTestCase):
    def test_producer(self) -> None:
        """uvloop's buffer pauses and resumes the producer; the end stops it."""
        _, adapter, _ = made()
        producer = Producer()
        adapter.pause_writing()
        adapter.resume_writing()
        adapter.registerProducer(producer, True)
        adapter.pause_writing()
        adapter.resume_writing()
        adapter.connection_lost(None)
        self.assertEqual(producer.calls, ["pause", "resume", "stop"])

    def test_late_producer(self) -> None:
        """A producer that comes while the buffer is full is paused at once."""
        _, adapter, _ = made()
        producer = Producer()
        adapter.pause_writing()
        adapter.registerProducer(producer, True)
        adapter.unregisterProducer()
        adapter.resume_writing()
        self.assertEqual(producer.calls, ["pause"])

    def test_one_producer(self) -> None:
        """There is one producer at a time, and it pushes."""
        _, adapter, _ = made()
        self.assertRaises(ValueError, adapter.registerProducer, Producer(), False)
        adapter.registerProducer(Producer(), True)
        self.assertRaises(RuntimeError, adapter.registerProducer, Producer(), True)
        adapter.unregisterProducer()
        adapter.registerProducer(Producer(), True)

    def test_reading(self) -> None:
        """Pausing and resuming are each passed on once, however often they are asked for."""
        _, adapter, notes = made()
        for call in (adapter.resumeProducing, adapter.pauseProducing, adapter.pauseProducing, adapter.resumeProducing,
                     adapter.resumeProducing):  # fmt: skip
            call()
        self.assertEqual(notes.calls, ["pause_reading", "resume_reading"])
        adapter.pauseProducing()
        notes.closing = True
        adapter.resumeProducing()
        self.assertEqual(notes.calls, ["pause_reading", "resume_reading", "pause_reading"])

    def test_buffers_of_tls(self) -> None:
        """Within TLS both buffers are bounded like a plain connection's."""
        _, _, notes = made(session=Session())
        self.assertEqual(notes.calls, ["write 65536", "read 65536"])


class EndTests(SynchronousTestCase):
    def test_lose(self) -> None:
        """Closing waits for a producer that is registered, and no longer."""
        _, adapter, notes = made()
        adapter.registerProducer(Producer(), True)
        adapter.loseConnection()
        self.assertTrue(adapter.disconnecting)
        adapter.write(b"the rest")
        self.assertEqual((notes.sent, notes.calls), (b"the rest", []))
        adapter.unregisterProducer()
        self.assertEqual(notes.calls, ["close"])

    def test_stop_producing(self) -> None:
        """As with Twisted's transports, stopProducing closes."""
        _, adapter, notes = made()
        adapter.stopProducing()
        self.assertEqual(notes.calls, ["close"])

    def test_abort(self) -> None:
        """Aborting does not wait, and what is written then is dropped."""
        _, adapter, notes = made()
        adapter.registerProducer(Producer(), True)
        adapter.abortConnection()
        adapter.write(b"x")
        self.assertEqual((notes.sent, notes.calls), (b"", ["abort"]))

    def test_half_close(self) -> None:
        """The writing side is closed where that can be; what is written then is dropped."""
        for can, calls in ((True, ["write_eof"]), (False, [])):
            _, adapter, notes = made(half_closes=can)
            adapter.loseWriteConnection()
            self.assertEqual(notes.calls, calls)
            adapter.write(b"x")
            self.assertEqual(notes.sent, b"" if can else b"x")

    def test_before_the_beginning(self) -> None:
        """A transport whose handshake is not done can be told to close."""
        adapter = UvTransport(Recorder())
        adapter.loseConnection()
        adapter.abortConnection()
        self.assertTrue(adapter.disconnecting)


class WhoTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """Addresses are Twisted's; a peer that has gone already has none."""
        _, adapter, _ = made()
        self.assertEqual(adapter.getPeer(), IPv4Address("TCP", "192.0.2.1", 4000))
        self.assertEqual(adapter.getHost(), IPv6Address("TCP", "::1", 8080))
        _, adapter, _ = made(peer=None)
        self.assertFalse(hasattr(adapter.getPeer(), "host"))

    def test_tls(self) -> None:
        """What was agreed on; None without TLS."""
        _, adapter, _ = made(session=Session())
        told = (adapter.negotiatedProtocol, adapter.tls_version, adapter.getPeerCertificate())
        self.assertEqual(told, (b"h2", "TLSv1.3", b"DER"))
        _, adapter, _ = made()
        self.assertEqual((adapter.negotiatedProtocol, adapter.tls_version, adapter.getPeerCertificate()), (None,) * 3)


class LoopFailureTests(SynchronousTestCase):
    def test_told(self) -> None:
        """A fault that reaches the loop is logged with its traceback, and its connection closed."""
        _, adapter, notes = made()
        error = raised(ZeroDivisionError("a bug"))
        loop_failure(None, {"exception": error, "message": "Fatal error", "protocol": adapter})
        (failure,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("raise error", failure.getTraceback())
        self.assertEqual(notes.calls, ["abort"])
        loop_failure(None, {"message": "no exception"})
