"""When a client's connection is not read: a set of reasons, and it is read again when there is none.

Knows: who may want a pause, how a body's clock stands still meanwhile. Refuses to know: what is read
(`edge.connection`, whose base this is).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hmsgw.deadlines import NEVER
from hmsgw.edge.door import Door
from hmsgw.edge.states import BODY, EXCHANGE, OTHERS, State


class Pausing:
    """See the module. The attributes are EdgeConnection's."""

    __slots__ = ("_asked", "_door", "_lost", "_pauses", "_state", "deadline", "transport")

    transport: Any
    deadline: float
    _asked: bool
    _door: Door
    _lost: bool
    _pauses: int
    _state: State

    def _pause(self, why: int) -> None:
        if not self._pauses and not self._lost:
            self.transport.pauseProducing()
            if self._state is BODY:
                self.deadline = NEVER
        self._pauses |= why

    def _resume(self, why: int) -> None:
        if self._pauses & why:
            self._pauses &= ~why
            if not self._pauses and not self._lost:
                self.transport.resumeProducing()
                if self._state is BODY:
                    self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)

    def _let_others(self) -> None:
        """What is held is more than one turn's work: read it on after the others."""
        self._pause(OTHERS)
        if not self._asked:
            self._asked = True
            self._door.soon(self._read_on)

    def pause_body(self) -> None:
        """The exchange takes no more of the body for now."""
        if self._state is BODY:
            self._pause(EXCHANGE)

    def resume_body(self) -> None:
        self._resume(EXCHANGE)
        if self._pauses & OTHERS:
            self._let_others()

    if TYPE_CHECKING:
        wake_s: float

        def _read_on(self) -> None: ...
        def deadline_passed(self, now: float) -> None: ...
