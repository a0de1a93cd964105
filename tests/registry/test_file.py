"""A registry in a file."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.faults import Refused
from hmsgw.registry.file import services_in


class FileTests(SynchronousTestCase):
    def faults(self, content: str) -> list[str]:
        error = self.assertRaises(Refused, services_in, content.encode(), "services.yaml")
        return [str(fault) for fault in error.faults]

    def test_yaml_and_json(self) -> None:
        """Both ways to write the same."""
        wanted = {"clinics": (Endpoint("http", "10.0.5.9", 8080), Endpoint("https", "b.internal", 443)), "none": ()}
        for content in (
            b"clinics: [http://10.0.5.9:8080, https://b.internal]\nnone: []\n",
            b'{"clinics": ["https://b.internal", "http://10.0.5.9:8080"], "none": []}',
        ):
            self.assertEqual(services_in(content, "services.yaml"), wanted)

    def test_no_services(self) -> None:
        """`{}` says that there are none."""
        self.assertEqual(services_in(b"{}", "services.yaml"), {})

    def test_empty(self) -> None:
        """A file that is being written, empty for a moment, is a fault and so changes nothing."""
        for content in ("", " \n"):
            self.assertIn("services.yaml:1:1: the registry file is empty", self.faults(content)[0])

    def test_all_faults_with_their_places(self) -> None:
        """Every fault at once, by line and column."""
        faults = self.faults(
            "a: [http://10.0.5.9:8080, 10.0.5.9:8080]\nb: http://10.0.5.9:8080\nc: [{x: 1}, http://10.0.5.9/path]\nd:\n"
        )
        self.assertEqual(
            [fault.split(": ")[0] for fault in faults],
            ["services.yaml:1:27", "services.yaml:2:4", "services.yaml:3:5", "services.yaml:3:13", "services.yaml:4:3"],
        )

    def test_not_a_mapping(self) -> None:
        """A list, a word, broken YAML."""
        for content in ("[a]", "word", "a: [", "a: [1]\na: [2]\n"):
            self.assertTrue(self.faults(content)[0].startswith("services.yaml:"))
