"""From prepared uses to chains: order, sharing, what a reload keeps, and plugins that can't be built."""

from __future__ import annotations

import gc
from types import ModuleType, SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain import catalogue
from hmsgw.chain.api import OptionError
from hmsgw.chain.build import build
from hmsgw.chain.run import Chain
from hmsgw.config.faults import Refused
from hmsgw.config.model import NOWHERE, PluginUse
from hmsgw.testing import FakeRequest, FakeResponse
from tests.chain.arrange import ROOT, Scene, bundle, bundle_of, config, prepared, route, use


def order_of(word: str) -> str:
    return (
        f"def run(req): req.state.setdefault('ran', []).append('{word}')\n"
        f"def on_response(req, resp): req.state.setdefault('ran', []).append('-{word}')"
    )


class ChainsTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Request steps run in list order, response steps in reverse, all of them."""
        chain = Scene().chain("a", "b", plugins__a=order_of("a"), plugins__b=order_of("b"))
        req = FakeRequest()
        chain.run(req)
        chain.respond(req, FakeResponse(), None)  # type: ignore[arg-type]
        self.assertEqual(req.state["ran"], ["a", "b", "-b", "-a"])

    def test_owned_fields(self) -> None:
        """The fields that plugins of the catalogue have the say over are the chain's; a drop-in's word is not asked."""
        chain = Scene().chain(
            use("headers", request={"remove": ["X-A"], "set": {"X-B": "1"}, "default": {"X-C": "1"}, "add": {"X-D": "1"}}),
            use("request-id", header="X-E"),
            use("jwt", secret="s" * 32, claims_to_headers={"role": "X-F"}),
            "own",
            plugins__own="owned_fields = 5\ndef run(req): pass",
        )  # fmt: skip
        self.assertEqual({b"x-a", b"x-b", b"x-c", b"x-d", b"x-e", b"x-f"}, chain.owned_fields)

    def test_route_order(self) -> None:
        """Chains come in the order of the routes."""
        given = config(route(path="/a"), route("respond", path="/b"), route(path="/c"))
        chains = build(prepared(given), Scene().tools())
        self.assertEqual([chain.answers for chain in chains], [False, True, False])

    def test_configured_answers(self) -> None:
        """A configuration's own answer comes out of the chain."""
        verdict: Any = Scene().chain(use("respond", status=203, body="hi")).run(FakeRequest())
        self.assertEqual((verdict.status, verdict.body), (203, b"hi"))

    def test_describe_and_explain(self) -> None:
        """A chain tells what it is made of, and what each plugin would say, without running anything."""
        chain = Scene().chain(
            use("respond", 4, status=203), "a", use("boom", mode="shadow"), "only",
            plugins__a="def run(req): raise SystemExit",
            plugins__boom="def run(req): pass\ndef explain(req): return 'half'",
            plugins__only="def on_response(req, resp): pass",
        )  # fmt: skip
        first = chain.describe()[0]
        self.assertEqual((first["plugin"], first["where"], first["is"]), ("respond", "routes.yaml:4:3", "respond"))
        self.assertEqual((first["settings"], first["mode"]), ("status=203", "enforce"))
        self.assertEqual([(name, words) for name, _, words in chain.explain(FakeRequest())], [
            ("respond", "answers 203 with 0 bytes"), ("a", "would run"), ("boom", "half (shadow: only recorded)"),
            ("only", "changes the answer only"),
        ])  # fmt: skip

    def test_explain_says_where(self) -> None:
        """Where each is named; of a drop-in the file too, which alone tells it from the default whose name it took."""
        files = {"plugins__rate_60ip": "def run(req): pass"}
        file = f"{ROOT}/plugins/rate_60ip.py"
        for uses, places in (
            ((use("respond", 4), use("rate-60ip", 5)), ["routes.yaml:4:3", f"routes.yaml:5:3, {file}"]),
            ((PluginUse(name="rate-60ip"), PluginUse(name="respond")), [file, str(NOWHERE)]),
        ):
            chain = Scene().chain(*uses, **files)
            self.assertEqual(places, [where for _, where, _ in chain.explain(FakeRequest())])

    def test_explain_that_fails(self) -> None:
        """A plugin's explain that raises is told in words."""
        chain = Scene().chain("a", plugins__a="def run(req): pass\ndef explain(req): raise SystemExit(2)")
        self.assertEqual(chain.explain(FakeRequest())[0][2], "can't say: SystemExit(2)")


class KeepingTests(SynchronousTestCase):
    """With a catalogue plugin that counts how often it is built."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.built: list[Any] = []
        module: Any = ModuleType("counted")
        module.Settings = catalogue.module_of("respond").Settings
        module.build = self.make
        self.patch(catalogue, "module_of", lambda name: module)
        self.read: str | None = None
        self.error: BaseException | None = None

    def make(self, settings: Any, tools: Any, info: Any) -> Any:
        if self.error is not None:
            raise self.error
        content = tools.bundle.read(self.read) if self.read else b""
        plugin = SimpleNamespace(run=lambda req: None, tools=tools, info=info, content=content)
        self.built.append(plugin)
        return plugin

    def test_shared(self) -> None:
        """Two routes with the same use share one object; another use has another."""
        given = config(route("respond"), route("respond", path="/b"), route(use("respond", status=204), path="/c"))
        chains = build(prepared(given), self.scene.tools())
        plugins = [chain.uses[0].plugin for chain in chains]
        self.assertIs(plugins[0], plugins[1])
        self.assertIsNot(plugins[0], plugins[2])
        self.assertEqual(self.built[0].info.route, "/a")

    def test_own_line(self) -> None:
        """Routes that share an object still tell each its own line."""
        given = config(route(use("respond", 4)), route(use("respond", 9), path="/b"))
        chains = build(prepared(given), self.scene.tools())
        self.assertEqual([chain.describe()[0]["where"] for chain in chains], ["routes.yaml:4:3", "routes.yaml:9:3"])

    def test_kept(self) -> None:
        """Over a thousand reloads an unchanged use keeps its object, and no older chain stays alive."""
        given = config(route("respond"))
        chains = build(prepared(given), self.scene.tools())
        for _ in range(1000):
            chains = build(prepared(given), self.scene.tools(previous=chains))
        self.assertEqual(len(self.built), 1)
        gc.collect()
        self.assertLess(len([thing for thing in gc.get_objects() if isinstance(thing, Chain)]), 20)

    def test_changed(self) -> None:
        """Changed options, a changed key of the host and a signed configuration make a new object."""
        chains = build(prepared(config(route("respond"))), self.scene.tools())
        build(prepared(config(route(use("respond", status=201)))), self.scene.tools(previous=chains))
        build(prepared(config(route("respond"))), self.scene.tools(previous=chains, dev_secret="s"))
        build(prepared(config(route("respond"))), self.scene.tools(previous=chains, signed=True))
        self.assertEqual(len(self.built), 4)

    def test_changed_file(self) -> None:
        """So do other bytes in a file that the object read; a file it did not read does not matter."""
        self.read = "key.pem"
        one, two = bundle_of({"key.pem": "1", "other": "1"}), bundle_of({"key.pem": "1", "other": "2"})
        given = prepared(config(route("respond")))
        chains = build(given, self.scene.tools(one))
        chains = build(given, self.scene.tools(two, previous=chains))
        self.assertEqual(len(self.built), 1)
        chains = build(given, self.scene.tools(bundle_of({"key.pem": "2"}), previous=chains))
        self.assertEqual([plugin.content for plugin in self.built], [b"1", b"2"])

    def test_no_file_later(self) -> None:
        """A plugin that would read a file while it serves is told so; no plugin gets the chains of other readings."""
        chains = build(prepared(config(route("respond"))), self.scene.tools(bundle_of({"a": "1"})))
        build(prepared(config(route(use("respond", status=201)))), self.scene.tools(previous=chains))
        self.assertRaises(RuntimeError, self.built[0].tools.bundle.read, "a")
        self.assertEqual(self.built[1].tools.previous, ())

    def test_cannot_be_built(self) -> None:
        """A plugin that fails to be built refuses the configuration, at the use's line."""
        for error in (OptionError("no key"), ZeroDivisionError("x")):
            self.error = error
            refused = self.assertRaises(Refused, build, prepared(config(route(use("respond", 4)))), self.scene.tools())
            self.assertTrue(str(refused.faults[0]).startswith("routes.yaml:4:3: respond"))

    def test_bundle(self) -> None:
        """Drop-ins are kept by chain.prepare, so chains only point at them."""
        text = {"plugins__a": "def run(req): pass"}
        given = prepared(config(route("a")), bundle(**text))
        self.assertIs(build(given, self.scene.tools())[0].uses[0].plugin, given.drop_ins.plugins["a"].module)
