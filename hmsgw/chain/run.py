"""The compiled plugins of one route.

Knows: request steps in list order, response steps in reverse, that a refusal ends the way in and that a waiting step
holds it up. Refuses to know: what plugins do, and what is sent. Strategy: as long as nothing refuses and nothing
waits, a chain is a loop of plain calls; only then is anything made for a request. No call of a plugin raises from
here. `explain` and `describe` tell people what the chain is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hmsgw.chain.api import Request
from hmsgw.chain.step import RequestStep, ResponseStep, Step
from hmsgw.chain.uses import PreparedUse
from hmsgw.chain.verdict import Verdict
from hmsgw.chain.waiting import Ended, Promise, Waiting, begin


class BuiltUse(NamedTuple):
    """A plugin as it runs. key, and reads (path -> digest of a file): what must stay the same for `plugin` to be kept
    over a reload; () for drop-ins, which `chain.prepare` keeps."""

    prepared: PreparedUse
    key: tuple[object, ...]
    plugin: Any
    reads: Mapping[str, bytes]


class Chain:
    """See the module. answers: some step always ends the request, so no service is needed."""

    __slots__ = ("_clock", "_request_steps", "_response_steps", "answers", "has_response_steps", "uses")

    def __init__(
        self,
        clock: IReactorTime,
        uses: tuple[BuiltUse, ...],
        request_steps: tuple[RequestStep, ...],
        response_steps: tuple[ResponseStep, ...],
    ) -> None:
        self._clock = clock
        self.uses = uses
        self._request_steps = request_steps
        self._response_steps = response_steps
        self.has_response_steps = bool(response_steps)
        self.answers = any(use.prepared.answers for use in uses)

    def run(self, req: Any) -> Verdict | Deferred[Verdict | None] | None:
        """The request steps. None: go on.

        Cancel the Deferred when the client has gone: the step's own wait is cancelled, and the Deferred fails with
        CancelledError, which it never does otherwise.
        """
        rest = iter(self._request_steps)
        try:
            for step in rest:
                result = step.call(req)
                if result is not None:
                    break
            else:
                return None
        except BaseException as error:
            return self._after(step, step.failed(error), rest, (req,))
        return self._after_result(step, result, rest, (req,))

    def respond(self, req: Any, resp: Any) -> Verdict | Deferred[Verdict | None] | None:
        """The response steps, which change `resp`. A verdict takes the answer's place, and no further step runs."""
        rest = iter(self._response_steps)
        try:
            for step in rest:
                result = step.call(req, resp)
                if result is not None:
                    break
            else:
                return None
        except BaseException as error:
            return self._after(step, step.failed(error), rest, (req, resp))
        return self._after_result(step, result, rest, (req, resp))

    def _after_result(
        self, step: Step, result: Any, rest: Iterator[Step], args: tuple[Any, ...]
    ) -> Verdict | Deferred[Verdict | None] | None:
        begun = begin(result)
        if isinstance(begun, Promise):
            return Deferred.fromCoroutine(self._wait(step, begun, rest, args))
        return self._after(step, _verdict(step, begun), rest, args)

    def _after(
        self, step: Step, verdict: Verdict | None, rest: Iterator[Step], args: tuple[Any, ...]
    ) -> Verdict | Deferred[Verdict | None] | None:
        """Behind `step`: its verdict, or that of the steps that are left."""
        if verdict is not None:
            return verdict
        ended = _go_on(rest, args)
        if isinstance(ended, _Held):
            return Deferred.fromCoroutine(self._wait(ended.step, ended.promise, rest, args))
        return ended

    async def _wait(self, step: Step, promise: Promise, rest: Iterator[Step], args: tuple[Any, ...]) -> Verdict | None:
        """Wait for `step`, then for every further one that waits."""
        req: Request = args[0]
        while True:
            waiting = Waiting(self._clock, promise, step.name, step.deadline_s, lambda: req.awaits_body)
            verdict = _verdict(step, await waiting.outcome)
            if verdict is not None:
                return verdict
            ended = _go_on(rest, args)
            if not isinstance(ended, _Held):
                return ended
            step, promise = ended

    def describe(self) -> list[dict[str, str]]:
        """The uses in route order, in words: plugin, where, settings, mode."""
        return [use.prepared.in_words() for use in self.uses]

    def explain(self, req: Any) -> list[tuple[str, str, str]]:
        """(plugin, where, what it would say) of each use, in route order. Nothing is counted and nothing is run but
        a plugin's own `explain(req) -> str`, and a failure of that is words as well."""
        return [(use.prepared.name, str(use.prepared.where), _explained(use, req)) for use in self.uses]


class _Held(NamedTuple):
    step: Step
    promise: Promise


def _go_on(rest: Iterator[Step], args: tuple[Any, ...]) -> Verdict | _Held | None:
    """The steps that are left, up to one that ends the request or waits."""
    for step in rest:
        try:
            result = step.call(*args)
        except BaseException as error:
            verdict = step.failed(error)
        else:
            if result is None:
                continue
            begun = begin(result)
            if isinstance(begun, Promise):
                return _Held(step, begun)
            verdict = _verdict(step, begun)
        if verdict is not None:
            return verdict
    return None


def _verdict(step: Step, ended: Ended) -> Verdict | None:
    return step.ended(ended.value) if ended.error is None else step.failed(ended.error)


def _explained(use: BuiltUse, req: Any) -> str:
    explain = getattr(use.plugin, "explain", None)
    if explain is None:
        return "would run" if hasattr(use.plugin, "run") else "changes the answer only"
    try:
        words = str(explain(req))
    except BaseException as error:
        return f"can't say: {error!r}"
    return f"{words} (shadow: only recorded)" if use.prepared.shadow else words
