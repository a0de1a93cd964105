"""A service registry for a gateway under test.

Knows: Consul's blocking queries for the instances of a service that pass. Refuses to know: the gateway. Strategy: one
index for everything, raised whenever a service changes.
"""

from __future__ import annotations

import json
import re
import socket
import threading

from tests.integration.origins import Origin, Received


class Spine:
    """A registry that speaks Consul's HTTP API. services: name -> port, may be exchanged. broken: what it answers
    instead, when set. port: 0 for a free one."""

    def __init__(self, services: dict[str, int], port: int = 0) -> None:
        self.broken: bytes | None = None
        self._services = services
        self._index = 1
        self._changed = threading.Condition()
        self.origin = Origin(self._answer, port=port)

    def register(self, services: dict[str, int]) -> None:
        """From now on these."""
        with self._changed:
            self._services = services
            self._index += 1
            self._changed.notify_all()

    def _answer(self, got: Received, to: socket.socket) -> None:
        if self.broken is not None:
            to.sendall(self.broken)
            return
        path, _, query = got.target.partition("?")
        name = re.fullmatch(r"/v1/health/service/([^/]+)", path)
        asked = dict(re.findall(r"(\w+)=([^&]*)", query))
        assert name is not None and re.search(r"(^|&)passing", query)
        with self._changed:
            if int(asked.get("index", 0)) >= self._index:
                self._changed.wait(float(asked["wait"].rstrip("s")))
            there = self._services.get(name[1])
            service = {"Service": name[1], "Address": "127.0.0.1", "Port": there}
            entries = [{"Node": {"Address": "127.0.0.1"}, "Service": service, "Checks": []}] if there else []
            index = self._index
        body = json.dumps(entries).encode()
        to.sendall(b"HTTP/1.1 200 OK\r\nX-Consul-Index: %d\r\nContent-Length: %d\r\n\r\n" % (index, len(body)) + body)
