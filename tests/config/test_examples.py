"""The example files in config/ load, resolve, and agree with the schema."""

from __future__ import annotations

import shutil
from dataclasses import is_dataclass
from pathlib import Path

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.prepare import prepare
from hmsgw.config import model, text
from hmsgw.config.faults import Fault
from hmsgw.config.load import load
from hmsgw.config.records import record_of
from hmsgw.config.schema import json_schema
from hmsgw.config.shapes import NotYet
from hmsgw.config.values import Mapped, plain

_FOLDER = Path(__file__).resolve().parents[2] / "config"
_EXAMPLES = ("routes.yaml", "full.yaml")
_FILES = ("tls/api.pem", "tls/api.key", "tls/clinics.pem", "tls/clinics.key", "tls/agency.pem", "tls/gateway.pem", "tls/piv.pem",
          "tls/gateway.key", "pages/robots.txt")  # fmt: skip


class ExampleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        for name in _FILES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text("x")
        for name in _EXAMPLES:
            shutil.copy(_FOLDER / name, self.folder)

    def test_load(self) -> None:
        """Each example is a configuration whose plugins all resolve, with nothing but its files and variables."""
        for name in _EXAMPLES:
            config, bundle = load(str(self.folder / name), environ={"CONSUL_TOKEN": "t"}, state_dir="/var/lib/hmsgw")
            environ = {"HMSGW_JWT_SECRET": "0123456789abcdef0123456789abcdef"}
            self.assertEqual(len(prepare(config, bundle, environ=environ).routes), len(config.routes), name)

    def test_schema(self) -> None:
        """Each example is valid by the schema, and not with a slip in it."""
        validator = Draft202012Validator(json_schema())
        for name in _EXAMPLES:
            faults: list[Fault] = []
            root = text.read((self.folder / name).read_bytes(), name, {"CONSUL_TOKEN": "t"}, faults)
            assert root is not None and not faults
            data = plain(root, lambda *_: self.fail())
            validator.validate(data)
            data["routes"][0]["servise"] = "slip"
            self.assertFalse(validator.is_valid(data))

    def test_every_key(self) -> None:
        """full.yaml shows every key that this version supports."""
        faults: list[Fault] = []
        root = text.read((self.folder / "full.yaml").read_bytes(), "f", {"CONSUL_TOKEN": "t"}, faults)
        shown: set[str] = set()
        _gather(root, shown)
        for cls in _classes():
            for key, shape in record_of(cls).keys.items():
                if not isinstance(shape, NotYet):
                    self.assertIn(key, shown, cls.__name__)


def _gather(value: object, shown: set[str]) -> None:
    if isinstance(value, Mapped):
        for entry in value.entries:
            shown.add(entry.key)
            _gather(entry.value, shown)
    for item in getattr(value, "items", ()):
        _gather(item, shown)


def _classes() -> list[type]:
    found = [cls for cls in vars(model).values() if isinstance(cls, type) and is_dataclass(cls)]
    return [cls for cls in found if cls is not model.PluginUse]
