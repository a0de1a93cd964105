"""What counts instead of the configuration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.options import StartOptions
from hmsgw.control.overrides import overrides


class OverridesTests(SynchronousTestCase):
    """`overrides`."""

    def test_none(self) -> None:
        """What was not said, or is empty, overrides nothing."""
        self.assertEqual(overrides(StartOptions(config="/c", state_dir="/s"), {"REG_URL": "", "HOME": "/h"}), {})

    def test_all(self) -> None:
        """Options and variables by name; a secret is not shown."""
        options = StartOptions(config=None, state_dir="/s", port=0, admin_port=9181, environment="prod")
        environ = {"REG_URL": "http://r", "HMSGW_JWT_SECRET": "hush", "HMSGW_JWT_JWKS_URL": "https://k"}
        self.assertEqual(
            overrides(options, environ),
            {
                "--port": "0", "--admin-port": "9181", "--environment": "prod", "$REG_URL": "http://r",
                "$HMSGW_JWT_JWKS_URL": "https://k", "$HMSGW_JWT_SECRET": "(secret)",
            },
        )  # fmt: skip
