"""The listeners of the gateway: which sockets are open, and what is behind each.

Knows: how a new set of listeners takes the place of the old one: what stays keeps its socket and its connections, what
is new is bound before anything is given up, what goes stops accepting and drains. Refuses to know: requests, plans.
Strategy: `plan` may fail and changes nothing; `hand_over` binds, last of all, what the old sockets stand in the way of,
and may fail; `commit` can't fail; `abandon` undoes a plan, at any time before that.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hmsgw.config.model import Listener
from hmsgw.config.netkinds import overlap
from hmsgw.edge.connection import EdgeConnection
from hmsgw.edge.door import Door

BACKLOG = 4096
"""How many connections may wait to be accepted."""


#: Address, port, and the name where the port is 0: any free one, so that several may be asked for.
Place = tuple[str, int, str]


class Serving(Protocol):
    """A socket that is accepted from (`transport.listen`)."""

    @property
    def handshaking(self) -> int: ...
    def take_waiting(self) -> None: ...
    def stop_accepting(self) -> None: ...
    def set_tls(self, tls: Any) -> None: ...
    def set_sources(self, sources: Any) -> None: ...


@dataclass(slots=True, eq=False)
class Open:
    """One listener that is open. serving: None until the reactor runs. address: (IP address, port) that it is really
    bound to, known also when its socket is closed."""

    listener: Listener
    sock: socket.socket
    door: Door
    tls: Any
    serving: Serving | None = None
    address: tuple[str, int] = field(init=False)

    @property
    def place(self) -> Place:
        return _place(self.listener)

    def __post_init__(self) -> None:
        name = self.sock.getsockname()
        self.address = (name[0], name[1])


def _place(listener: Listener) -> Place:
    return (listener.address, listener.port, "" if listener.port else listener.name)


def _places(wanted: list[tuple[Listener, Any]]) -> list[Place]:
    return [_place(listener) for listener, _ in wanted]


def _in_the_way(place: Place, leaving: list[Open]) -> bool:
    """Whether one of these listens where `place` is to be. Port 0 is any that is free."""
    address, port, _ = place
    return port != 0 and any(one.listener.port == port and overlap(one.listener.address, address) for one in leaving)


@dataclass(slots=True)
class Plan:
    """What a configuration wants. opened: sockets bound for it. late: what can only be bound when sockets that are open
    now listen no more. quiet: those sockets, once they do not."""

    wanted: list[tuple[Listener, Any]]
    opened: dict[Place, socket.socket] = field(default_factory=dict)
    late: list[Place] = field(default_factory=list)
    quiet: list[Open] = field(default_factory=list)


class Listeners:
    """See the module.

    open_socket: (address, port) -> a bound, listening socket; raises transport.listen.BindError.
    serve: (socket, protocol factory, tls, door) -> Serving. new_door: listener -> its Door.
    sources_of: listener -> whose PROXY headers are taken, None where none is. new_connection: door -> a Protocol.
    """

    def __init__(
        self,
        open_socket: Callable[[str, int], socket.socket],
        serve: Callable[[socket.socket, Callable[[], Any], Any, Door], Serving],
        new_door: Callable[[Listener], Door],
        sources_of: Callable[[Listener], Any] = lambda listener: None,
        new_connection: Callable[[Door], Any] = EdgeConnection,
    ) -> None:
        self._open_socket = open_socket
        self._serve = serve
        self._new_door = new_door
        self._sources_of = sources_of
        self._new_connection = new_connection
        self._running = False
        self._open: dict[Place, Open] = {}
        self._leaving: list[Open] = []

    @property
    def open(self) -> list[Open]:
        return list(self._open.values())

    @property
    def doors(self) -> list[Door]:
        """Of every connection that lives, listeners that have gone included."""
        return [one.door for one in (*self._open.values(), *self._leaving)]

    def plan(self, wanted: list[tuple[Listener, Any]]) -> Plan:
        """Bind what is new. wanted: (listener, its tls or None). Raises BindError; then nothing has changed."""
        plan = Plan(wanted)
        leaving = self._leaving_for(wanted)
        new = [place for place in dict.fromkeys(_places(wanted)) if place not in self._open]
        plan.late = [place for place in new if _in_the_way(place, leaving)]
        self._bind([place for place in new if place not in plan.late], plan)
        return plan

    def hand_over(self, plan: Plan) -> None:
        """Bind what is late, when nothing else can fail any more. Raises BindError; then the plan is abandoned.

        The old sockets keep their ports meanwhile: shut down, a socket listens no more, and can be made to again.
        """
        for one in self._leaving_for(plan.wanted):
            if any(_in_the_way(place, [one]) for place in plan.late):
                if one.serving is not None:
                    one.serving.take_waiting()
                one.sock.shutdown(socket.SHUT_RD)
                plan.quiet.append(one)
        if plan.late:
            self._bind(plan.late, plan)

    def _leaving_for(self, wanted: list[tuple[Listener, Any]]) -> list[Open]:
        places = set(_places(wanted))
        return [one for place, one in self._open.items() if place not in places]

    def _bind(self, places: list[Place], plan: Plan) -> None:
        try:
            for place in places:
                plan.opened[place] = self._open_socket(*place[:2])
        except BaseException:
            self.abandon(plan)
            raise

    def abandon(self, plan: Plan) -> None:
        """Close what a plan opened, and listen again where it had begun to hand over."""
        for sock in plan.opened.values():
            sock.close()
        plan.opened.clear()
        for one in plan.quiet:
            one.sock.listen(BACKLOG)
        plan.quiet.clear()

    def commit(self, plan: Plan) -> list[str]:
        """Carry a plan out. Returns what changed, in words."""
        said: list[str] = []
        self._leaving = [one for one in self._leaving if one.door.open]
        wanted = {_place(listener): (listener, tls) for listener, tls in plan.wanted}
        for place in [place for place in self._open if place not in wanted]:
            gone = self._open.pop(place)
            self._leaving.append(gone)
            gone.door.drain()
            if gone.serving is None:
                gone.sock.close()
            else:
                if gone not in plan.quiet:
                    gone.serving.take_waiting()
                gone.serving.stop_accepting()
            said.append(f"listener {gone.listener.name} closed")
        for place, (listener, tls) in wanted.items():
            there = self._open.get(place)
            if there is None:
                self._open[place] = opened = Open(listener, plan.opened[place], self._new_door(listener), tls)
                if self._running:
                    self._begin(opened)
                said.append(f"listener {listener.name} opened on {listener.address} port {opened.address[1]}")
            elif (there.tls is None) == (tls is None):
                if tls is not None and tls.clients != there.tls.clients:
                    there.door.turn_over()
                    said.append(f"listener {listener.name}: connections that were let in by another `client_ca` drain")
                there.listener, there.tls = listener, tls
                there.door.name = listener.name
                there.door.protocols = listener.protocols
                if there.serving is not None:
                    if tls is not None:
                        there.serving.set_tls(tls)
                    there.serving.set_sources(self._sources_of(listener))
            else:
                said.append(self._exchange_kind(there, listener, tls))
        return said

    def _exchange_kind(self, there: Open, listener: Listener, tls: Any) -> str:
        """Plain becomes TLS or the other way: the socket stays, what comes next is of the other kind."""
        duplicate = there.sock.dup()
        self._leaving.append(Open(there.listener, there.sock, there.door, there.tls, there.serving))
        if there.serving is not None:
            there.serving.stop_accepting()
        there.door.drain()
        there.listener, there.tls, there.sock = listener, tls, duplicate
        there.door, there.serving = self._new_door(listener), None
        if self._running:
            self._begin(there)
        return f"listener {listener.name} now speaks {'plain HTTP' if tls is None else 'TLS'}"

    def start(self) -> None:
        """Accept connections."""
        self._running = True
        for one in self._open.values():
            self._begin(one)

    def _begin(self, one: Open) -> None:
        door = one.door
        one.serving = self._serve(one.sock, lambda: self._new_connection(door), one.tls, door)
        one.serving.set_sources(self._sources_of(one.listener))

    def stop_accepting(self) -> None:
        """New connections are refused from now on; those that are open drain."""
        for one in self._open.values():
            one.door.drain()
            if one.serving is not None:
                one.serving.take_waiting()
                one.serving.stop_accepting()

    def connections(self) -> int:
        return sum(len(door.open) for door in self.doors)

    def coming(self) -> int:
        """Connections that have been accepted and are not with their door yet."""
        return sum(one.serving.handshaking for one in self._open.values() if one.serving is not None)

    def stop(self) -> None:
        """End what is under way, and close every connection once it is told."""
        for door in self.doors:
            door.stop_all()

    def abort(self) -> None:
        """Close every connection."""
        for door in self.doors:
            door.abort_all()
