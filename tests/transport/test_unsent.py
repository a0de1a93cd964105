"""How much of what was written a transport still holds; real ones are asked in `tests.integration.test_bodies`."""

from __future__ import annotations

import socket
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.stock_tls import StockTls
from hmsgw.transport.unsent import unsent
from hmsgw.transport.uv_transport import UvTransport
from tests.transport.recording import Recorder


class UnsentTests(SynchronousTestCase):
    """`unsent`."""

    def test_uvloop(self) -> None:
        """uvloop counts it; before and after the connection there is none."""
        adapter = UvTransport(Recorder())
        self.assertEqual(unsent(adapter), 0)
        adapter._uv = SimpleNamespace(get_write_buffer_size=lambda: 7, get_extra_info=lambda name: None)
        self.assertEqual(unsent(adapter), 7)

    def test_stock(self) -> None:
        """Twisted's TCP transport has a buffer that is on its way, and what was written since; TLS stands on one."""
        plain = SimpleNamespace(dataBuffer=b"12345", offset=2, _tempDataLen=10, fileno=lambda: -1)
        self.assertEqual(unsent(plain), 13)
        tls = StockTls.__new__(StockTls)
        tls.transport = plain
        self.assertEqual(unsent(tls), 13)

    def test_kernel(self) -> None:
        """What the other side has not read yet counts, until it does."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(listening.getsockname())
        writer, _ = listening.accept()
        self.addCleanup(writer.close)
        sent = writer.send(bytes(200_000))
        plain = SimpleNamespace(dataBuffer=b"", offset=0, _tempDataLen=0, fileno=writer.fileno)
        first = unsent(plain)
        self.assertTrue(0 < first <= sent, first)
        left = sent
        while left:
            left -= len(reader.recv(65536))
        self.assertEqual(unsent(plain), 0)
