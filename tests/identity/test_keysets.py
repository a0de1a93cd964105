"""Key sets by URL: when they are fetched, who waits, and what a bad fetch changes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.keysets import COOL_DOWN_S, MAX_WAITING, KeySet, KeySets
from tests.identity.minting import ec_key, jwk, key_set, rsa_key

URL = "https://id.example.gov/jwks.json"
OLD = key_set(jwk(rsa_key(), kid="old"))
NEW = key_set(jwk(rsa_key(), kid="old"), jwk(ec_key(), kid="new"))


class Issuer:
    """Stands for the network: each fetch waits until the test answers it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open: list[Deferred[tuple[bytes, Mapping[str, str]]]] = []

    def fetch(self, url: str, max_bytes: int, timeout_s: float) -> Deferred[tuple[bytes, Mapping[str, str]]]:
        self.asked.append(url)
        fetched: Deferred[tuple[bytes, Mapping[str, str]]] = Deferred()
        self.open.append(fetched)
        return fetched

    def answer(self, raw: bytes, **fields: str) -> None:
        self.open.pop().callback((raw, {name.replace("_", "-"): value for name, value in fields.items()}))

    def fail(self, why: str = "connection refused") -> None:
        self.open.pop().errback(Failure(OSError(why)))


class KeySetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.issuer = Issuer()
        self.sets = KeySets(self.clock, self.issuer.fetch)
        self.set = self.sets.get(URL)

    def tearDown(self) -> None:
        self.sets.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def loaded(self) -> KeySet:
        self.issuer.answer(OLD)
        return self.set

    def test_fetched_at_once_and_once(self) -> None:
        """The first use fetches; every further use has the same set."""
        self.assertEqual(self.issuer.asked, [URL])
        self.assertFalse(self.set.ready)
        self.assertIs(self.sets.get(URL), self.loaded())
        self.assertTrue(self.set.ready and self.set.ever_loaded)
        self.assertEqual((self.issuer.asked, self.set.version), ([URL], 1))
        self.assertEqual(self.sets.status(), {URL: None})

    def test_refreshed_in_time(self) -> None:
        """A set is fetched again at 80 % of its age: of `max-age` between a minute and a day, else of ten minutes."""
        self.issuer.answer(OLD)
        for control, age_s in (
            ("", 600), ("max-age=100", 100), ("public, max-age=5", 60), ("max-age=999999999", 86400),
            ("no-store", 600), ("max-age=x", 600), ("s-max-age=70", 600), ('max-age="120"', 120),
        ):  # fmt: skip
            (call,) = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
            self.issuer.answer(OLD, cache_control=control)
            (call,) = self.clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime() - self.clock.seconds(), age_s * 0.8)
        self.assertEqual(self.set.version, 1)

    def test_a_changed_set_is_a_new_version(self) -> None:
        """What was verified with the old keys can be told from what is verified with the new ones."""
        self.loaded()
        self.clock.advance(480)
        self.issuer.answer(NEW)
        self.assertEqual(self.set.version, 2)

    def test_a_bad_fetch_changes_nothing(self) -> None:
        """A failure, garbage, an empty or an endless set leaves the keys as they are, and is tried again."""
        keys = self.loaded().keys
        self.clock.advance(480)
        for pause_s, answer in ((1, b"<html>"), (2, b'{"keys":[]}'), (4, b"x" * 300_000), (8, None), (16, b"")):
            if answer is None:
                self.issuer.fail()
            else:
                self.issuer.answer(answer)
            self.assertIs(self.set.keys, keys)
            self.assertIsNotNone(self.sets.status()[URL])
            self.clock.advance(pause_s - 0.01)
            self.assertEqual(self.issuer.open, [])
            self.clock.advance(0.01)
            self.assertEqual(len(self.issuer.open), 1)
        self.issuer.answer(NEW)
        self.assertEqual((self.set.version, self.sets.status()), (2, {URL: None}))

    def test_back_off_has_an_end(self) -> None:
        """An issuer that goes away is asked at least once a minute."""
        self.loaded()
        self.clock.advance(480)
        for _ in range(20):
            self.issuer.fail()
            (call,) = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
        self.issuer.fail()
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - self.clock.seconds(), 60.0)

    def test_first_back_off(self) -> None:
        """One that was never there is asked every 5 s at least, and a little sooner by chance: nobody can get in."""
        self.issuer.fail()
        self.sets.stop()
        for chance, pauses_s in ((0.8, (1, 1.6, 3.2, 4, 4, 4)), (1.0, (1, 2, 4, 5, 5, 5))):
            kept = KeySet(URL, self.clock, self.issuer.fetch, lambda low, high, chance=chance: chance)
            kept.start()
            for pause_s in pauses_s:
                self.issuer.fail()
                self.clock.advance(pause_s - 0.01)
                self.assertEqual(len(self.issuer.open), 0, pause_s)
                self.clock.advance(0.02)
                self.assertEqual(len(self.issuer.open), 1, pause_s)
            self.issuer.answer(OLD)
            self.clock.advance(480)
            for pause_s in (1, 2, 4, 8, 16, 32, 60, 60):
                self.issuer.fail()
                self.clock.advance(pause_s - 0.01)
                self.assertEqual(len(self.issuer.open), 0, pause_s)
                self.clock.advance(0.02)
                self.assertEqual(len(self.issuer.open), 1, pause_s)
            kept.stop()
            self.issuer.open.clear()

    def test_token_before_the_first_set(self) -> None:
        """A token that needs the keys has them fetched at once, and gets in as soon as the issuer is back; all tokens
        together do so once a second at most, the tries by time counted in."""
        for _ in range(6):
            self.issuer.fail()
            (call,) = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
        self.issuer.fail()
        asked = len(self.issuer.asked)
        self.clock.advance(0.99)
        self.successResultOf(self.set.refresh_for("old"))
        self.assertEqual(len(self.issuer.asked), asked)
        self.clock.advance(0.01)
        waiting = [self.set.refresh_for("old") for _ in range(50)]
        self.assertEqual(len(self.issuer.asked), asked + 1)
        self.issuer.answer(OLD)
        for one in waiting:
            self.successResultOf(one)
        self.assertTrue(self.set.ready)

    def test_no_storm_before_the_first_set(self) -> None:
        """A flood of tokens over a minute, to an issuer that refuses at once: sixty fetches, whatever the back-off."""
        begun = [self.clock.seconds()]
        for _ in range(6000):
            if self.issuer.open:
                self.issuer.fail()
            asked = len(self.issuer.asked)
            self.set.refresh_for("old")
            self.clock.advance(0.01)
            if len(self.issuer.asked) > asked:
                begun.append(self.clock.seconds())
        self.assertIn(len(self.issuer.asked), range(55, 62))
        self.assertGreaterEqual(min(b - a for a, b in pairwise(begun)), 0.98)

    def test_one_flight_before_the_first_set(self) -> None:
        """A fetch that hangs is not doubled by tokens: they wait for it, 2 s each, and the next begins after it."""
        for _ in range(4):
            waiting = self.set.refresh_for("old")
            self.clock.advance(1)
            self.assertNoResult(waiting)
            self.assertEqual(len(self.issuer.asked), 1)
            self.clock.advance(0.2)
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
        self.clock.advance(0.2)
        self.issuer.open.clear()
        self.assertNoResult(self.set.refresh_for("old"))
        self.assertEqual(len(self.issuer.asked), 2)
        self.issuer.answer(OLD)

    def test_unknown_kid_while_the_issuer_is_away(self) -> None:
        """A fetch for an unknown key that fails is one all the same: the next such is 30 s later; the keys stay."""
        self.loaded()
        waiting = self.set.refresh_for("new")
        self.issuer.fail()
        self.successResultOf(waiting)
        self.assertTrue(self.set.ready)
        self.successResultOf(self.set.refresh_for("new"))
        self.assertEqual(len(self.issuer.asked), 2)
        # The tries that go on by themselves bring the key, and whoever comes meanwhile waits for them.
        self.clock.advance(1)
        waiting = self.set.refresh_for("new")
        self.assertEqual(len(self.issuer.asked), 3)
        self.issuer.answer(NEW)
        self.successResultOf(waiting)
        keys = self.set.keys
        assert keys is not None
        self.assertEqual(len(keys), 2)

    def test_hostile_sets(self) -> None:
        """Deep, wide, long and many: refused at once, and the keys from before are kept."""
        keys = self.loaded().keys
        self.clock.advance(480)
        wide = b'{"keys":[%b]}' % b",".join([b"1"] * 100_000)
        for raw in (b"[" * 200_000, b'{"keys":[%b]}' % (b"9" * 200_000), wide, b'{"keys":{}}', b"\xff", b"{}" * 9):
            self.issuer.answer(raw)
            self.assertIs(self.set.keys, keys)
            self.assertIsNotNone(self.set.fault)
            self.assertLess(len(self.set.fault or ""), 500)
            (call,) = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
        self.issuer.answer(OLD)

    def test_a_hanging_fetch_ends(self) -> None:
        """An issuer that accepts and says nothing is given up after 5 s, and asked again."""
        self.clock.advance(5)
        self.assertIsNotNone(self.set.fault)
        self.clock.advance(1)
        self.assertEqual(len(self.issuer.asked), 2)

    def test_a_fetch_that_raises(self) -> None:
        """A URL that can't even be asked for is a fault like any other."""

        def broken(url: str, max_bytes: int, timeout_s: float) -> Deferred[tuple[bytes, Mapping[str, str]]]:
            raise ValueError("no such scheme")

        sets = KeySets(self.clock, broken)
        sets.get(URL)
        self.successResultOf(sets.first_answers())
        self.assertEqual(sets.status(), {URL: "no such scheme"})
        sets.stop()

    def test_unknown_kid_fetches_once_in_30_s(self) -> None:
        """Unknown keys fetch the set at once, together, and then not for 30 s."""
        self.loaded()
        waiting = [self.set.refresh_for(f"k{number}") for number in range(50)]
        self.assertEqual((len(self.issuer.asked), self.set.waiting), (2, 50))
        self.issuer.answer(NEW)
        for one in waiting:
            self.successResultOf(one)
        self.assertEqual(self.set.waiting, 0)
        self.clock.advance(COOL_DOWN_S - 0.1)
        self.successResultOf(self.set.refresh_for("again"))
        self.assertEqual(len(self.issuer.asked), 2)
        self.clock.advance(0.1)
        self.assertNoResult(self.set.refresh_for("again"))
        self.assertEqual(len(self.issuer.asked), 3)
        self.issuer.answer(NEW)

    def test_waiting_is_bounded_in_time(self) -> None:
        """A request waits 2 s at most, and the fetch goes on without it."""
        self.loaded()
        waiting = self.set.refresh_for("new")
        self.clock.advance(1.99)
        self.assertNoResult(waiting)
        self.clock.advance(0.01)
        self.successResultOf(waiting)
        self.issuer.answer(NEW)
        self.assertEqual(self.set.version, 2)

    def test_waiting_is_bounded_in_number(self) -> None:
        """The 1,001st request does not wait."""
        self.loaded()
        waiting = [self.set.refresh_for("new") for _ in range(MAX_WAITING)]
        self.successResultOf(self.set.refresh_for("new"))
        self.issuer.answer(NEW)
        self.successResultOf(waiting[-1])

    def test_a_client_that_goes_away(self) -> None:
        """A cancelled wait leaves nothing behind, and disturbs neither the fetch nor the others."""
        self.loaded()
        gone, stays = self.set.refresh_for("new"), self.set.refresh_for("new")
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(self.set.waiting, 1)
        self.issuer.answer(NEW)
        self.successResultOf(stays)

    def test_before_the_first_set(self) -> None:
        """Requests wait for a first fetch that is under way, and not for one that is in back-off."""
        waiting = self.set.refresh_for("old")
        self.assertNoResult(waiting)
        self.issuer.fail()
        self.successResultOf(waiting)
        self.successResultOf(self.set.refresh_for("old"))
        self.assertEqual(len(self.issuer.asked), 1)

    def test_first_answers(self) -> None:
        """Whoever waits for the first answers is told, be they good or bad, and later at once."""
        first = self.sets.first_answers()
        self.assertNoResult(first)
        self.issuer.fail()
        self.successResultOf(first)
        self.successResultOf(self.sets.first_answers())

    def test_retain(self) -> None:
        """A set that no configuration names any more is let go, in flight or at rest; its keys stay with requests."""
        waiting = self.set.refresh_for("old")
        other = self.sets.get(URL + "?2")
        self.issuer.answer(OLD)
        self.sets.retain([])
        self.successResultOf(waiting)
        self.assertEqual((self.sets.status(), self.clock.getDelayedCalls()), ({}, []))
        self.assertTrue(other.ready)
        self.successResultOf(other.refresh_for("new"))
        self.assertEqual(len(self.issuer.asked), 2)

    def test_a_changed_set_is_used_only_whole(self) -> None:
        """A new set that can't be used does not hide the old one the next time it is fetched."""
        self.loaded()
        self.clock.advance(480)
        self.issuer.answer(b"garbage")
        self.clock.advance(1)
        self.issuer.answer(b"garbage")
        self.assertIsNotNone(self.set.fault)
