"""From configuration to source."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import execute
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Registry
from hmsgw.registry.kinds import source_of


class SourceOfTests(SynchronousTestCase):
    def name(self, registry: Registry, **environ: str) -> str:
        source: Any = source_of(
            registry, MemoryReactorClock(), environ=environ, root_dir="/etc/hmsgw", in_thread=execute
        )
        self.addCleanup(source.stop)
        return str(source.name)

    def test_consul(self) -> None:
        """The file's URL, else $REG_URL, else this host's Consul."""
        self.assertEqual(self.name(Registry(url="http://a:1/"), REG_URL="http://b:2"), "http://a:1")
        self.assertEqual(self.name(Registry(), REG_URL="http://b:2"), "http://b:2")
        self.assertEqual(self.name(Registry()), "http://localhost:8500")

    def test_file(self) -> None:
        """A path is relative to the configuration's folder."""
        self.assertEqual(self.name(Registry(kind="file", path="services.yaml")), "file /etc/hmsgw/services.yaml")
        self.assertEqual(self.name(Registry(kind="file", path="/srv/s.yaml")), "file /srv/s.yaml")

    def test_none(self) -> None:
        """Nothing is asked, whatever the environment says."""
        self.assertEqual(self.name(Registry(kind="none"), REG_URL="http://b:2"), "no registry")
