"""From a configuration's names to prepared uses: defaults, routes without a service, all faults at once, reloads."""

from __future__ import annotations

import gc
import linecache
import traceback
import weakref
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.build import build
from hmsgw.chain.prepare import prepare
from hmsgw.config.bundle import Bundle
from hmsgw.config.model import Defaults, PluginUse
from hmsgw.testing import FakeRequest, FakeResponse
from tests.chain.arrange import ROOT, Scene, bundle, config, faults_of, prepared, route, set_up, use

PASS = "def run(req): pass"


class DefaultsTests(SynchronousTestCase):
    def names(self, *uses: PluginUse | str, default: str = "rate-60ip", **files: str) -> list[str]:
        given = config(route(*uses), defaults=(use(default),), plugins=dict([set_up("own", plugin="rate-5ip")]))
        return [item.name for item in prepared(given, bundle(**files)).routes[0].uses]

    def test_in_front(self) -> None:
        """The default plugins come before the route's own."""
        self.assertEqual(self.names("request-id"), ["rate-60ip", "request-id"])
        self.assertEqual(self.names(), ["rate-60ip"])

    def test_route_with_its_own_rate(self) -> None:
        """A route that names a rate of its own, in whatever way, gets no default."""
        for own in ("rate-5ip", "rate-60ip", "own", use("rate", limit=3, per="1m", key="ip")):
            self.assertEqual(len(self.names(own)), 1)

    def test_quota_is_no_rate(self) -> None:
        """A quota leaves the default rate in place."""
        self.assertEqual(self.names("quota-1000user"), ["rate-60ip", "quota-1000user"])

    def test_drop_in_of_a_shorthand_name(self) -> None:
        """The tutorial's rate_60ip.py is the rate of the routes that name it, and stands for the default elsewhere."""
        files = {"plugins__rate_60ip": PASS}
        self.assertEqual(self.names("rate-60ip", **files), ["rate-60ip"])
        self.assertEqual(self.names("request-id", **files), ["rate-60ip", "request-id"])
        found = prepared(config(route(), defaults=(use("rate-60ip"),)), bundle(**files))
        self.assertIsNone(found.routes[0].uses[0].module)

    def test_off(self) -> None:
        """An empty list turns the defaults off."""
        self.assertEqual(prepared(config(route())).routes[0].uses, ())


class ServiceTests(SynchronousTestCase):
    def test_missing(self) -> None:
        """A route without a service whose plugins may all let pass is a fault at the route."""
        self.assertEqual(faults_of(config(route("request-id", service=None, path="/x"))), [
            "routes.yaml:90:1: route /x needs a `service`, or a plugin that answers every request (`respond`)",
        ])  # fmt: skip

    def test_answered(self) -> None:
        """A plugin that answers makes the service optional."""
        self.assertEqual(faults_of(config(route("respond", service=None))), [])
        files = bundle(plugins__hello="ANSWERS = True\ndef run(req): return Response(200)")
        self.assertEqual(faults_of(config(route("hello", service=None)), files), [])

    def test_shadow_does_not_answer(self) -> None:
        """A drop-in in shadow mode answers nothing."""
        files = bundle(plugins__hello="ANSWERS = True\ndef run(req): return Response(200)")
        self.assertEqual(len(faults_of(config(route(use("hello", mode="shadow"), service=None)), files)), 1)

    def test_no_second_fault(self) -> None:
        """A route whose only plugin is at fault is not also told to need a service."""
        self.assertEqual(len(faults_of(config(route("nosuch", service=None)))), 1)


class FaultTests(SynchronousTestCase):
    def test_all_at_once(self) -> None:
        """Faults of drop-ins, set-ups, defaults and routes come together."""
        given = config(
            route(use("nosuch", 5), use("cors", 6)),
            defaults=(use("nosuchdefault", 3),),
            plugins=dict([set_up("partners", 2, plugin="nosuchplugin")]),
        )
        places = [fault.split(": ")[0] for fault in faults_of(given, bundle(plugins__bad="1 / 0"))]
        self.assertEqual(sorted(places), sorted([
            f"{ROOT}/plugins/bad.py:1:1", "routes.yaml:3:3", "routes.yaml:3:5", "routes.yaml:5:3", "routes.yaml:6:3",
        ]))  # fmt: skip

    def test_told_once(self) -> None:
        """A fault that a thousand routes share is told once."""
        self.assertEqual(len(faults_of(config(*(route("nosuch", path=f"/{n}") for n in range(1000))))), 1)


class ReloadTests(SynchronousTestCase):
    def test_thousand_reloads(self) -> None:
        """Over a thousand reloads an unchanged drop-in keeps its module, its configured object and their state."""
        text = (
            "from types import SimpleNamespace\nmade = []\n"
            "def configure(options):\n    made.append(1)\n    return SimpleNamespace(run=print)"
        )
        given = config(route(use("a", x=1), "b"))
        files = {"plugins__a": text, "plugins__b": PASS}
        first = last = prepared(given, bundle(**files))
        for _ in range(1000):
            last = prepared(given, bundle(**files), last)
        for before, after in zip(first.routes[0].uses, last.routes[0].uses, strict=True):
            self.assertIs(before.target, after.target)
        self.assertEqual(last.drop_ins.plugins["a"].module.made, [1])

    def test_changed(self) -> None:
        """A changed file is loaded anew, and the old one is freed once no chain has it any more."""
        given = config(route("a"))
        last = prepared(given, bundle(plugins__a=PASS))
        old = weakref.ref(last.drop_ins.plugins["a"].module)
        last = prepared(given, bundle(plugins__a=PASS + " # changed"), last)
        gc.collect()
        self.assertIsNone(old())

    def test_refused_reload_changes_nothing(self) -> None:
        """After a refused reload, tracebacks of the running plugins still quote the running lines."""
        given = config(route("a"))
        running = prepared(given, bundle(plugins__a="def run(req):\n    1 / 0  # running"))
        self.assertTrue(faults_of(given, bundle(plugins__a="def run(req):\n    1 / 0  # refused\n("), previous=running))
        try:
            running.drop_ins.plugins["a"].module.run(None)
        except ZeroDivisionError:
            self.assertIn("# running", traceback.format_exc())
        linecache.cache.pop(f"{ROOT}/plugins/a.py")

    def test_new_options(self) -> None:
        """Other options for an unchanged file give another object of the same module."""
        text = "def configure(options):\n    return __import__('types').SimpleNamespace(run=print, options=options)"
        before = prepared(config(route(use("a", x=1))), bundle(plugins__a=text))
        after = prepared(config(route(use("a", x=2))), bundle(plugins__a=text), before)
        self.assertEqual(after.routes[0].uses[0].target.options, {"x": 2})
        self.assertIs(before.drop_ins.plugins["a"].module, after.drop_ins.plugins["a"].module)


class TutorialTests(SynchronousTestCase):
    """The two plugin files of the tutorial, as they are printed there, put into hmsgw/plugins."""

    def setUp(self) -> None:
        examples = Path(__file__).parents[2] / "docs" / "examples" / "plugins"
        package = Path(self.mktemp()).absolute()
        package.mkdir()
        for name in ("rate_60ip.py", "header_gpo.py"):
            (package / name).write_bytes((examples / name).read_bytes())
        given = config(route("rate-60ip", "header-gpo", path="/clinics/*"), defaults=Defaults().plugins)
        files = Bundle(self.mktemp(), {}, False)
        self.chain = build(prepare(given, files, package_folder=str(package)), Scene().tools(files))[0]

    def test_sixty_first(self) -> None:
        """The 61st request of an address is refused with the tutorial's words, emoji included."""
        for _ in range(60):
            self.assertIsNone(self.chain.run(FakeRequest(client="192.0.2.7")))
        verdict: Any = self.chain.run(FakeRequest(client="192.0.2.7"))
        self.assertEqual((verdict.status, verdict.word), (429, "rate-limited"))
        self.assertEqual(verdict.detail, "Slow down \N{VERTICAL TRAFFIC LIGHT}")
        self.assertIsNone(self.chain.run(FakeRequest(client="192.0.2.8")))

    def test_served_by(self) -> None:
        """Every answer carries X-Served-By."""
        resp = FakeResponse()
        self.assertIsNone(self.chain.respond(FakeRequest(), resp, None))  # type: ignore[arg-type]
        self.assertEqual(resp.headers["X-Served-By"], "US-GPO")
