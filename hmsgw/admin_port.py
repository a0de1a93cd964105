"""The admin port's socket, over reloads.

Knows: that a new address is bound before the old one is given up, and that one which can't be bound changes nothing.
Refuses to know: what is served there. Strategy: `plan` may fail and changes nothing, `commit` can't fail, `abandon`
undoes a plan; the same three as `listeners`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from hmsgw.config.model import Admin

Place = tuple[str, int]
Plan = tuple[Place, socket.socket | None]


class AdminPort:
    """open_socket: (address, port) -> a bound, listening socket, or raises. port: in place of the configuration's."""

    def __init__(self, open_socket: Callable[[str, int], socket.socket], port: int | None) -> None:
        self._open_socket = open_socket
        self._said_port = port
        self._adopt: Callable[[socket.socket], Any] | None = None
        self._place: Place | None = None
        self._opened: socket.socket | None = None
        self._serving: Any = None
        self.address: Place | None = None
        """(IP address, port) that is really bound."""

    def plan(self, admin: Admin) -> Plan:
        """Bind where `admin` says. Raises what open_socket raises; then nothing has changed."""
        place = (admin.address, admin.port if self._said_port is None else self._said_port)
        return place, None if place == self._place else self._open_socket(*place)

    def abandon(self, plan: Plan) -> None:
        """Close what a plan opened."""
        if plan[1] is not None:
            plan[1].close()

    def commit(self, plan: Plan) -> list[str]:
        """Be there, and no longer where it was. Returns what changed, in words."""
        place, opened = plan
        if opened is None:
            return []
        self._close()
        name = opened.getsockname()
        self._place, self._opened, self.address = place, opened, (name[0], name[1])
        if self._adopt is not None:
            self._serve(self._adopt)
        return [f"admin port opened on {name[0]} port {name[1]}"]

    def start(self, adopt: Callable[[socket.socket], Any]) -> None:
        """The reactor is about to run. adopt: serves from a socket of its own copy; returns an IListeningPort."""
        self._adopt = adopt
        self._serve(adopt)

    def stop(self) -> Any:
        """Close; a Deferred or None."""
        self._adopt = None
        return self._close()

    def _serve(self, adopt: Callable[[socket.socket], Any]) -> None:
        if self._opened is not None:
            self._serving = adopt(self._opened)
            self._opened.close()
            self._opened = None

    def _close(self) -> Any:
        serving, self._serving = self._serving, None
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        return None if serving is None else serving.stopListening()
