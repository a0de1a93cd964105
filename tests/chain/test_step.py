"""How one step's call may end."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.step import RequestStep, ResponseStep
from hmsgw.config.model import Where


class StepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        self.decisions: list[tuple[str, str]] = []

    def step(self, kind: type[RequestStep] = RequestStep, *, shadow: bool = False, fails: bool = False) -> RequestStep:
        def count(plugin: str, decision: str) -> None:
            if fails:
                raise ZeroDivisionError
            self.decisions.append((plugin, decision))

        return kind(print, "acme", Where("routes.yaml", 4, 7), deadline_s=5, shadow=shadow, count_decision=count)

    def test_log_names_the_plugin(self) -> None:
        """The log has the traceback, the plugin's name and the line that put it there."""
        self.step().failed(ValueError("boom"))
        (event,) = [event for event in self.events if "plugin" in event]
        self.assertEqual((event["plugin"], event["where"]), ("acme", "routes.yaml:4:7"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_refusal_is_no_failure(self) -> None:
        """A refusal is a decision, and nothing for the log."""
        self.step().failed(HTTPError(403))
        self.assertEqual(self.events, [])

    def test_exception_that_cannot_be_shown(self) -> None:
        """An exception whose repr raises is logged and answered like any other."""

        class Nasty(Exception):
            def __repr__(self) -> str:
                raise Nasty

            __str__ = __repr__

        verdict = self.step().failed(Nasty())
        self.assertEqual(verdict.status if verdict else None, 500)
        self.assertEqual(len(self.flushLoggedErrors(Nasty)), 1)

    def test_shadow(self) -> None:
        """In shadow, refusal, answer and failure are counted and come to nothing."""
        step = self.step(shadow=True)
        self.assertIsNone(step.failed(HTTPError(403)))
        self.assertIsNone(step.ended(Response()))
        self.assertIsNone(step.failed(ZeroDivisionError()))
        self.assertEqual(self.decisions, [("acme", "shadow")] * 2 + [("acme", "error"), ("acme", "shadow")])
        self.flushLoggedErrors(ZeroDivisionError)

    def test_counting_fails(self) -> None:
        """A count that fails is logged, and the request goes on."""
        self.assertIsNone(self.step(shadow=True, fails=True).failed(HTTPError(403)))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_response_step_returns_nothing(self) -> None:
        """A response step that returns something is told that it changes resp in place."""
        verdict = self.step(ResponseStep).ended(Response())
        self.assertEqual(verdict.status if verdict else None, 500)
        (failure,) = self.flushLoggedErrors(TypeError)
        self.assertIn("changes resp in place", str(failure.value))
