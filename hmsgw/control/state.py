"""The state directory: what a gateway remembers on this host, and where its commands find it.

Knows: which folder it is, the names in it, and their modes; that one gateway at a time may use it. Refuses to know: the
meaning of what others keep there. Strategy: small files, written aside and renamed; a lock that the kernel frees with
its holder and that a daemon's children inherit. Blocking code: before the reactor runs, or in a thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Mapping
from os.path import abspath, dirname, expanduser, isdir, join
from typing import Any

from hmsgw.files import replace_file

SYSTEM_FOLDER = "/var/lib/hmsgw"
CONTROL_SOCKET = "control.sock"
AUDIT_LOG = "audit.log"

_ACCEPTED = "accepted.json"
_DEV_SECRET = "dev.secret"
_LOCK = "lock"
_MAX_BYTES = 64 * 1024
_MAX_SOCKET_PATH = 107
"""`sun_path` of unix(7), without its final NUL."""


class StateFault(Exception):
    """The state directory can't be used. str() is one sentence that says what to do next."""


def choose_folder(said: str | None, environ: Mapping[str, str], system_folder: str = SYSTEM_FOLDER) -> str:
    """said: --state-dir. Else $STATE_DIRECTORY (systemd; the first of several), else `system_folder` when it can be
    written to or made, else ~/.local/state/hmsgw. Absolute."""
    given = said or environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return abspath(given)
    nearest = system_folder if isdir(system_folder) else dirname(system_folder)
    if os.access(nearest, os.W_OK | os.X_OK):
        return system_folder
    home = environ.get("HOME") or expanduser("~")
    return join(home, ".local", "state", "hmsgw")


class StateFolder:
    """path: absolute; made by `prepare`, not before."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def control_socket(self) -> str:
        return join(self.path, CONTROL_SOCKET)

    @property
    def audit_log(self) -> str:
        return join(self.path, AUDIT_LOG)

    def prepare(self) -> None:
        """Make the folder, for its owner alone. Raises StateFault, also for a folder that others may write to."""
        if len(os.fsencode(self.control_socket)) > _MAX_SOCKET_PATH:
            raise StateFault(
                f"the path of the state directory {self.path} is too long for the socket in it; give a shorter one "
                "with --state-dir"
            )
        try:
            os.makedirs(dirname(self.path), exist_ok=True)
            if not isdir(self.path):
                os.mkdir(self.path, 0o700)
            found = os.stat(self.path)
        except OSError as error:
            raise StateFault(_cant(self.path, "be made", error)) from None
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StateFault(
                f"other users may write to the state directory {self.path}; run `chmod go-w {self.path}`, or give "
                "another one with --state-dir"
            )
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StateFault(
                f"the state directory {self.path} is not writable for this user; give another one with --state-dir"
            )

    def take(self) -> None:
        """Be the one gateway that uses this folder, for as long as the process (or a child of it) lives.

        Raises StateFault when another one does.
        """
        path = join(self.path, _LOCK)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StateFault(_cant(path, "be opened", error)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StateFault(
                f"another gateway runs with the state directory {self.path}; stop it, or give this one its own with "
                "--state-dir"
            ) from None
        self._lock = descriptor

    def release(self) -> None:
        """Let another gateway have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def dev_secret(self) -> str:
        """The development key: random, made at the first call, kept for later starts. Raises StateFault."""
        there = self.existing_dev_secret()
        if there is None:
            there = secrets.token_urlsafe(48)
            self._write(_DEV_SECRET, there.encode())
        return there

    def existing_dev_secret(self) -> str | None:
        """The development key if there is one. Raises StateFault."""
        content = self._read(_DEV_SECRET)
        return None if content is None else content.decode("ascii", "replace").strip() or None

    def keep_accepted(self, accepted: Mapping[str, Any]) -> None:
        """Remember what runs: file, digest, dev, and the variable `key` that takes the place of the development key.

        Raises StateFault."""
        self._write(_ACCEPTED, json.dumps(accepted).encode() + b"\n")

    def last_file(self) -> str | None:
        """The file that was accepted last, if one is known."""
        try:
            accepted = self.accepted()
        except StateFault:
            return None
        file = None if accepted is None else accepted.get("file")
        return file if isinstance(file, str) else None

    def accepted(self) -> dict[str, Any] | None:
        """What runs, or ran last; None before anything did. Raises StateFault."""
        content = self._read(_ACCEPTED)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise StateFault(f"{join(self.path, _ACCEPTED)} is damaged; remove it and start the gateway again")
        return found

    def hand_over(self, uid: int, gid: int) -> None:
        """Give the folder and the files in it that are ours to another user, before privileges drop.

        Raises StateFault. Nothing of another owner is touched, and no link is followed.
        """
        me = os.geteuid()
        try:
            with os.scandir(self.path) as entries:
                ours = [entry.path for entry in entries if entry.stat(follow_symlinks=False).st_uid == me]
            if os.stat(self.path).st_uid == me:
                ours.append(self.path)
            for path in ours:
                os.chown(path, uid, gid, follow_symlinks=False)
        except OSError as error:
            raise StateFault(_cant(self.path, f"be given to user {uid}", error)) from None

    def _write(self, name: str, content: bytes) -> None:
        path = join(self.path, name)
        try:
            replace_file(path, content, 0o600)
        except OSError as error:
            raise StateFault(_cant(path, "be written", error)) from None

    def _read(self, name: str) -> bytes | None:
        path = join(self.path, name)
        try:
            with open(path, "rb") as file:
                return file.read(_MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateFault(_cant(path, "be read", error)) from None


def _cant(path: str, what: str, error: OSError) -> str:
    return f"{path} can't {what}: {error.strerror or error}; give another state directory with --state-dir"
