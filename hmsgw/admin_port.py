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


class AdminPort:
    """open_socket: (address, port) -> a bound, listening socket, or raises. factory: of the admin site.
    port: in place of the configuration's, when not None."""

    def __init__(
        self, reactor: Any, open_socket: Callable[[str, int], socket.socket], factory: Any, port: int | None
    ) -> None:
        self._reactor = reactor
        self._open_socket = open_socket
        self._factory = factory
        self._said_port = port
        self._place: Place | None = None
        self._socket: socket.socket | None = None
        self._serving: Any = None
        self._running = False

    @property
    def address(self) -> Place | None:
        """(IP address, port) that is really bound."""
        if self._socket is None:
            return None
        name = self._socket.getsockname()
        return (name[0], name[1])

    def plan(self, admin: Admin) -> tuple[Place, socket.socket | None]:
        """Bind where `admin` says. Raises what open_socket raises; then nothing has changed."""
        place = (admin.address, admin.port if self._said_port is None else self._said_port)
        return place, None if place == self._place else self._open_socket(*place)

    def abandon(self, plan: tuple[Place, socket.socket | None]) -> None:
        """Close what a plan opened."""
        if plan[1] is not None:
            plan[1].close()

    def commit(self, plan: tuple[Place, socket.socket | None]) -> list[str]:
        """Serve there, and no longer where it was. Returns what changed, in words."""
        place, opened = plan
        if opened is None:
            return []
        self._close()
        self._place, self._socket = place, opened
        if self._running:
            self._serve()
        return [f"admin port opened on {place[0]} port {opened.getsockname()[1]}"]

    def start(self) -> None:
        """The reactor is about to run."""
        self._running = True
        self._serve()

    def stop(self) -> None:
        """Close the socket; answers under way are cut off with the process."""
        self._running = False
        self._close()

    def _serve(self) -> None:
        if self._socket is not None:
            # adoptStreamPort duplicates the descriptor: ours stays, to be asked for its address.
            self._serving = self._reactor.adoptStreamPort(self._socket.fileno(), self._socket.family, self._factory)

    def _close(self) -> None:
        if self._serving is not None:
            self._serving.stopListening()
            self._serving = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
