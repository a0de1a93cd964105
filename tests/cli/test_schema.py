"""`hms-gateway schema`."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.running import run


class SchemaTests(SynchronousTestCase):
    """What is printed."""

    def test_schema(self) -> None:
        """It is a JSON Schema that takes a route and refuses a slip."""
        schema = json.loads(run("schema").out)
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        self.assertTrue(validator.is_valid({"routes": [{"path": "/a", "service": "x"}]}))
        self.assertFalse(validator.is_valid({"routes": [{"path": "/a", "servise": "x"}]}))
