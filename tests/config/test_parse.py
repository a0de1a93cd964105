"""A whole configuration, and the options of one plugin: the contract's keys, and all faults at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config import text
from hmsgw.config.faults import Fault
from hmsgw.config.kinds import Choice, Count, Duration, FieldName, Later
from hmsgw.config.model import Config, Listener, ListenerTls, PluginUse
from hmsgw.config.parse import parse_config, parse_settings
from hmsgw.config.places import Where
from tests.config.arrange import faults_of, good

_HERE = Where("f.yaml", 7, 5)


class ConfigTests(SynchronousTestCase):
    def test_only_routes(self) -> None:
        """A file with only `routes:` is complete: the tutorial's is."""
        config = good("""
            routes:
              - path: /login
                service: identity          # service name from the Spine
                plugins: [jwt, rate-60ip]

              - path: /clinics/*
                service: clinic-registry
                plugins: [jwt, quota-1000user]
        """)
        self.assertEqual(
            [(route.path, route.name, route.service) for route in config.routes],
            [("/login", "/login", "identity"), ("/clinics/*", "/clinics/*", "clinic-registry")],
        )
        self.assertEqual([use.name for use in config.routes[1].plugins], ["jwt", "quota-1000user"])
        self.assertEqual((config.routes[0].where.line, config.routes[0].service_where.line), (3, 4))
        self.assertEqual(config.defaults.plugins, (PluginUse(name="rate-60ip"),))

    def test_listener(self) -> None:
        """Defaults of a listener that is named; `tls: off` is plain HTTP, `tls` left out a certificate of its own."""
        first, second = good("listeners: [{}, {name: b, port: 80, tls: off}]").listeners
        self.assertEqual((first.name, first.address, first.port, first.tls), ("public", "::", 8080, ListenerTls()))
        self.assertEqual((second.tls, second.where), (None, Where("f.yaml", 1, 17)))

    def test_words_and_numbers(self) -> None:
        """The contract's spellings: off, false, sizes, durations, percent, 1.2 without quotes."""
        config = good("""
            limits: {body: false, head: 128KiB}
            deadlines: {head: 250ms}
            listeners: [{tls: {minimum: 1.3}, proxy_protocol: false}]
            services: {a: {timeouts: {total: 1h, idle: off}, retries: {budget: 50%, on: connect}}}
        """)
        self.assertEqual((config.limits.body, config.limits.head, config.deadlines.head), (None, 131072, 0.25))
        tls = config.listeners[0].tls
        self.assertEqual(tls and tls.minimum, "1.3")
        service = config.services["a"]
        self.assertEqual((service.timeouts.total, service.timeouts.idle, service.retries), (
            3600.0, None, type(service.retries)(budget=0.5, on=("connect",)),
        ))  # fmt: skip

    def test_long_idle(self) -> None:
        """What may be silent has an hour, unless the file names any `idle` at all; a reload that names it is a change."""
        said = good("""
            services:
              a: {timeouts: {idle: 60s}}
              b: {timeouts: {total: 2h}}
              c: {timeouts: {idle: off}}
              d: {timeouts: {idle: 5s}}
              e: {}
              f: {timeouts: {}}
        """).services
        self.assertEqual(
            [60.0, 3600.0, None, 5.0, 3600.0, 3600.0], [said[name].timeouts.long_idle for name in "abcdef"]
        )
        self.assertEqual(
            (False, True, True), (said["a"].is_like(said["e"]), said["e"].is_like(said["f"]), said["a"].is_like(said["a"]))
        )

    def test_later(self) -> None:
        """Each name that a later version delivers is refused with its place, and its default is accepted."""
        later = {
            "registry: {kind: dns}": "1:18",
            "services: {a: {health: {path: /}}}": "1:24", "services: {a: {retries: {on: [timeout]}}}": "1:30",
            "services: {a: {retries: {on: [503]}}}": "1:31", "services: {a: {on_empty: drain}}": "1:26",
            "services: {a: {on_empty: keep}}": "1:26", "redis: {url: 'redis://localhost:6379/0'}": "1:8",
            "redis:\n  url: redis://localhost\n  instances: 2": "1:1",
        }  # fmt: skip
        for source, place in later.items():
            (fault,) = faults_of(source)
            self.assertIn("not in this version", fault, source)
            if "[timeout]" not in source:
                self.assertTrue(fault.startswith(place + ": "), fault)
        good("""
            streams: []
            listeners: [{tls: {client_auth: none}, proxy_protocol: off, proxy_from: [], protocols: [h2, http/1.1]}]
        """)

    def test_top(self) -> None:
        """A configuration is a mapping."""
        for source in ("[a]", "routes", "~"):
            (fault,) = faults_of(source)
            self.assertTrue(fault.startswith("1:1: a configuration is a mapping"), fault)

    def test_all_at_once(self) -> None:
        """Faults in every section, one list, in the order of the file."""
        faults = faults_of("""
            seral: 1
            listeners: [{port: 99999}]
            limits: {head: 1KB}
            services: {a: {endpoints: [tcp://x]}}
            routes:
              - path: login
              - service: a
              - {path: /a, service: 'b c', method: [GET]}
              - {path: /b, plugins: [{a: 1}]}
              - {path: /c}
              - {path: /c}
        """)
        self.assertEqual([int(fault.partition(":")[0]) for fault in faults], [2, 3, 4, 5, 7, 8, 9, 9, 10, 12])

    def test_message_form(self) -> None:
        """FILE:LINE:COLUMN: key: what is wrong and what to write."""
        self.assertEqual(faults_of("listeners:\n  - port: 70000"),
                         ["2:11: listeners[0].port: `70000` is out of range: from 0 to 65535"])  # fmt: skip
        self.assertEqual(faults_of("routs: []"), ["1:1: there is no key `routs`; did you mean `routes`?"])

    def test_missing_variable_is_told_once(self) -> None:
        """A value that the environment lacks is one fault, not also one about what came out."""
        self.assertEqual(faults_of("admin: {port: '${PORT}'}"),
                         ["1:15: the environment has no variable PORT; set it before the gateway starts"])  # fmt: skip
        self.assertEqual(good("admin: {port: '${PORT}'}", PORT="99").admin.port, 99)

    def test_secrets_are_not_told(self) -> None:
        """Neither a secret nor what a variable holds stands in a fault."""
        for fault in faults_of("registry: {token: [hunter2]}\nadmin: {port: '${P}'}", P="hunter2"):
            self.assertNotIn("hunter2", fault)

    @settings(max_examples=150, deadline=None)
    @given(st.dictionaries(
        st.sampled_from([*Config.__dataclass_fields__, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.sampled_from(["", "off", "/a", "1s", "http://a"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                st.sampled_from(["path", "name", "plugins", "tls", "kind", "port", "a", "url", "endpoints"]), inner),
            max_leaves=6,
        ),
        max_size=4,
    ))  # fmt: skip
    def test_any_form(self, data: dict[str, object]) -> None:
        """Whatever stands under whatever key, it is a configuration or it has faults in the file."""
        import json

        faults: list[Fault] = []
        root = text.read(json.dumps(data).encode(), "f.yaml", {}, faults)
        assert root is not None
        config, _ = parse_config(root, "/srv", faults)
        self.assertIsInstance(config, Config)
        for fault in faults:
            self.assertEqual((fault.where.file, fault.where.line), ("f.yaml", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    limit: Annotated[int, Count(1)]
    per: Annotated[float, Duration()] = 60.0
    key: Annotated[tuple[str, ...], Choice("ip", "user")] = ("ip",)
    set: Annotated[dict[str, str], FieldName()] = field(default_factory=dict)
    sync: Annotated[str, Later("exact", Choice("exact", "leased"))] = "exact"


class SettingsTests(SynchronousTestCase):
    def parsed(self, source: str) -> tuple[Settings | None, list[str]]:
        (use,) = good(f"routes:\n- path: /\n  plugins:\n  - rate: {source}").routes[0].plugins
        faults: list[Fault] = []
        found = parse_settings(Settings, use.options, use.option_where, use.where, faults)
        return found, [str(fault).removeprefix("f.yaml:") for fault in faults]

    def test_parsed(self) -> None:
        """Options become the frozen Settings; numbers keep their spelling where a text is wanted."""
        found, faults = self.parsed("{limit: 5, per: 1m, key: user, set: {X-V: 1.10, x-n: 007}}")
        self.assertEqual(faults, [])
        self.assertEqual(found, Settings(limit=5, per=60.0, key=("user",), set={"X-V": "1.10", "x-n": "007"}))

    def test_shorthand(self) -> None:
        """Options that were never in a file are parsed alike."""
        faults: list[Fault] = []
        self.assertEqual(parse_settings(Settings, {"limit": 60, "key": "ip"}, {}, _HERE, faults), Settings(limit=60))
        self.assertEqual(faults, [])

    def test_places(self) -> None:
        """Each fault at its option, what is missing at the use."""
        self.assertEqual(self.parsed("{per: 5, kee: ip, key: [ip, host]}"), (None, [
            "4:17: per: `5` is no duration: write a number and its unit, ms, s, m, h or d, for example 5s",
            "4:25: there is no key `kee`; did you mean `key`?",
            "4:39: key[1]: `host` is not known here; write ip or user",
            "4:5: `limit` is missing",
        ]))  # fmt: skip

    def test_none(self) -> None:
        """No options at all lack what is needed."""
        faults: list[Fault] = []
        self.assertIsNone(parse_settings(Settings, None, {}, _HERE, faults))
        self.assertEqual([str(fault) for fault in faults], ["f.yaml:7:5: `limit` is missing"])

    def test_later(self) -> None:
        """Options that a later version delivers are refused here too."""
        self.assertIn("not in this version", self.parsed("{limit: 1, sync: leased}")[1][0])

    def test_earlier_faults_do_not_count(self) -> None:
        """A sound plugin is parsed whatever was wrong elsewhere, at the same place even."""
        faults = [Fault(_HERE, "no")]
        self.assertIsNotNone(parse_settings(Settings, {"limit": 1}, {}, _HERE, faults))
        self.assertIsNone(parse_settings(Settings, {}, {}, _HERE, faults))
        self.assertEqual(len(faults), 2)


class ListenerDefaultsTests(SynchronousTestCase):
    def test_equal(self) -> None:
        """A listener from a file is the listener of the model."""
        self.assertEqual(good("listeners: [{}]").listeners, (Listener(where=Where("f.yaml", 1, 13)),))
