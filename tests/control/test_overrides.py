"""What counts instead of the configuration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.options import StartOptions
from hmsgw.control.overrides import key_variable, overrides


class OverridesTests(SynchronousTestCase):
    """`overrides`."""

    def test_none(self) -> None:
        """What was not said, or is empty, overrides nothing."""
        self.assertEqual(overrides(StartOptions(config="/c", state_dir="/s"), {"REG_URL": "", "HOME": "/h"}, registry=True), {})

    def test_all(self) -> None:
        """Options and variables by name; a secret is not shown."""
        options = StartOptions(config=None, state_dir="/s", port=0, admin_port=9181, environment="prod")
        environ = {"REG_URL": "http://r", "HMSGW_JWT_SECRET": "hush", "HMSGW_JWT_JWKS_URL": "https://k"}
        self.assertEqual(
            overrides(options, environ, registry=True),
            {
                "--port": "0", "--admin-port": "9181", "--environment": "prod", "$REG_URL": "http://r",
                "$HMSGW_JWT_JWKS_URL": "https://k", "$HMSGW_JWT_SECRET": "(secret)",
            },
        )  # fmt: skip
        self.assertNotIn("$REG_URL", overrides(options, environ, registry=False))

    def test_key_variable(self) -> None:
        """The variable that takes the development key's place, if one is set."""
        self.assertIsNone(key_variable({"HMSGW_JWT_SECRET": "", "REG_URL": "http://r"}))
        for name in ("HMSGW_JWT_SECRET", "HMSGW_JWT_PUBLIC_KEY", "HMSGW_JWT_JWKS_URL"):
            self.assertEqual(key_variable({name: "x"}), name)
