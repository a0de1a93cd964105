"""A step that has to wait: its promise, its deadline, and its end when nobody waits for it any more.

Knows: what a plugin may hand back to be waited for, how to give a wait up so that the plugin's `finally` still runs.
Refuses to know: what the result means. Strategy: a coroutine is first run by hand, and only one that really waits is
given to Twisted; a wait always ends: by itself, at its deadline, or by cancellation from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class DeadlinePassed(Exception):
    """A step waited longer than its deadline."""


class Ended(NamedTuple):
    """How a call ended: with `value`, or by `error`."""

    value: Any
    error: BaseException | None


class Promise(NamedTuple):
    """Something to wait for. coroutine: what fires `deferred`, when a coroutine does."""

    deferred: Deferred[Any]
    coroutine: CoroutineType[Any, Any, Any] | None


def begin(result: Any) -> Ended | Promise:
    """What a plugin's call gave back: an end, if it can be had without waiting."""
    if type(result) is CoroutineType:
        return _begin_coroutine(result)
    if isinstance(result, Deferred):
        return _begin_deferred(result)
    return Ended(result, None)


def _begin_deferred(deferred: Deferred[Any]) -> Ended | Promise:
    at_once: list[Any] = []
    asking = True

    def look(value: Any) -> Any:
        if not asking:
            return value
        at_once.append(value)
        return None

    deferred.addBoth(look)
    asking = False
    return _ended(at_once[0]) if at_once else Promise(deferred, None)


def _begin_coroutine(coroutine: CoroutineType[Any, Any, Any]) -> Ended | Promise:
    try:
        awaited = coroutine.send(None)
    except StopIteration as end:
        return Ended(end.value, None)
    except BaseException as error:
        return Ended(None, error)
    if isinstance(awaited, Deferred):
        # The coroutine asks for the same Deferred once more when Twisted takes it over.
        return Promise(Deferred.fromCoroutine(coroutine), coroutine)
    kind = type(awaited).__name__
    _close(coroutine, "")
    return Ended(None, TypeError(
        f"a plugin may await coroutines and Twisted Deferreds, not {kind}; for asyncio's: Deferred.fromFuture(...)"
    ))  # fmt: skip


class Waiting:
    """One wait. `outcome` fires with `Ended`; it fails only when it is cancelled from outside.

    excused: asked at the deadline; True as long as it is the client that the plugin waits for (its body), which has
    deadlines of its own.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_deadline_s",
        "_excused",
        "_finished_itself",
        "_given_up",
        "_name",
        "_promise",
        "outcome",
    )

    def __init__(
        self, clock: IReactorTime, promise: Promise, name: str, deadline_s: float, excused: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._promise = promise
        self._name = name
        self._deadline_s = deadline_s
        self._excused = excused
        self._given_up = False
        self._finished_itself = False
        self.outcome: Deferred[Ended] = Deferred(lambda _: self._give_up())
        self._call: IDelayedCall | None = clock.callLater(deadline_s, self._too_late)
        promise.deferred.addBoth(self._finished)

    def _finished(self, result: Any) -> None:
        self._finished_itself = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._given_up:
            self.outcome.callback(_ended(result))
        elif isinstance(result, Failure) and not isinstance(result.value, CancelledError):
            _log.failure("plugin {plugin} failed after it was given up", failure=result, plugin=self._name)

    def _too_late(self) -> None:
        if self._excused():
            self._call = self._clock.callLater(self._deadline_s, self._too_late)
            return
        self._call = None
        place = _suspended_at(self._promise.coroutine)
        self._give_up()
        self.outcome.callback(
            Ended(None, DeadlinePassed(f"{self._name} did not end within {self._deadline_s:g} s{place}"))
        )

    def _give_up(self) -> None:
        """Cancel what the plugin waits for. Its `finally` may take as long again, then it is closed."""
        self._given_up = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        try:
            self._promise.deferred.cancel()
        except Exception:
            _log.failure("plugin {plugin} failed while it was given up", plugin=self._name)
        if self._promise.coroutine is not None and not self._finished_itself:
            self._call = self._clock.callLater(self._deadline_s, self._close)

    def _close(self) -> None:
        self._call = None
        if self._promise.coroutine is not None:
            _close(self._promise.coroutine, self._name)


def _ended(result: Any) -> Ended:
    if isinstance(result, Failure):
        error = result.value
        if error is not None and error.__traceback__ is None:
            error.__traceback__ = result.tb
        return Ended(None, error)
    return Ended(result, None)


def _close(coroutine: CoroutineType[Any, Any, Any], name: str) -> None:
    try:
        coroutine.close()
    except BaseException:
        _log.failure("plugin {plugin} would not be closed", plugin=name)


def _suspended_at(coroutine: CoroutineType[Any, Any, Any] | None) -> str:
    """The line at which a coroutine waits, for the author who looks for it."""
    place = ""
    while isinstance(coroutine, CoroutineType):
        if coroutine.cr_frame is not None:
            place = f", waiting at {coroutine.cr_frame.f_code.co_filename}:{coroutine.cr_frame.f_lineno}"
        coroutine = coroutine.cr_await
    return place
