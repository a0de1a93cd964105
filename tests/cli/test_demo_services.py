"""The two services of the demo."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from hmsgw.cli.demo_services import Clinics, Identity, JsonPage, QuietSite


def ask(page: JsonPage, path: bytes, method: bytes = b"GET") -> tuple[int, bytes]:
    """(status, body)."""
    request: Any = DummyRequest([])
    request.path, request.method = path, method
    body = page.render(request)
    return request.responseCode or 200, body


class ServiceTests(SynchronousTestCase):
    """Their answers."""

    def test_clinic(self) -> None:
        """The tutorial's answer."""
        status, body = ask(Clinics(), b"/clinics/85123")
        self.assertEqual((status, json.loads(body)), (200, {"clinic_id": "85123", "vaccines": ["Flu", "COVID-19"]}))

    def test_head(self) -> None:
        """HEAD has no body."""
        self.assertEqual(ask(Clinics(), b"/clinics/1", b"HEAD"), (200, b""))

    def test_login(self) -> None:
        """/login answers."""
        self.assertEqual(ask(Identity(), b"/login")[0], 200)

    def test_nothing_there(self) -> None:
        """Any other path is 404."""
        for path in (b"/clinics/", b"/clinics", b"/", b"/clinics/1/2"):
            self.assertEqual(ask(Clinics(), path)[0], 404)
        self.assertEqual(ask(Identity(), b"/logout")[0], 404)

    def test_quiet(self) -> None:
        """The site writes no access log of its own and keeps no timer."""
        clock = Clock()
        site = QuietSite(Clinics(), clock)
        site.doStart()
        site.log(None)
        site.doStop()
        self.assertEqual(clock.getDelayedCalls(), [])
