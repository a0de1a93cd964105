"""`hms-gateway schema`: the JSON Schema of the configuration, for editors.

Knows: how it is printed. Refuses to know: how it is made (`config.schema`).
"""

from __future__ import annotations

import argparse
import json

from hmsgw.cli.ending import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(said: argparse.Namespace) -> int:
    """Print it."""
    from hmsgw.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return EXIT_DONE
