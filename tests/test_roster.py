"""Which registry is followed, and for which services."""

from __future__ import annotations

import json
import os

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Registry
from hmsgw.roster import Roster
from tests.assembled import Reactor


class RosterTests(SynchronousTestCase):
    """`Roster`, over the file source."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.told: list[tuple[str, tuple[Endpoint, ...]]] = []
        self.roster = self.new_roster()
        self.addCleanup(self.stop)

    def new_roster(self) -> Roster:
        return Roster(self.reactor, self.folder, {}, lambda name, there: self.told.append((name, there)), set)

    def stop(self) -> None:
        self.roster.stop()
        for call in self.reactor.getDelayedCalls():
            call.cancel()

    def registry(self, name: str, **services: list[str]) -> Registry:
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            json.dump(services, file)
        return Registry(kind="file", path=path)

    def test_nothing_before_start(self) -> None:
        """Nothing is asked before `start`, and nothing is known; then what was wanted is followed."""
        self.roster.follow(self.registry("a.json", users=["http://192.0.2.1:80"]), self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        self.assertEqual(([], ()), (self.told, self.roster.known("users")))
        self.roster.start()
        self.reactor.pump([0.1] * 20)
        self.assertEqual([("users", (Endpoint("http", "192.0.2.1", 80),))], self.told)
        self.assertIsNone(self.successResultOf(self.roster.first_answers()))

    def test_another_registry(self) -> None:
        """A changed section is another source, which begins with what the last one knew: nobody goes without."""
        self.roster.start()
        self.roster.follow(self.registry("a.json", users=["http://192.0.2.1:80"]), self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        missing = Registry(kind="file", path=os.path.join(self.folder, "missing.json"))
        self.roster.follow(missing, self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        self.assertEqual((Endpoint("http", "192.0.2.1", 80),), self.roster.known("users"))
        self.assertTrue(self.roster.degraded())

    def test_same_registry(self) -> None:
        """The same section keeps its source, and with it what it knows, when lines move in the file."""
        registry = self.registry("a.json", users=["http://192.0.2.1:80"], other=["http://192.0.2.2:80"])
        self.roster.start()
        self.roster.follow(registry, self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        self.roster.follow(registry, self.folder, {"users", "other"})
        self.reactor.pump([0.1] * 20)
        self.assertEqual(["users", "other"], [name for name, _ in self.told])
        self.assertEqual({"users", "other"}, set(self.roster.ages()))

    def test_no_registry(self) -> None:
        """`kind: none` never answers, so nothing of it grows old; a registry that comes later does."""
        self.roster.start()
        self.roster.follow(Registry(kind="none"), self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        self.assertEqual({}, self.roster.ages())
        self.roster.follow(self.registry("a.json", users=["http://192.0.2.1:80"]), self.folder, {"users"})
        self.reactor.pump([0.1] * 20)
        self.assertEqual({"users"}, set(self.roster.ages()))

    def test_over_a_restart(self) -> None:
        """What was last known is written down, and a new process starts with it while the registry is away."""
        registry = self.registry("a.json", users=["http://192.0.2.1:80"])
        self.roster.start()
        self.roster.follow(registry, self.folder, {"users"})
        self.reactor.pump([0.1] * 100)
        self.roster.stop()
        os.remove(os.path.join(self.folder, "a.json"))
        self.roster = self.new_roster()
        self.roster.follow(registry, self.folder, {"users"})
        self.roster.start()
        self.reactor.pump([0.1] * 20)
        self.assertEqual((Endpoint("http", "192.0.2.1", 80),), self.roster.known("users"))

    def test_without_one(self) -> None:
        """With nothing to follow there is nothing to wait for."""
        self.assertEqual(((), {}, []), (self.roster.known("x"), self.roster.ages(), self.roster.degraded()))
        self.successResultOf(self.roster.first_answers())
        self.successResultOf(self.roster.stop())
