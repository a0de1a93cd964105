"""From a file: what is read, what can't be, and that anything at all is a configuration or a refusal."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import Refused
from hmsgw.config.load import Loaded, file_meant, load


class LoadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        (self.folder / "tls").mkdir(parents=True)
        self.path = self.folder / "routes.yaml"

    def loaded(self, source: str | bytes, **environ: str) -> Loaded:
        self.path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return load(str(self.path), environ=environ, state_dir="/var/lib/hmsgw")

    def refused(self, source: str | bytes, path: str | None = None) -> list[str]:
        with self.assertRaises(Refused) as caught:
            self.loaded(source) if path is None else load(path, environ={}, state_dir="/s")
        return [str(fault) for fault in caught.exception.faults]

    def test_bundle(self) -> None:
        """The bundle holds the YAML and every file that it names; keys and server certificates are not governed."""
        for name in ("api.pem", "api.key", "ca.pem"):
            (self.folder / "tls" / name).write_text(name)
        (self.folder / "services.yaml").write_text("")
        source = """
listeners: [{tls: {certificates: [{certificate: tls/api.pem, key: tls/../tls/api.key}]}}]
services: {a: {tls: {ca: tls/ca.pem}}}
registry: {kind: file, path: services.yaml}
"""
        config, bundle = self.loaded(source)
        self.assertEqual(set(bundle.files), {"routes.yaml", "tls/api.pem", "tls/api.key", "tls/ca.pem"})
        self.assertEqual(bundle.files["routes.yaml"], source.encode())
        self.assertEqual(bundle.ungoverned, {"tls/api.pem", "tls/api.key"})
        self.assertFalse(bundle.sealed)
        self.assertEqual(config.registry.path, str(self.folder.resolve() / "services.yaml"))

    def test_missing_file(self) -> None:
        """A configuration that is not there, is a folder, or can't be read is one sentence without a traceback."""
        (fault,) = self.refused("", str(self.folder / "nothing.yaml"))
        self.assertTrue(fault.endswith("nothing.yaml:1:1: this file can't be read: No such file or directory"), fault)
        for path in (str(self.folder), str(self.folder) + "/", "", "\0", "/dev/zero"):
            self.assertEqual(len(self.refused("", path)), 1)

    def test_misspelt(self) -> None:
        """Of a file that is not there the most similar configuration beside it is named, and nothing else."""
        for name in ("routes.yaml", "prod.yml", "routes.txt", "other"):
            (self.folder / name).write_text("routes: []\n")
        (self.folder / "route.yaml").mkdir()
        for name, meant in (("rutes.yaml", "routes.yaml"), ("routes.yml", "routes.yaml"), ("prods.yaml", "prod.yml")):
            self.assertEqual(file_meant(str(self.folder / name)), str(self.folder / meant))
            (fault,) = self.refused("", str(self.folder / name))
            self.assertTrue(fault.endswith(f"No such file or directory; did you mean `{meant}`?"), fault)
        for name in ("x.yaml", "", "\0", "no/routes.yaml", "other.yaml"):
            self.assertIsNone(file_meant(str(self.folder / name)), name)

    def test_missing_files(self) -> None:
        """Each file that is named and not there, at the line that names it, beside all other faults."""
        faults = self.refused("services:\n  a: {tls: {ca: no.pem}}\n  b: {tls: {ca: tls}}\n  c: {balance: best}\n")
        self.assertEqual([fault.removeprefix(str(self.path)) for fault in faults], [
            ":2:17: services.a.tls.ca: no.pem can't be read: No such file or directory",
            ":3:17: services.b.tls.ca: tls can't be read: it is a folder, not a file",
            ":4:16: services.c.balance: `best` is not known here; write round-robin, least-requests, "
            "consistent-hash or random",
        ])  # fmt: skip

    def test_large_file(self) -> None:
        """A named file has the same bound as the configuration itself."""
        with (self.folder / "ca.pem").open("wb") as file:
            os.truncate(file.fileno(), 8 * 1024 * 1024 + 1)
        self.assertIn("larger than 8 MiB", self.refused("services: {a: {tls: {ca: ca.pem}}}")[0])

    def test_path_as_given(self) -> None:
        """Faults show the file as the user called it."""
        self.path.write_text("routs: []")
        relative = os.path.relpath(self.path)
        self.assertTrue(self.refused("", relative)[0].startswith(f"{relative}:1:1: "))

    def test_environment(self) -> None:
        """${NAME} comes from the environment; the state directory is known whether systemd started us or not."""
        config = self.loaded("log: {access: '${STATE_DIRECTORY}/${FILE}'}", FILE="a.log").config
        self.assertEqual(config.log.access, "/var/lib/hmsgw/a.log")

    def test_ten_thousand_routes(self) -> None:
        """Ten thousand routes are a configuration like any other."""
        source = "routes:\n" + "".join(f"- {{path: /r{n}/*, service: s, plugins: [jwt]}}\n" for n in range(10_000))
        self.assertEqual(len(self.loaded(source).config.routes), 10_000)

    def test_a_hostile_file_has_an_end(self) -> None:
        """A file full of faults is refused with the first thousand of them."""
        self.assertEqual(len(self.refused("routes:\n" + "- {path: a}\n" * 5000)), 1001)
        self.assertEqual(len(self.refused("a: 1\n" * 5000)), 1001)

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")) | st.builds(
        lambda head, tail: head + tail.encode("utf-8", "replace"),
        st.sampled_from([b"routes:\n- path: ", b"listeners: [{port: ", b"services: {a: ", b"routes: [{plugins: "]),
        st.text(max_size=30),
    ))  # fmt: skip
    def test_anything(self, content: bytes) -> None:
        """Any bytes are a configuration, or a refusal whose faults have a place and one line each."""
        try:
            self.loaded(content)
        except Refused as refused:
            for fault in refused.faults:
                self.assertGreaterEqual(min(fault.where.line, fault.where.column), 1)
                self.assertNotIn("\n", fault.message)
