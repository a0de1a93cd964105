"""What the documents say of the code is held against the code."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config import model
from hmsgw.telemetry.request_line import Finished

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def _sections(kind: Any) -> list[type]:
    """The dataclasses that an annotation holds."""
    if dataclasses.is_dataclass(kind):
        return [kind]  # type: ignore[list-item]
    return [one for argument in typing.get_args(kind) for one in _sections(argument)]


def _keys(section: type) -> set[str]:
    """The name of every key that may stand at or below a section."""
    found = set()
    for name, kind in typing.get_type_hints(section).items():
        if not name.endswith("where"):
            found.add(name)
            found.update(key for one in _sections(kind) if one is not model.PluginUse for key in _keys(one))
    return found


class DocumentTests(SynchronousTestCase):
    """docs/."""

    def test_every_key(self) -> None:
        """docs/configuration.md has every key of the model in a table."""
        words = re.findall(r"`([a-z_.]+)(?:\[\]|\.NAME)?`", (DOCS / "configuration.md").read_text())
        told = {part for word in words for part in word.split(".")}
        self.assertEqual([], sorted(_keys(model.Config) - told))

    def test_every_log_field(self) -> None:
        """docs/operations.md has every field of a request's line."""
        told = (DOCS / "operations.md").read_text()
        names = [name for name in vars(Finished) if not name.startswith("_")]
        renamed = {"wall_s": "ts", "duration_s": "duration_ms", "upstream_s": "upstream_ms"}
        self.assertEqual([], [name for name in names if f"`{renamed.get(name, name)}`" not in told])

    def test_every_metric(self) -> None:
        """docs/operations.md has every metric."""
        source = (ROOT / "hmsgw" / "telemetry" / "exposition.py").read_text()
        told = (DOCS / "operations.md").read_text()
        self.assertEqual([], [name for name in re.findall(r'"(gateway_[a-z_]+)"', source) if name not in told])

    def test_files_are_there(self) -> None:
        """A path that a document names exists; a link leads somewhere."""
        broken = []
        for document in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
            text = document.read_text()
            for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
                if not (document.parent / target).exists():
                    broken.append(f"{document.name}: {target}")
        for name in ("architecture.md", "life-of-a-request.md"):
            for path in re.findall(r"`([a-z_]+/[a-z0-9_]+\.py)", (DOCS / name).read_text()):
                if not any((root / path).exists() for root in (ROOT, ROOT / "hmsgw")):
                    broken.append(f"{name}: {path}")
        self.assertEqual([], broken)
