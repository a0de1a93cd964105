"""The registry of the demo: as much of Consul's HTTP API as a gateway asks for.

Knows: `GET /v1/health/service/NAME`, with blocking queries (`index`, `wait`; Consul's "Blocking Queries"). Refuses to
know: registration and health. Strategy: a fixed table, so its index is always 1 and a blocking query waits until its
time is out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

INDEX = "1"
_PREFIX = "/v1/health/service/"
_MAX_WAIT_S = 600


class Registry(Resource):
    """services: name -> loopback port."""

    isLeaf = True

    def __init__(self, clock: IReactorTime, services: Mapping[str, int]) -> None:
        super().__init__()
        self._clock = clock
        self._services = services

    def render_GET(self, request: Any) -> Any:
        path = request.path.decode("utf-8", "replace")
        if not path.startswith(_PREFIX):
            request.setResponseCode(404)
            return b"the demo's registry only knows /v1/health/service/NAME\n"
        body = json.dumps(self._entries(path[len(_PREFIX) :])).encode()
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"X-Consul-Index", INDEX.encode())
        asked = request.args.get(b"index", [b""])[0].decode("ascii", "replace")
        if asked != INDEX:
            return body
        waiting = self._clock.callLater(_seconds(request.args.get(b"wait", [b"5s"])[0]), _finish, request, body)
        request.notifyFinish().addErrback(lambda _: waiting.cancel())
        return NOT_DONE_YET

    def _entries(self, name: str) -> list[dict[str, Any]]:
        port = self._services.get(name)
        if port is None:
            return []
        service = {"ID": f"{name}-1", "Service": name, "Address": "127.0.0.1", "Port": port}
        return [{"Node": {"Node": "demo", "Address": "127.0.0.1"}, "Service": service, "Checks": []}]


def _finish(request: Any, body: bytes) -> None:
    request.write(body)
    request.finish()


def _seconds(word: bytes) -> float:
    """`5s`, `1m`; Consul's durations as far as they are used."""
    number, unit = word[:-1], word[-1:]
    if not number.isdigit() or unit not in (b"s", b"m"):
        return 5.0
    return min(int(number) * (60 if unit == b"m" else 1), _MAX_WAIT_S)
