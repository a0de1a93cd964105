"""The compiled plugins of one route.

Knows: request steps in list order, response steps in reverse, that a refusal ends the way in, that no response step is
left out for it, and that a waiting step holds up what follows. Refuses to know: what plugins do, and what is sent.
Strategy: as long as nothing refuses and nothing waits, a chain is a loop of plain calls; only then is anything made for
a request. No call of a plugin raises from here. `explain` and `describe` tell people what the chain is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hmsgw.chain.step import RequestStep, ResponseStep, Step, TransformStep
from hmsgw.chain.transform import Transforms
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


class Answering(Protocol):
    """Who sends the answer (`proxy.exchange`)."""

    def replace_answer(self, verdict: Verdict) -> Any:
        """A response step failed or refused: this takes the answer's place. Returns the `resp` of the steps left."""


class Chain:
    """See the module. answers: some step always ends the request, so no service is needed. owned_fields: lower-case
    names of request fields that a plugin of the catalogue has the say over, so that no trailer may bring them."""

    __slots__ = (
        "_clock", "_request_steps", "_response_steps", "_transform_steps", "answers", "has_response_steps",
        "owned_fields", "transforms_bodies", "uses",
    )  # fmt: skip

    def __init__(
        self,
        clock: IReactorTime,
        uses: tuple[BuiltUse, ...],
        request_steps: tuple[RequestStep, ...],
        response_steps: tuple[ResponseStep, ...],
        transform_steps: tuple[TransformStep, ...] = (),
    ) -> None:
        self._clock = clock
        self.uses = uses
        self._request_steps = request_steps
        self._response_steps = response_steps
        self._transform_steps = transform_steps
        self.has_response_steps = bool(response_steps)
        self.transforms_bodies = bool(transform_steps)
        self.answers = any(use.prepared.answers for use in uses)
        shipped = [use.plugin for use in uses if use.prepared.module is not None]
        self.owned_fields = frozenset[bytes]().union(*(getattr(one, "owned_fields", ()) for one in shipped))

    def run(self, req: Any) -> Verdict | Deferred[Verdict | None] | None:
        """The request steps. None: go on.

        Cancel the Deferred when the client has gone: the step's own wait is cancelled, and the Deferred fails with
        CancelledError, which it never does otherwise.
        """
        steps = iter(self._request_steps)
        try:
            for step in steps:
                result = step.call(req)
                if result is not None:
                    break
            else:
                return None
        except BaseException as error:
            return _Rest(self._clock, steps, (req,)).after(step, Ended(None, error))
        return _Rest(self._clock, steps, (req,)).after(step, begin(result))

    def respond(self, req: Any, resp: Any, answering: Answering) -> Verdict | Deferred[Verdict | None] | None:
        """All the response steps, which change `resp`. None, now or by the Deferred: they have run. A verdict of one
        goes to `answering`, not to the caller, and the steps behind it get what that puts in the answer's place."""
        steps = iter(self._response_steps)
        try:
            for step in steps:
                result = step.call(req, resp)
                if result is not None:
                    break
            else:
                return None
        except BaseException as error:
            return _Rest(self._clock, steps, (req, resp), answering).after(step, Ended(None, error))
        return _Rest(self._clock, steps, (req, resp), answering).after(step, begin(result))

    def transforms(self, req: Any) -> Transforms | None:
        """What is to be done to the bodies of a request that goes on; None for nothing."""
        return Transforms(self._transform_steps, req) or None

    def describe(self) -> list[dict[str, str]]:
        """The uses in route order, in words: plugin, where, settings, mode."""
        return [use.prepared.in_words() for use in self.uses]

    def explain(self, req: Any) -> list[tuple[str, str, str]]:
        """(plugin, where, what it would say) of each use, in route order. Nothing is counted and nothing is run but
        a plugin's own `explain(req) -> str`, and a failure of that is words as well."""
        return [(use.prepared.name, use.prepared.place, _explained(use, req)) for use in self.uses]


class _Held(NamedTuple):
    step: Step
    promise: Promise


class _Rest:
    """A way through the steps from the first that did not simply pass. args: what each is called with.
    answering: None on the way in, which the first verdict ends."""

    def __init__(
        self, clock: IReactorTime, steps: Iterator[Step], args: tuple[Any, ...], answering: Answering | None = None
    ) -> None:
        self._clock = clock
        self._steps = steps
        self._args = args
        self._answering = answering

    def after(self, step: Step, begun: Ended | Promise) -> Verdict | Deferred[Verdict | None] | None:
        """What comes of `step`'s call, and of the steps that are left."""
        ended = self._go_on(_outcome(step, begun))
        return Deferred.fromCoroutine(self._wait(ended)) if isinstance(ended, _Held) else ended

    async def _wait(self, held: Verdict | _Held | None) -> Verdict | None:
        """Wait for the step, then for every further one that waits."""
        req = self._args[0]
        while isinstance(held, _Held):
            step, promise = held
            waiting = Waiting(self._clock, promise, step.name, step.deadline_s, lambda: req.awaits_body)
            held = self._go_on(_outcome(step, await waiting.outcome))
        return held

    def _go_on(self, outcome: Verdict | _Held | None) -> Verdict | _Held | None:
        """As far as it goes without waiting."""
        while not isinstance(outcome, _Held):
            if outcome is not None:
                if self._answering is None:
                    break
                self._args = (self._args[0], self._answering.replace_answer(outcome))
            step = next(self._steps, None)
            if step is None:
                return None
            # No error stays in a variable here: its traceback refers to this frame, and both to the request.
            try:
                outcome = _outcome(step, begin(step.call(*self._args)))
            except BaseException as error:
                outcome = step.failed(error)
        return outcome


def _outcome(step: Step, begun: Ended | Promise) -> Verdict | _Held | None:
    if isinstance(begun, Promise):
        return _Held(step, begun)
    return step.ended(begun.value) if begun.error is None else step.failed(begun.error)


def _explained(use: BuiltUse, req: Any) -> str:
    explain = getattr(use.plugin, "explain", None)
    if explain is None:
        if hasattr(use.plugin, "run"):
            return "would run"
        return "changes the answer only" if hasattr(use.plugin, "on_response") else "changes bodies only"
    try:
        words = str(explain(req))
    except BaseException as error:
        return f"can't say: {error!r}"
    return f"{words} (shadow: only recorded)" if use.prepared.shadow else words
