"""`hms-gateway schema`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.running import run

ROOT = Path(__file__).parent.parent.parent

class SchemaTests(SynchronousTestCase):
    """What is printed."""

    def test_full(self) -> None:
        """An output that can't be written is a sentence, and 1."""
        with open("/dev/full", "w") as full:
            ran = subprocess.run(
                [sys.executable, "-m", "hmsgw", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                check=False, cwd=ROOT,
            )  # fmt: skip
        expected = "hms-gateway: the output can't be written: No space left on device; send it elsewhere\n"
        self.assertEqual((ran.returncode, ran.stderr), (1, expected))

    def test_schema(self) -> None:
        """It is a JSON Schema that takes a route and refuses a slip."""
        schema = json.loads(run("schema").out)
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        self.assertTrue(validator.is_valid({"routes": [{"path": "/a", "service": "x"}]}))
        self.assertFalse(validator.is_valid({"routes": [{"path": "/a", "servise": "x"}]}))
