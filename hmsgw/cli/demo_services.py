"""The two services behind the demo's gateway: the tutorial's clinics and its login.

Knows: their JSON answers. Refuses to know: the gateway. Strategy: twisted.web on the demo's own reactor, loopback only.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Site


class QuietSite(Site):
    """Without an access log of its own: the gateway's is the one to watch."""

    noisy = False

    def __init__(self, resource: Resource, clock: Any) -> None:
        super().__init__(resource, reactor=clock)

    def startFactory(self) -> None:
        """No log file to open."""

    def stopFactory(self) -> None:
        """None was opened."""

    def log(self, request: Any) -> None:
        """Nothing."""


class JsonPage(Resource):
    """Answers every request below it by what `answer` says; None is 404."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        found = self.answer(request.path.decode("utf-8", "replace"))
        request.setHeader(b"Content-Type", b"application/json")
        if found is None:
            request.setResponseCode(404)
            found = {"error": "there is nothing here"}
        body = json.dumps(found).encode() + b"\n"
        request.setHeader(b"Content-Length", str(len(body)).encode())
        return b"" if request.method == b"HEAD" else body

    def answer(self, path: str) -> dict[str, Any] | None:
        """Plain data for a path."""
        raise NotImplementedError


class Clinics(JsonPage):
    """`clinic-registry`."""

    def answer(self, path: str) -> dict[str, Any] | None:
        """/clinics/ID."""
        parts = path.split("/")
        if len(parts) != 3 or parts[1] != "clinics" or not parts[2]:
            return None
        return {"clinic_id": parts[2], "vaccines": ["Flu", "COVID-19"]}


class Identity(JsonPage):
    """`identity`."""

    def answer(self, path: str) -> dict[str, Any] | None:
        """/login."""
        return {"login": "ok"} if path == "/login" else None
