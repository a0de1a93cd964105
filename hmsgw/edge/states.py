"""What a client's connection may be doing, and why it may not be read.

Knows: the names. Refuses to know: what changes them (`edge.connection`, `edge.answer`). Plain module constants beside
the enum: a look-up in a module is half the cost of one in an Enum class.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What the client may send next, and what becomes of it."""

    HEAD = "a request's head"
    BODY = "the rest of a body"
    ANSWERING = "nothing until the answer is out: held, bounded"
    LINGERING = "anything: dropped until the client closes, so that a reset does not overtake the answer"
    CLOSING = "nothing: what is written is on its way out"


HEAD, BODY, ANSWERING, LINGERING, CLOSING = State
EXCHANGE, AHEAD, OTHERS, FULL = 1, 2, 4, 8
"""Why reading is paused: the exchange takes no more of the body; the client is too far ahead; what it sent at once is
more work than one connection gets before the others have had their turn; it has not taken its last answer yet."""
