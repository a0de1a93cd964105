"""Everything a configuration consists of, as bytes.

Knows: each file's name and content, and which files are not the governance board's business. Refuses to know: what the
bytes mean. Strategy: a file is read at most once and kept, so that what was verified is what is parsed, compiled and
loaded; a sealed bundle has no disk at all. Names are paths relative to the configuration's folder; a file outside it
keeps its absolute path. Nothing but a regular file is read, so neither a pipe nor a device can hold the reader up.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from os.path import abspath, isabs, join, normpath

MAX_FILE_BYTES = 8 * 1024 * 1024


class Bundle:
    """root_dir: the configuration's folder. files: name -> content, taken over. sealed: there is no more to read."""

    def __init__(self, root_dir: str, files: dict[str, bytes], sealed: bool) -> None:
        self.root_dir = abspath(root_dir)
        self.files = files
        self.sealed = sealed
        self.ungoverned: set[str] = set()
        """Names of server certificates, keys and other files that signatures do not cover."""

    def name_of(self, path: str) -> str:
        """The name under which a path, absolute or relative to the configuration's folder, is kept."""
        full = normpath(join(self.root_dir, path))
        folder = self.root_dir.rstrip(os.sep) + os.sep
        return full[len(folder) :] if full.startswith(folder) else full

    def read(self, path: str, *, governed: bool | None = None) -> bytes:
        """The content of a file.

        governed: whether signatures cover it; once covered, always covered. None: as it was; covered when it is new.
        Raises KeyError when the bundle is sealed without it, else OSError when it cannot be read, and ValueError, with
        a sentence, for more than 8 MiB.
        """
        name = self.name_of(path)
        content = self.files.get(name)
        if content is None:
            if self.sealed:
                raise KeyError(name)
            content = self.files[name] = _content(join(self.root_dir, name))
            if governed is False:
                self.ungoverned.add(name)
        if governed:
            self.ungoverned.discard(name)
        return content

    def names_under(self, folder: str) -> list[str]:
        """The names of the `*.py` files in a folder (not below it), sorted. Raises OSError unless sealed."""
        name = self.name_of(folder)
        if not self.sealed:
            with os.scandir(join(self.root_dir, name)) as entries:
                return sorted(entry.name for entry in entries if entry.name.endswith(".py") and entry.is_file())
        prefix = "" if name == self.root_dir else name.rstrip(os.sep) + os.sep
        names = (key[len(prefix) :] for key in self.files if key.startswith(prefix) and isabs(key) == isabs(prefix))
        return sorted(key for key in names if key.endswith(".py") and os.sep not in key)

    def digest(self) -> str:
        """`sha256:HEX` over the names and SHA-256 of the governed files, in the order of their names."""
        whole = hashlib.sha256()
        for name in sorted(self.files.keys() - self.ungoverned):
            part = hashlib.sha256(self.files[name]).hexdigest()
            whole.update(f"{part}  {len(os.fsencode(name))} {name}\n".encode("utf-8", "surrogateescape"))
        return f"sha256:{whole.hexdigest()}"


def _content(path: str) -> bytes:
    # O_NONBLOCK: opening a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // (1024 * 1024)} MiB")
    return content
