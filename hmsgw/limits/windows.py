"""How much may still pass: sliding windows and token buckets, as rules over a small state.

Knows: the arithmetic of admitting, and what to tell the client (remaining, reset, retry). Refuses to know: whose state
it is, where it is kept, and what time it is. Strategy: a rule is built once from the configuration; each caller's state
is a short list that the rule reads and writes, so that a store may keep a million of them and a changed limit applies
to the states that are already there. Every rounding is towards refusing. Calendar windows are in `calendar.py`.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple, Protocol, TypeAlias

_SPAN = 51
"""A hit is held while its slot is one of the newest `_SPAN` + 1."""

_SLOTS_IN_WINDOW = 50.99
"""Two hits less than a window apart are less than 50.99 slots apart, so never more than `_SPAN` slot numbers, whatever
the floating point rounds; and 52 slots are 1.0198 windows, so no hit is held longer than that."""

_DUST = 1e-9
"""Tokens by which a sum of floats may be off before a bucket refuses."""


class Decision(NamedTuple):
    """What a limit says about one request.

    remaining: how many more would pass now. reset_s: seconds until there is more quota than that.
    retry_after_s: seconds until one would pass; 0 when this one did.
    """

    allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float


State: TypeAlias = "array[float]"
"""A caller's numbers. An array of doubles and not a list: a third of the memory, and nothing for the garbage collector
to walk through while a million of them are kept."""


class Rule(Protocol):
    """A limit, without a caller. `now` is in seconds of whichever clock the rule is for."""

    def fresh(self) -> State:
        """The state of a caller that is not known."""

    def hit(self, state: State, now: float) -> Decision:
        """Admit one request, or refuse it; the state is changed accordingly."""

    def peek(self, state: State, now: float) -> Decision:
        """What `hit` would say, without counting."""


class SlidingWindow:
    """In no window of `per_s` seconds, wherever it begins, are more than `limit` admitted.

    The state is `[total, slot, hits, slot, hits, ...]`, oldest slot first: at most 52 pairs whatever the limit, and one
    pair for a caller that comes once. Only what was admitted is counted. The clock must not jump.
    """

    __slots__ = ("_slots_per_s", "lifetime_s", "limit")

    def __init__(self, limit: int, per_s: float) -> None:
        self.limit = limit
        self._slots_per_s = _SLOTS_IN_WINDOW / per_s
        self.lifetime_s = (_SPAN + 1) / self._slots_per_s
        """A state that was not hit for so many seconds says nothing any more."""

    def fresh(self) -> State:
        return array("d", (0.0,))

    def hit(self, state: State, now: float) -> Decision:
        slot = now * self._slots_per_s // 1
        if len(state) > 1:
            if state[1] < slot - _SPAN:
                self._forget(state, slot)
            elif state[-2] > slot:
                slot = state[-2]
        total = state[0]
        if total >= self.limit:
            return self._refusal(state, now)
        state[0] = total = total + 1
        if len(state) > 1 and state[-2] == slot:
            state[-1] += 1
        else:
            state.append(slot)
            state.append(1)
        return Decision(True, int(self.limit - total), (state[1] + _SPAN + 1) / self._slots_per_s - now, 0.0)

    def peek(self, state: State, now: float) -> Decision:
        return self.hit(state[:], now)

    def _forget(self, state: State, slot: float) -> None:
        gone = 0.0
        upto = 1
        while upto < len(state) and state[upto] < slot - _SPAN:
            gone += state[upto + 1]
            upto += 2
        state[0] -= gone
        del state[1:upto]

    def _refusal(self, state: State, now: float) -> Decision:
        to_leave = state[0] - self.limit + 1
        leaving = state[1]
        for index in range(1, len(state), 2):
            leaving = state[index]
            to_leave -= state[index + 1]
            if to_leave <= 0:
                break
        wait_s = max((leaving + _SPAN + 1) / self._slots_per_s - now, 0.0)
        return Decision(False, 0, wait_s, wait_s)


class TokenBucket:
    """`limit` per `per_s` seconds on average, and up to `burst` at once (the generic cell rate algorithm).

    The state is `[level, at]`: how full the bucket was, in requests, at that second. Kept as a level and not as GCRA's
    arrival time, so that a changed limit keeps what was used. The clock must not jump.
    """

    __slots__ = ("_per_s", "burst", "lifetime_s", "limit")

    def __init__(self, limit: int, per_s: float, burst: int) -> None:
        self.limit = limit
        self.burst = burst
        self._per_s = limit / per_s
        self.lifetime_s = burst / self._per_s

    def fresh(self) -> State:
        return array("d", (0.0, 0.0))

    def hit(self, state: State, now: float) -> Decision:
        level, at = state
        if now > at:
            level = max(level - (now - at) * self._per_s, 0.0)
            at = now
        over = level + 1 - self.burst - _DUST
        if over > 0:
            wait_s = over / self._per_s
            return Decision(False, 0, wait_s, wait_s)
        state[0] = level = level + 1
        state[1] = at
        room = self.burst - level + _DUST
        return Decision(True, int(room), (1 - room % 1) / self._per_s, 0.0)

    def peek(self, state: State, now: float) -> Decision:
        return self.hit(state[:], now)
