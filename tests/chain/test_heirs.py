"""Whose counts a limit goes on with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.heirs import heirs
from hmsgw.chain.uses import PreparedUse
from hmsgw.config.model import PluginUse
from tests.chain.arrange import config, prepared, route, set_up, use


def uses(*items: PluginUse | str, **set_ups: PluginUse) -> list[PreparedUse]:
    found = prepared(config(*(route(item, path=f"/{n}") for n, item in enumerate(items)), plugins=set_ups))
    return [one for of_route in found.routes for one in of_route.uses]


class HeirsTests(SynchronousTestCase):
    def test_changed_limit(self) -> None:
        """Another limit alone: of a shorthand, of options, or from one to the other."""
        for was, now in (
            ("rate-5ip", "rate-6ip"), ("quota-5user", "quota-6user"),
            (use("rate", limit=5, per="1m"), use("rate", limit=6, per="1m")),
            ("rate-5ip", use("rate", limit=6, per="minute", key="ip")),
        ):  # fmt: skip
            (before,), (after,) = uses(was), uses(now)
            self.assertEqual(heirs([before], [after]), {after.identity: before.identity})

    def test_another_use(self) -> None:
        """Anything else that changed is a counter of its own, and so is what is not gone."""
        for was, now in (
            ("rate-5ip", "rate-6user"), ("rate-5ip", "quota-5ip"), ("rate-5ip", "request-id"),
            (use("rate", limit=5, per="1m"), use("rate", limit=6, per="2m")),
            (use("rate", limit=5), use("rate", limit=6, scope="route")),
        ):  # fmt: skip
            self.assertEqual(heirs(uses(was), uses(now)), {}, (was, now))
        self.assertEqual(heirs(uses("rate-5ip"), uses("rate-5ip", "rate-6ip")), {})
        self.assertEqual(heirs(uses("rate-5ip"), uses("rate-5ip")), {})

    def test_several(self) -> None:
        """Where two of a kind changed, nobody can tell which one became which; where one of them stayed, one can."""
        self.assertEqual(heirs(uses("rate-5ip", "rate-6ip"), uses("rate-7ip", "rate-8ip")), {})
        self.assertEqual(heirs(uses("rate-5ip"), uses("rate-7ip", "rate-8ip")), {})
        self.assertEqual(heirs(uses("rate-5ip", "rate-6ip"), uses("rate-5ip", "rate-8ip")), {"rate-8ip": "rate-6ip"})

    def test_set_up(self) -> None:
        """A set-up is its name: another name is another counter."""
        one, other = dict([set_up("one", plugin="rate", limit=5)]), dict([set_up("other", plugin="rate", limit=6)])
        self.assertEqual(heirs(uses("one", **one), uses("other", **other)), {})
