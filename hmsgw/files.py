"""Small files that are replaced whole.

Knows: that a reader sees the old content or the new, never half of one, and that a crash leaves one of the two. Refuses
to know: what stands in them. Blocking code: before the reactor runs, or in a thread.
"""

from __future__ import annotations

import os


def replace_file(path: str, content: bytes, mode: int) -> None:
    """Write `content` aside, wait until the disk has it, and put it in the place of `path`. No link is followed.

    mode: of the new file, whatever the old one had. Raises OSError; then the old file is as it was.
    """
    aside = f"{path}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # what a crash left aside keeps the mode it had
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(aside, path)
