"""A configuration from its file: bytes into a bundle, text into values, values into the model, all faults at once.

Knows: the order of these steps. Refuses to know: plugins (`hmsgw.chain.prepare` resolves them) and what runs now.
Strategy: plain blocking code for a thread; the YAML file and every file that it names are read once, into the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import listdir
from os.path import abspath, basename, dirname, isfile, join, split, splitext
from typing import NamedTuple

from hmsgw.config import text
from hmsgw.config.bundle import Bundle
from hmsgw.config.faults import Fault, Refused, quoted
from hmsgw.config.model import Config
from hmsgw.config.parse import parse_config
from hmsgw.config.places import Where
from hmsgw.config.reading import NamedFile


class Loaded(NamedTuple):
    """bundle: holds the YAML file under its own name, and the certificates, keys and CAs that it names."""

    config: Config
    bundle: Bundle


def load(path: str, *, environ: Mapping[str, str], state_dir: str) -> Loaded:
    """Read a configuration. path: as the user gave it, and as faults show it.

    environ: for `${NAME}`. state_dir: is `${STATE_DIRECTORY}`, with and without systemd. Raises Refused; its `rest` is
    a Loaded when the text is sound.
    """
    bundle = Bundle(dirname(abspath(path)), {}, False)
    try:
        content = bundle.read(basename(path))
    except (OSError, ValueError) as error:
        meant = file_meant(path) if isinstance(error, FileNotFoundError) else None
        hint = "" if meant is None else f"; did you mean {quoted(basename(meant))}?"
        raise Refused([Fault(Where(path, 1, 1), f"this file can't be read: {_why(error)}{hint}")]) from None
    return _parsed(path, content, bundle, {**environ, "STATE_DIRECTORY": state_dir})


def file_meant(path: str) -> str | None:
    """Of a path where there is no file: the path beside it that reads most like it, None for none. Blocking."""
    folder, name = split(path)
    try:
        there = [entry for entry in listdir(folder or ".") if isfile(join(folder, entry))]
    except (OSError, ValueError):
        return None
    # Without its ending: every other configuration has the same.
    stems = {splitext(entry)[0]: entry for entry in there if splitext(entry)[1] in (".yaml", ".yml")}
    close = get_close_matches(splitext(name)[0], stems, 1)
    return join(folder, stems[close[0]]) if close else None


def _parsed(path: str, content: bytes, bundle: Bundle, environ: Mapping[str, str]) -> Loaded:
    faults: list[Fault] = []
    root = text.read(content, path, environ, faults)
    if root is None:
        raise Refused(faults)
    is_text_sound = not faults
    config, files = parse_config(root, bundle.root_dir, faults)
    for file in files:
        _take(file, bundle, faults)
    loaded = Loaded(config, bundle)
    if faults:
        raise Refused(faults, loaded if is_text_sound else None)
    return loaded


def _take(file: NamedFile, bundle: Bundle, faults: list[Fault]) -> None:
    try:
        bundle.read(file.path, governed=file.governed)
    except (OSError, ValueError) as error:
        faults.append(Fault(file.where, f"{file.key}: {file.path} can't be read: {_why(error)}"))


def _why(error: OSError | ValueError) -> str:
    """`No such file or directory`, without the number and the path that are in the message already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
