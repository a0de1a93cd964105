"""Which endpoint gets the next request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.upstream.balance import BALANCES, consistent_hash, least_requests, random_choice, round_robin


@dataclass(slots=True)
class One:
    """A member as the functions see it."""

    name: str
    weight: int = 1
    active: int = 0


def _members(*weights: int) -> list[One]:
    return [One(f"10.0.0.{index}:80", weight) for index, weight in enumerate(weights)]


_CROWDS = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 50)), min_size=1, max_size=12)


class BalanceTests(SynchronousTestCase):
    """The four ways."""

    @given(st.sampled_from(sorted(BALANCES)), _CROWDS, st.integers(0, 10**9), st.text(max_size=20))
    def test_always_a_member(self, name: str, crowd: list[tuple[int, int]], turn: int, key: str) -> None:
        """Each picks one of those it was given, whatever their number, weights and load."""
        members = [One(str(index), weight, active) for index, (weight, active) in enumerate(crowd)]
        self.assertIn(BALANCES[name](members, turn, key), members)

    @given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 1000))
    def test_round_robin(self, weights: list[int], start: int) -> None:
        """Over as many turns as the weights sum up to, each gets exactly its weight."""
        members = _members(*weights)
        total = sum(weights)
        got = Counter(round_robin(members, start + turn, "").name for turn in range(total))
        self.assertEqual({member.name: member.weight for member in members}, got)

    @given(_CROWDS, st.integers(0, 1000))
    def test_least_requests(self, crowd: list[tuple[int, int]], turn: int) -> None:
        """Nobody has fewer requests a unit of weight than the one that is chosen."""
        members = [One(str(index), weight, active) for index, (weight, active) in enumerate(crowd)]
        chosen = least_requests(members, turn, "")
        for member in members:
            self.assertLessEqual(chosen.active * member.weight, member.active * chosen.weight)

    def test_least_requests_ties(self) -> None:
        """Idle ones take turns."""
        members = _members(1, 1, 1)
        self.assertEqual(3, len({least_requests(members, turn, "").name for turn in range(3)}))

    def test_random(self) -> None:
        """Both of two come up, the heavier one more often (a miss has a chance below 1 in 10**50)."""
        members = _members(1, 9)
        got = Counter(random_choice(members, 0, "").name for _ in range(2000))
        self.assertGreater(got[members[1].name], got[members[0].name])
        self.assertGreater(got[members[0].name], 0)

    def test_consistent_hash_keeps(self) -> None:
        """A key stays with its endpoint; when one vanishes, only its own keys move."""
        members = _members(1, 1, 1, 1)
        keys = [f"192.0.2.{index}" for index in range(300)]
        before = {key: consistent_hash(members, turn, key) for turn, key in enumerate(keys)}
        without = members[1:]
        for key in keys:
            after = consistent_hash(without, 0, key)
            if before[key] is not members[0]:
                self.assertIs(before[key], after)
            else:
                self.assertIn(after, without)

    def test_consistent_hash_order(self) -> None:
        """The order of the members does not matter: several gateways agree."""
        members = _members(3, 1, 2)
        for index in range(100):
            key = f"198.51.100.{index}"
            self.assertIs(consistent_hash(members, 0, key), consistent_hash(members[::-1], 9, key))

    def test_consistent_hash_weight(self) -> None:
        """A weight of nine gets about nine tenths of the keys."""
        members = _members(1, 9)
        got = Counter(consistent_hash(members, 0, str(index)).name for index in range(2000))
        self.assertTrue(1700 < got[members[1].name] < 1900, got)
