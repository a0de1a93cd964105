"""What a plugin is given stays what it was."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from tests.chain.arrange import Scene


class ToolsTests(SynchronousTestCase):
    def test_frozen(self) -> None:
        """No plugin can change the tools of another."""
        tools = Scene().tools()
        for name in ("counters", "dev_secret", "signed", "environ"):
            self.assertRaises(FrozenInstanceError, setattr, tools, name, None)

    def test_safe_defaults(self) -> None:
        """Without a word from the service there is no development key and nothing from the environment."""
        tools = Scene().tools()
        self.assertEqual((tools.dev_secret, dict(tools.environ), tools.previous), (None, {}, ()))
