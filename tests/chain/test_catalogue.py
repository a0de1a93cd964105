"""The catalogue's table is true."""

from __future__ import annotations

from dataclasses import is_dataclass
from os import listdir

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain import catalogue
from hmsgw.chain.dropins import PACKAGE_FOLDER

PINNED = {"jwt", "key-auth", "basic-auth", "mtls", "introspection", "http-signature", "dpop", "forward-auth", "any-of", "acl", "ip-filter", "cors", "body-limit", "replay", "rate", "quota", "concurrency", "headers", "rewrite", "redirect", "respond", "request-id", "security-headers", "sunset", "cache", "compress", "coalesce", "grpc-web", "grpc-json", "mirror", "split", "maintenance", "api-umbrella"}


class CatalogueTests(SynchronousTestCase):
    def test_every_pinned_name(self) -> None:
        """Each name that the contract pins is either here or said to come later, and none is both."""
        self.assertEqual(catalogue.NAMES | catalogue.LATER, PINNED)
        self.assertEqual(catalogue.NAMES & catalogue.LATER, frozenset())

    def test_modules(self) -> None:
        """Each plugin has a frozen Settings and a build."""
        for name in catalogue.NAMES:
            module = catalogue.module_of(name)
            self.assertTrue(is_dataclass(module.Settings) and callable(module.build), name)
            self.assertTrue(module.Settings.__dataclass_params__.frozen, name)

    def test_folder(self) -> None:
        """hmsgw/plugins holds what the table names and nothing else, so that all else there is a drop-in."""
        files = {name.removesuffix(".py") for name in listdir(PACKAGE_FOLDER) if name.endswith(".py")}
        self.assertEqual(files, catalogue.SHIPPED | {"__init__"})

    def test_unknown(self) -> None:
        """Any other name is a KeyError."""
        self.assertRaises(KeyError, catalogue.module_of, "cors")
