"""What may be said of a use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.uses import settings_in_words
from hmsgw.config.kinds import Count, Secret
from tests.chain.arrange import bundle, config, prepared, route, use


@dataclass(frozen=True, kw_only=True)
class Part:
    per: float | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    limit: Annotated[int, Count(1)] = 5
    secret: Annotated[str | None, Secret()] = None
    other: tuple[str, ...] = ()
    part: Part = Part()
    mode: str = "enforce"


class WordsTests(SynchronousTestCase):
    def test_secrets(self) -> None:
        """A secret is never part of the words; what was left out is not either."""
        self.assertEqual(settings_in_words(Settings(secret="hunter2")), "limit=5 secret=(secret)")
        self.assertEqual(settings_in_words(Settings()), "limit=5")

    def test_values(self) -> None:
        """Lists, numbers and parts read as they are written in a configuration."""
        given = Settings(other=("a", "b"), part=Part(per=0.5))
        self.assertEqual(settings_in_words(given), "limit=5 other=a,b part=(per=0.5)")

    def test_drop_in(self) -> None:
        """Of a drop-in's options only the names are told, because any of them may be a secret."""
        text = "def configure(options):\n    return __import__('types').SimpleNamespace(run=print)"
        given = config(route(use("a", token="hunter2", url="x", mode="shadow")))
        words = prepared(given, bundle(plugins__a=text)).routes[0].uses[0].in_words()
        self.assertEqual(words, {
            "plugin": "a", "where": "routes.yaml:1:3", "is": "a", "settings": "options: token, url", "mode": "shadow",
        })  # fmt: skip
