"""One plugin at its place in a route: its call, and what is made of how the call ended.

Knows: the three ways in which a step ends well (nothing, `HTTPError`, `Response`), that every other way is the plugin's
fault and never the gateway's end, and what `mode: shadow` leaves of a decision. Refuses to know: order and waiting.
Strategy: `call` is the plugin's own function, so that a step that passes costs one call and nothing here is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.verdict import Verdict, answered, broken, refused
from hmsgw.config.model import Where

_log = Logger()


class RequestStep:
    """`call(req)`. name: as in the route. deadline_s: how long the call may wait. shadow: only record."""

    __slots__ = ("_count_decision", "call", "deadline_s", "name", "shadow", "where")

    def __init__(
        self,
        call: Callable[..., Any],
        name: str,
        where: Where,
        *,
        deadline_s: float,
        shadow: bool,
        count_decision: Callable[[str, str], None],
    ) -> None:
        self.call = call
        self.name = name
        self.where = where
        self.deadline_s = deadline_s
        self.shadow = shadow
        self._count_decision = count_decision

    def ended(self, value: object) -> Verdict | None:
        """The call came back with `value`, which is not None where speed counts."""
        if value is None:
            return None
        if not isinstance(value, Response):
            return self.failed(TypeError(self._wrong_value(value)))
        try:
            verdict = answered(value, self.name)
        except Exception as error:
            return self.failed(error)
        return self._decided(verdict)

    def failed(self, error: BaseException) -> Verdict | None:
        """The call raised. Nothing a plugin raises gets past here: SystemExit is a plugin's error like any other."""
        verdict: Verdict | None = None
        if isinstance(error, HTTPError):
            try:
                verdict = refused(error, self.name)
            except Exception as fault:
                error = fault
        if verdict is None:
            _log.failure(
                "plugin {plugin} ({where}) failed: {error!r}",
                failure=Failure(error, type(error), error.__traceback__),  # type: ignore[no-untyped-call]
                plugin=self.name,
                where=str(self.where),
                error=error,
            )
            self._count("error")
            verdict = broken(self.name)
        return self._decided(verdict)

    def _wrong_value(self, value: object) -> str:
        kind = type(value).__name__
        return f"run of plugin {self.name} returned {kind}; a step returns None to let pass, or a Response"

    def _decided(self, verdict: Verdict) -> Verdict | None:
        """In shadow mode what it would have done is for the eyes of operators only."""
        if not self.shadow:
            return verdict
        self._count("shadow")
        _log.debug(
            "plugin {plugin} ({where}) is in shadow mode and would have answered {status} {word}",
            plugin=self.name,
            where=str(self.where),
            status=verdict.status,
            word=verdict.word,
        )
        return None

    def _count(self, decision: str) -> None:
        try:
            self._count_decision(self.name, decision)
        except Exception:
            _log.failure("counting a decision of plugin {plugin} failed", plugin=self.name)


class ResponseStep(RequestStep):
    """`call(req, resp)`. It changes `resp` in place; an `HTTPError` takes the answer's place."""

    __slots__ = ()

    def ended(self, value: object) -> Verdict | None:
        return None if value is None else self.failed(TypeError(self._wrong_value(value)))

    def _wrong_value(self, value: object) -> str:
        kind = type(value).__name__
        return f"on_response of plugin {self.name} returned {kind}; it changes resp in place and returns None"


class TransformStep(RequestStep):
    """`call(req)`, which returns an object that changes bodies, or None. Never in shadow mode."""

    __slots__ = ()

    def failure(self, error: BaseException) -> Verdict:
        """What it raised, where and whenever it did."""
        return self.failed(error) or broken(self.name)


Step = RequestStep | ResponseStep
