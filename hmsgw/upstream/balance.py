"""Which endpoint gets the next request: pure functions over what is known of each.

Knows: the four ways that a service may name. Refuses to know: connections, health's causes, time.
Strategy: a choice is a function (members, turn, key) -> member over the members that may be used; members come in a
stable order. Weights count in each of them. Each is at most linear in the number of endpoints.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Weighed(Protocol):
    """weight: 1 or more. active: requests under way. name: stable across reloads."""

    @property
    def name(self) -> str: ...

    weight: int
    active: int


M = TypeVar("M", bound=Weighed)
Choice = Callable[[Sequence[M], int, str], M]


def round_robin(members: Sequence[M], turn: int, key: str) -> M:
    """Each in turn, a weight of n n times in a row of the sum of weights."""
    total = sum(member.weight for member in members)
    if total == len(members):
        return members[turn % total]
    place = turn % total
    for member in members:
        place -= member.weight
        if place < 0:
            return member
    raise AssertionError("a place lies within the sum of weights")


def least_requests(members: Sequence[M], turn: int, key: str) -> M:
    """The one with the fewest requests a unit of weight; ties go round."""
    count = len(members)
    start = turn % count
    best = members[start]
    for step in range(1, count):
        member = members[(start + step) % count]
        if member.active * best.weight < best.active * member.weight:
            best = member
    return best


def random_choice(members: Sequence[M], turn: int, key: str) -> M:
    """Any, by weight."""
    return random.choices(members, [member.weight for member in members])[0]


def consistent_hash(members: Sequence[M], turn: int, key: str) -> M:
    """The same one for the same key (the client's address) as long as it is there: weighted rendezvous hashing
    (Schindelhauer and Schomaker 2005). A vanished endpoint moves only its own keys."""

    def score(member: M) -> float:
        digest = hashlib.sha256(f"{member.name}\0{key}".encode("utf-8", "surrogateescape")).digest()
        share = (int.from_bytes(digest[:8], "big") + 1) / 2.0**64
        return float(share ** (1.0 / member.weight))

    return max(members, key=score)


BALANCES: dict[str, Choice] = {  # type: ignore[type-arg]
    "round-robin": round_robin,
    "least-requests": least_requests,
    "random": random_choice,
    "consistent-hash": consistent_hash,
}
