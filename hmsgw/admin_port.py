"""The admin port's socket, over reloads.

Knows: that a new address is bound before the old one is given up, and that one which can't be bound changes nothing.
Refuses to know: what is served there. Strategy: `plan` may fail and changes nothing, `hand_over` binds what the old
socket stands in the way of, `commit` can't fail, `abandon` undoes a plan; the same four as `listeners`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hmsgw.config.model import Admin
from hmsgw.config.netkinds import overlap

Place = tuple[str, int]

BACKLOG = 128


@dataclass(slots=True)
class Plan:
    """place: where to be. opened: bound for it. quiet: the old socket, when it listens no more to make room."""

    place: Place
    opened: socket.socket | None = None
    quiet: socket.socket | None = None


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

    @property
    def place(self) -> Place | None:
        """As it was asked for; the port may be 0."""
        return self._place

    def plan(self, admin: Admin) -> Plan:
        """Bind where `admin` says. Raises what open_socket raises; then nothing has changed."""
        plan = Plan((admin.address, admin.port if self._said_port is None else self._said_port))
        if plan.place != self._place and not self._is_in_the_way(plan.place):
            plan.opened = self._open_socket(*plan.place)
        return plan

    def hand_over(self, plan: Plan) -> None:
        """Bind what has to wait for the old socket, when nothing else can fail. Raises what open_socket raises; then
        the plan is abandoned."""
        if self._opened is None or not self._is_in_the_way(plan.place):
            return
        self._opened.shutdown(socket.SHUT_RD)
        plan.quiet = self._opened
        try:
            plan.opened = self._open_socket(*plan.place)
        except BaseException:
            self.abandon(plan)
            raise

    def abandon(self, plan: Plan) -> None:
        """Close what a plan opened, and listen again where it had begun to hand over."""
        if plan.opened is not None:
            plan.opened.close()
            plan.opened = None
        if plan.quiet is not None:
            plan.quiet.listen(BACKLOG)
            plan.quiet = None

    def commit(self, plan: Plan) -> list[str]:
        """Be there, and no longer where it was. Returns what changed, in words."""
        if plan.opened is None:
            return []
        self._close()
        name = plan.opened.getsockname()
        self._place, self._opened, self.address = plan.place, plan.opened, (name[0], name[1])
        if self._adopt is not None:
            self._serving = self._adopt(plan.opened)
        return [f"admin port opened on {name[0]} port {name[1]}"]

    def start(self, adopt: Callable[[socket.socket], Any]) -> None:
        """The reactor is about to run. adopt: serves from a socket of its own copy; returns an IListeningPort."""
        self._adopt = adopt
        if self._opened is not None:
            self._serving = adopt(self._opened)

    def stop(self) -> Any:
        """Close; a Deferred or None."""
        self._adopt = None
        return self._close()

    def _is_in_the_way(self, place: Place) -> bool:
        """Whether `place` can't be bound while the port listens where it is now."""
        was = self._place
        return was is not None and was != place and was[1] == place[1] != 0 and overlap(was[0], place[0])

    def _close(self) -> Any:
        serving, self._serving = self._serving, None
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        return None if serving is None else serving.stopListening()
