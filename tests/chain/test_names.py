"""What a plugin's name means: the order of the four places, options, set-ups, faults with their lines."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.uses import PreparedUse
from hmsgw.config.bundle import Bundle
from hmsgw.config.model import PluginUse
from tests.chain.arrange import ROOT, bundle, config, faults_of, prepared, route, set_up, use

PASS = "def run(req): pass"
TAKES_OPTIONS = "def configure(options):\n    return __import__('types').SimpleNamespace(run=print, options=options)"


def resolved(item: PluginUse | str, *set_ups: tuple[str, PluginUse], **files: str) -> PreparedUse:
    return prepared(config(route(item), plugins=dict(set_ups)), bundle(**files)).routes[0].uses[0]


class OrderTests(SynchronousTestCase):
    def test_set_up_first(self) -> None:
        """A set-up hides a drop-in of its name, and takes its plugin from what is left."""
        found = resolved("a", set_up("a", plugin="b"), plugins__a=PASS, plugins__b=PASS)
        self.assertEqual((found.name, found.plugin, found.identity), ("a", "b", "a"))

    def test_drop_in_before_shorthand(self) -> None:
        """A drop-in of a shorthand's name is what that name means."""
        self.assertIsNone(resolved("rate-5ip", plugins__rate_5ip=PASS).module)

    def test_catalogue(self) -> None:
        """A name of the catalogue is that plugin with its defaults."""
        found = resolved("request-id")
        self.assertEqual((found.plugin, found.settings.response), ("request-id", True))

    def test_set_up_of_its_own_name(self) -> None:
        """A set-up called like a plugin is a set-up of that plugin."""
        found = resolved("respond", set_up("respond", status=204))
        self.assertEqual((found.plugin, found.settings.status, found.identity), ("respond", 204, "respond"))

    def test_set_ups_do_not_chain(self) -> None:
        """`plugin:` names a plugin, not another set-up."""
        faults = faults_of(config(plugins=dict([set_up("a", 1, plugin="b"), set_up("b", 5, plugin="respond")])))
        self.assertEqual(len(faults), 1)
        self.assertTrue(faults[0].startswith("routes.yaml:2:5: no plugin is called `b`"), faults)


class OptionsTests(SynchronousTestCase):
    def test_route_adds_to_a_set_up(self) -> None:
        """Options in a route go over those of the set-up, and the result counts for itself."""
        found = resolved(use("hello", status=201), set_up("hello", plugin="respond", status=200, body="hi"))
        self.assertEqual((found.settings.status, found.settings.body), (201, "hi"))
        self.assertEqual(found.identity, 'hello{"status": 201}')

    def test_mode_and_deadline(self) -> None:
        """Mode and deadline may stand in the set-up and in the route, and the route's word counts."""
        given = set_up("hello", plugin="a", mode="shadow", deadline="2s")
        found = resolved("hello", given, plugins__a=PASS)
        self.assertEqual((found.shadow, found.deadline_s), (True, 2.0))
        found = resolved(use("hello", mode="enforce"), given, plugins__a=PASS)
        self.assertEqual((found.shadow, found.deadline_s), (False, 2.0))

    def test_identity(self) -> None:
        """The same options in another order are the same counter; other options are another."""
        one = resolved(use("a", x=1, y=2), plugins__a=TAKES_OPTIONS)
        two = resolved(use("a", y=2, x=1), plugins__a=TAKES_OPTIONS)
        three = resolved(use("a", y=2, x=2), plugins__a=TAKES_OPTIONS)
        self.assertEqual(one.identity, two.identity)
        self.assertNotEqual(one.identity, three.identity)

    def test_a_copy_of_its_own(self) -> None:
        """What a plugin does to the options it got changes nothing outside."""
        text = TAKES_OPTIONS.replace("\n", "\n    options['x'].append(5)\n    options.clear()\n", 1)
        item = use("a", x=[1])
        resolved(item, plugins__a=text)
        self.assertEqual(item.options, {"x": [1]})

    def test_shorthand_with_options(self) -> None:
        """A shorthand takes further options, and refuses one that it already says."""
        self.assertEqual(resolved(use("rate-5ip", mode="shadow")).shadow, True)
        (fault,) = faults_of(config(route(use("rate-5ip", 7, limit=6))))
        self.assertEqual(fault, "routes.yaml:8:5: `rate-5ip` says `limit` already; write `rate` instead")


class FaultTests(SynchronousTestCase):
    def fault(self, item: PluginUse, *set_ups: tuple[str, PluginUse], **files: str) -> str:
        faults = faults_of(config(route(item), plugins=dict(set_ups)), bundle(**files))
        self.assertEqual(len(faults), 1, faults)
        return faults[0]

    def test_unknown(self) -> None:
        """An unknown name is told with the nearest known one, else with where a plugin of that name would go."""
        self.assertEqual(self.fault(use("respnd", 4)),
                         "routes.yaml:4:3: no plugin is called `respnd`; did you mean `respond`?")  # fmt: skip
        self.assertEqual(self.fault(use("zzz-q", 4)), "routes.yaml:4:3: no plugin is called `zzz-q`; a plugin of your "
                                                      "own goes into plugins/zzz_q.py beside this file")  # fmt: skip

    def test_no_second_fault(self) -> None:
        """A plugin whose file is faulty, or may stand in a folder that can't be read, is not said to be missing."""
        (fault,) = faults_of(config(route(use("bad", 4))), bundle(plugins__bad="def run(:"))
        self.assertIn("plugin bad is not Python", fault)
        given = config(route(use("of-the-folder", 4)), plugin_path=("nowhere",))
        (fault,) = faults_of(given, Bundle(self.mktemp(), {}, False))
        self.assertIn("plugin_path: the folder", fault)

    def test_set_up_of_nothing(self) -> None:
        """A set-up whose own name is no plugin's has to say which one it sets up."""
        (fault,) = faults_of(config(plugins=dict([set_up("x", 4, limit=5)])))
        self.assertIn("no plugin is called `x`; say which one this is a set-up of, `plugin: rate`", fault)

    def test_told_already(self) -> None:
        """Of a use or a set-up that had a fault before, nothing more is said, nor of a route that lacks it."""
        unsound = PluginUse(name="x", is_sound=False)
        self.assertEqual(faults_of(config(route(unsound, service=None))), [])
        self.assertEqual(faults_of(config(route("x", use("zzz-q", 4)), plugins={"x": unsound})), [
            "routes.yaml:4:3: no plugin is called `zzz-q`; a plugin of your own goes into plugins/zzz_q.py beside this file"
        ])  # fmt: skip

    def test_later(self) -> None:
        """A pinned name that is not delivered yet is refused as such."""
        self.assertEqual(self.fault(use("cors", 4)), "routes.yaml:4:3: `cors` is not in this version")

    def test_no_api_key(self) -> None:
        """Nothing says an API key in this version, so nobody is counted by one: neither shorthand nor option."""
        self.assertIn("`key` is not in this version", self.fault(use("rate-60key", 4)))
        self.assertIn("`key` is not in this version", self.fault(use("quota-60key", 4)))
        self.assertIn("`key` is not in this version", self.fault(use("rate", 4, limit=5, key=["ip", "key"])))

    def test_no_options(self) -> None:
        """Options for a drop-in without configure are a fault at the option."""
        self.assertEqual(self.fault(use("a", 4, x=1), plugins__a=PASS),
                         "routes.yaml:5:5: plugin a has no options: there is no configure(options)")  # fmt: skip

    def test_option_error(self) -> None:
        """An OptionError is told at the option that it names, nested ones included, else at the use."""
        text = "from hmsgw.chain.api import OptionError\ndef configure(options): raise OptionError('too big', {!r})"
        for option, place in (("x", "5:5"), ("x[0].y", "5:5"), (None, "4:3")):
            fault = self.fault(use("a", 4, x=1), plugins__a=text.format(option))
            self.assertEqual(fault, f"routes.yaml:{place}: plugin a: too big")

    def test_option_errors(self) -> None:
        """Several that come together are told together, each at its place."""
        source = (
            "from hmsgw.chain.api import OptionError\n"
            "def configure(options): raise OptionError('bad', 'x', others=[OptionError('worse', 'y'), OptionError('odd')])"
        )
        faults = faults_of(config(route(use("a", 4, x=1, y=2))), bundle(plugins__a=source))
        said = [fault.partition(" ")[2] for fault in faults]
        self.assertEqual(["plugin a: odd", "plugin a: bad", "plugin a: worse"], said)

    def test_configure_raises(self) -> None:
        """Anything else that configure raises is told at the use, with the line of the plugin."""
        for what in ("ValueError('bad')", "KeyError('x')", "SystemExit(1)", "KeyboardInterrupt"):
            fault = self.fault(use("a", 4, x=1), plugins__a=f"def configure(options):\n    raise {what}")
            self.assertTrue(fault.startswith("routes.yaml:4:3: plugin a refused its options: "), fault)
            self.assertTrue(fault.endswith(f"({ROOT}/plugins/a.py line 2)"), fault)

    def test_configure_returns_garbage(self) -> None:
        """What configure returns must have run or on_response, and they must be functions."""
        self.assertIn("configure must return", self.fault(use("a"), plugins__a="def configure(options): return {}"))
        text = "class C:\n    def run(self): pass\ndef configure(options): return C()"
        self.assertIn("run must take 1 argument", self.fault(use("a"), plugins__a=text))

    def test_set_up_words_in_a_route(self) -> None:
        """`plugin` and `replaces` belong under `plugins:`."""
        self.assertEqual(self.fault(use("respond", 4, plugin="x")),
                         "routes.yaml:5:5: `plugin` belongs in a set-up under `plugins:`, not in a route")  # fmt: skip

    def test_mode_where_nothing_is_refused(self) -> None:
        """`mode` for a plugin that can't refuse is a fault and not ignored."""
        self.assertEqual(self.fault(use("request-id", 4, mode="shadow")),
                         "routes.yaml:5:5: `request-id` refuses nothing, so it has no `mode`")  # fmt: skip

    def test_verify(self) -> None:
        """What a catalogue plugin's `verify` refuses is told at the option."""
        self.assertEqual(self.fault(use("respond", 4, status=204, body="x")),
                         "routes.yaml:5:5: respond: an answer 204 has no body")  # fmt: skip

    def test_unused_set_up(self) -> None:
        """A set-up that no route uses is checked all the same."""
        self.assertEqual(len(faults_of(config(plugins=dict([set_up("x", plugin="respond", status=204, body="x")])))), 1)


class HidingTests(SynchronousTestCase):
    def test_catalogue_name(self) -> None:
        """A drop-in of a catalogue name is a fault in the file, delivered or not."""
        for name in ("respond", "cors"):
            (fault,) = faults_of(config(), bundle(**{f"plugins__{name}": PASS}))
            self.assertIn(f"{ROOT}/plugins/{name}.py:1:1: {name} is a plugin of the catalogue", fault)

    def test_replaces(self) -> None:
        """It is allowed where the set-up says so, under its own name or another."""
        for name, options in (("respond", {}), ("mine", {"plugin": "respond"})):
            given: dict[str, Any] = {"replaces": True, **options}
            self.assertIsNone(resolved(name, set_up(name, **given), plugins__respond=PASS).module)

    def test_replaces_nothing(self) -> None:
        """`replaces` without such a drop-in is a fault: the file is missing."""
        (fault,) = faults_of(config(plugins=dict([set_up("respond", 4, replaces=True)])))
        self.assertEqual(fault, "routes.yaml:5:5: there is no drop-in called respond that could replace anything")
