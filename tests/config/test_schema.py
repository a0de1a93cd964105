"""The JSON Schema: valid itself, of one mind with the parser about form."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Config
from hmsgw.config.schema import json_schema
from hmsgw.config.values import plain
from tests.config.arrange import faults_of, good, value


class SchemaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.schema = json_schema()
        self.validator = Draft202012Validator(self.schema)

    def accepts(self, source: str) -> bool:
        return self.validator.is_valid(plain(value(source, PORT="${PORT}", HEAD="${HEAD}"), lambda *_: None))

    def test_valid(self) -> None:
        """It is a schema of draft 2020-12, and JSON."""
        Draft202012Validator.check_schema(json.loads(json.dumps(self.schema)))
        self.assertIn("2020-12", self.schema["$schema"])

    def test_every_key(self) -> None:
        """Each key of the model is there; no other key is accepted anywhere."""
        self.assertEqual(set(self.schema["properties"]), set(Config.__dataclass_fields__) - {"environment_where", "plugin_path_where"})
        for name, definition in self.schema["$defs"].items():
            if name != "FromEnvironment":
                self.assertIs(definition["additionalProperties"], False, name)

    def test_documented(self) -> None:
        """What stands under a key in the model is its description; defaults are as they are written."""
        routes = self.schema["$defs"]["Route"]["properties"]
        self.assertIn("`/v2/{rest}`", routes["rewrite"]["description"])
        self.assertEqual(self.schema["$defs"]["Admin"]["properties"]["port"]["default"], 9180)

    def test_secrets_are_marked(self) -> None:
        """What is secret is write-only."""
        self.assertIn('"writeOnly": true', json.dumps(self.schema["$defs"]["Registry"]))

    def test_what_the_parser_takes(self) -> None:
        """What the parser takes, the schema takes."""
        for source in (
            "{}", "routes: [{path: /a, plugins: [jwt, {rate: {limit: 5}}, {b: }], methods: GET, headers: {x: 2}}]",
            "limits: {head: 64KiB, body: off, field: 4096}", "limits: {body: false}",
            "listeners: [{tls: off}, {name: b, port: 1}]", "admin: {port: '${PORT}'}", "deadlines: {head: '${HEAD}'}",
            "services: {a: {timeouts: {total: off, idle: 5s}}}",
            "plugins: {jwt: , p: {plugin: quota}}", "defaults: {plugins: []}", "streams: []", "registry: {kind: none}",
            "listeners: [{proxy_protocol: false, protocols: [h2, http/1.1]}]", "environment: prod",
            "serial: '5'", "serial: 0x10", "environment: 5", "environment: true", "limits: {head: 65536}",
            "limits: {head: '65536'}", "listeners: [{tls: {minimum: 1.2}}]", "listeners: [{tls: {minimum: '1.3'}}]",
            "admin: {port: '9180'}", "registry: {token: 12345}", "registry: {kind: file, path: 5}",
            "services: {5: {}}", "routes: [{path: /, service: 5}]",
        ):  # fmt: skip
            good(source, PORT="1", HEAD="5s")
            self.assertTrue(self.accepts(source), source)

    def test_what_the_parser_refuses(self) -> None:
        """Faults of form are faults by the schema too."""
        for source in (
            "routs: []", "routes: [{service: a}]", "routes: [{path: a}]", "limits: {head: 64KB}",
            "admin: {port: 70000}", "listeners: []", "registry: {kind: dns}", "streams: [{listener: a}]", "streams: [{listener: a, service: b, sni: []}]",
            "services: {a: {health: {}}}",
            "routes: [{path: /, plugins: [{a: {}, b: {}}]}]", "deadlines: {head: 5}", "services: {a: {endpoints: [ftp://a]}}",
            "listeners: [{tls: {client_auth: maybe}}]", "routes: {path: /}", "log: stdout",
            "serial: five", "serial: 1.5", "serial: true", "environment: [prod]", "environment: -5",
            "listeners: [{tls: {minimum: 1.1}}]", "routes: [{path: /, methods: []}]", "routes: [{path: /, hosts: []}]",
            "services: {a: {endpoints: []}}",
        ):  # fmt: skip
            self.assertTrue(faults_of(source), source)
            self.assertFalse(self.accepts(source), source)
