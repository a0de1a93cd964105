"""Asking a gateway that runs, from a command line."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.call import CallFault, call
from hmsgw.control.state import StateFolder


class CallTests(SynchronousTestCase):
    """`call`, against a socket that a thread answers on."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = StateFolder(scratch.name)
        self.heard: list[Any] = []

    def answering(self, *parts: bytes) -> None:
        """A gateway that says this to the first that asks."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.folder.control_socket)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            self.heard.append(json.loads(connection.makefile("rb").readline()))
            for part in parts:
                connection.sendall(part)
            connection.close()
            listener.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)

    def test_result(self) -> None:
        """The command and its words go out on one line; the result comes back, in however many pieces."""
        self.answering(b'{"ok": true, ', b'"result": [1, 2]}', b"\n")
        self.assertEqual(call(self.folder, "reload", file="/r.yaml"), [1, 2])
        self.assertEqual(self.heard, [{"command": "reload", "file": "/r.yaml"}])

    def test_refused(self) -> None:
        """A refusal is raised in the gateway's own words."""
        self.answering(b'{"ok": false, "error": "try tomorrow"}\n')
        self.assertEqual(str(self.assertRaises(CallFault, call, self.folder, "x")), "try tomorrow")

    def test_nobody_there(self) -> None:
        """Without a gateway, and with one that died, the sentence names the directory and the option."""
        fault = str(self.assertRaises(CallFault, call, self.folder, "status"))
        self.assertIn(self.folder.path, fault)
        self.assertIn("--state-dir", fault)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.folder.control_socket)
        stale.close()
        self.assertEqual(str(self.assertRaises(CallFault, call, self.folder, "status")), fault)

    def test_no_answer(self) -> None:
        """A connection that just ends, or garbage, is a sentence."""
        for garbage in (b"", b"HTTP/1.1 400\r\n", b"[1]\n", b"{}\n", b'{"ok": 1}\n'):
            with self.subTest(garbage=garbage):
                self.answering(garbage)
                self.assertIn("without an answer", str(self.assertRaises(CallFault, call, self.folder, "status")))
                os.unlink(self.folder.control_socket)

    def test_path_too_long(self) -> None:
        """A directory whose socket can't exist is a sentence too."""
        self.assertRaises(CallFault, call, StateFolder("/tmp/" + "x" * 200), "status")

    def test_deadline(self) -> None:
        """A gateway that does not answer is given up."""
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.folder.control_socket)
        listener.listen()
        fault = self.assertRaises(CallFault, call, self.folder, "status", timeout_s=0.01)
        self.assertIn("0.01 s", str(fault))
