"""What a step decided, in the form that the exchange answers with.

Knows: how `HTTPError`, `Response` and a plugin's failure become a status, a reason word and response fields.
Refuses to know: problem+json and wires (`proxy.replies`). Strategy: everything a plugin hands over is checked here,
once, so that what leaves the chain can be written to a wire as it is; fields that frame a message or belong to one
connection are dropped, because only the gateway knows how the answer is framed.
"""

from __future__ import annotations

from typing import NamedTuple

from hmsgw.chain.api import HTTPError, Response
from hmsgw.reasons import ALL, BY_STATUS, CLIENT_GONE, PLUGIN_ERROR, STEP_FAILED, Reason, can_be_sent, title_of
from hmsgw.wire.fieldnames import NOT_SENDABLE
from hmsgw.wire.headers import Field, checked_field

#: The word for a plugin's own status that the list of reasons does not hold (the contract, section 5).
PLUGIN_WORD = "plugin"

#: Said by whoever frames the message. A plugin's own 407 needs its challenge.
_NOT_A_PLUGINS = NOT_SENDABLE - {b"proxy-authenticate"}


#: The body of a refusal is problem+json, or gRPC's.
_NOT_A_REFUSALS = _NOT_A_PLUGINS | {b"content-type"}


class Verdict(NamedTuple):
    """The end of a request's way through the chain.

    reason: None for a `Response`, and for a status that has no reason of its own. word: what log, metric and body call
    it; "" for a `Response` below 400. body: None asks for problem+json with `title` and `detail`. plugin: the name in
    the route.
    """

    status: int
    reason: Reason | None
    word: str
    title: str
    detail: str | None
    fields: list[Field]
    body: bytes | None
    plugin: str


def refused(error: HTTPError, plugin: str) -> Verdict:
    """The verdict of an `HTTPError`. A reason that is not in the list counts as none, so that metrics stay bounded.

    Raises ValueError or TypeError when it could not be sent as it stands.
    """
    _check_status(error.status, 400)
    reason = ALL.get(error.reason or "")
    if reason is None or reason is CLIENT_GONE:
        reason = BY_STATUS.get(error.status)
    word = PLUGIN_WORD if reason is None else reason.word
    title = reason.title if reason is not None and reason.status == error.status else title_of(error.status)
    detail = None if error.message is None else str(error.message)
    named = (checked_field(str(name), str(value)) for name, value in error.headers.items())
    fields = [field for field in named if field[0] not in _NOT_A_REFUSALS]
    return Verdict(error.status, reason, word, title, detail, fields, None, plugin)


def answered(response: Response, plugin: str) -> Verdict:
    """The verdict of a `Response`; the fields are a copy. Raises ValueError or TypeError as `refused` does."""
    _check_status(response.status, 200)
    if not isinstance(response.body, bytes):
        raise TypeError(f"the body of a Response is bytes, not {type(response.body).__name__}")
    status = response.status
    word = "" if status < 400 else BY_STATUS[status].word if status in BY_STATUS else PLUGIN_WORD
    fields = [field for field in response.headers.fields if field[0] not in _NOT_A_PLUGINS]
    return Verdict(status, None, word, "", None, fields, response.body, plugin)


def broken(plugin: str) -> Verdict:
    """The verdict on a plugin that failed. It says nothing of how: that is in the log."""
    return Verdict(
        PLUGIN_ERROR.status, PLUGIN_ERROR, PLUGIN_ERROR.word, PLUGIN_ERROR.title,
        STEP_FAILED, [], None, plugin,
    )  # fmt: skip


def _check_status(status: object, lowest: int) -> None:
    """Once more, because both classes are open to subclasses and later writes."""
    if not can_be_sent(status, lowest):
        raise ValueError(f"{status!r} is not a status from {lowest} to 599")
