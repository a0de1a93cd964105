"""Bodies that a route's plugins change on their way, piece by piece.

Knows: which plugins want that for a request, in which order each direction passes them (in, as they are listed; out, in
reverse), and what becomes of one that fails. Refuses to know: what they make of a piece, wires, and when a piece comes.
Strategy: plain calls, bytes in and bytes out, so that nothing gathers here and back-pressure stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hmsgw.chain.step import TransformStep
from hmsgw.chain.verdict import Verdict
from hmsgw.wire.headers import Field, Headers

_T = TypeVar("_T")
_Made = tuple[TransformStep, Any]


class _Failed(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.plugin)
        self.verdict = verdict


class Transforms:
    """Those of one request. request_too: some change its body, so that its length is not known. response_too: some may
    change the answer's, and have to see all of it. verdict: not None once one of them has failed: what the client is
    told, if it still can be. From then on they give nothing."""

    __slots__ = ("_answers", "_requests", "request_too", "response_too", "verdict")

    def __init__(self, steps: Sequence[TransformStep], req: Any) -> None:
        self.verdict: Verdict | None = None
        found: list[_Made] = self._safe(lambda: _made(steps, req), [])
        self._requests = [one for one in found if hasattr(one[1], "request")]
        self._answers = [one for one in reversed(found) if hasattr(one[1], "response")]
        self.request_too = bool(self._requests)
        self.response_too = bool(self._answers)

    def __bool__(self) -> bool:
        return bool(self._requests or self._answers or self.verdict)

    def request(self, data: bytes) -> bytes:
        """A piece of the request's body."""
        return self._safe(lambda: _through(self._requests, "request", data), b"")

    def request_end(self) -> bytes:
        """What is left of it."""
        return self._safe(lambda: _ends(self._requests, "request"), b"")

    def begin(self, resp: Any) -> bool:
        """The head of the upstream's answer. True when somebody changes the body that follows."""
        self._answers = self._safe(lambda: [one for one in self._answers if _wants(one, resp)], [])
        return bool(self._answers)

    def response(self, data: bytes) -> bytes:
        """A piece of the answer's body."""
        return self._safe(lambda: _through(self._answers, "response", data), b"")

    def response_end(self, trailers: list[Field]) -> tuple[bytes, list[Field]]:
        """(what is left of the body, its trailers), both as they go out."""
        said = Headers(list(trailers))
        held = self._safe(lambda: _ends(self._answers, "response", said), b"")
        return held, said.fields

    def _safe(self, call: Callable[[], _T], nothing: _T) -> _T:
        if self.verdict is None:
            try:
                return call()
            except _Failed as failed:
                self.verdict = failed.verdict
        return nothing


def _made(steps: Sequence[TransformStep], req: Any) -> list[_Made]:
    found: list[_Made] = []
    for step in steps:
        try:
            made = step.call(req)
            if made is not None and not (hasattr(made, "request") or hasattr(made, "response")):
                raise TypeError(f"transform returned {type(made).__name__}, which has neither request nor response")
        except BaseException as error:
            raise _Failed(step.failure(error)) from None
        if made is not None:
            found.append((step, made))
    return found


def _through(all_made: list[_Made], name: str, data: bytes) -> bytes:
    for step, made in all_made:
        if data:
            data = _asked(step, getattr(made, name), data)
    return data


def _ends(all_made: list[_Made], name: str, *what: Any) -> bytes:
    """What one has left goes through those behind it."""
    held = b""
    for step, made in all_made:
        if held:
            held = _asked(step, getattr(made, name), held)
        end = getattr(made, f"{name}_end", None)
        if end is not None:
            held += _asked(step, end, *what)
    return held


def _asked(step: TransformStep, call: Callable[..., Any], *what: Any) -> bytes:
    try:
        data = call(*what)
        if type(data) is not bytes:
            raise TypeError(f"{call.__name__} returned {type(data).__name__}; a piece of a body is bytes")
    except BaseException as error:
        raise _Failed(step.failure(error)) from None
    return data


def _wants(one: _Made, resp: Any) -> bool:
    step, made = one
    if not hasattr(made, "response_begin"):
        return True
    try:
        return made.response_begin(resp) is not False
    except BaseException as error:
        raise _Failed(step.failure(error)) from None
