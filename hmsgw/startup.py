"""Everything up to the point where the reactor runs: all that can be refused is refused here.

Knows: which options contradict a configuration, and in which order state directory, configuration and sockets are
taken. Refuses to know: what runs afterwards (`service`). Strategy: it happens before the process becomes a daemon and
drops its privileges; a reload asks the same questions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hmsgw.admin_port import AdminPort
from hmsgw.config.faults import Fault, Refused
from hmsgw.config.netkinds import overlap
from hmsgw.control.options import DEFAULT_PORT, StartOptions, UsageFault
from hmsgw.control.state import StateFolder
from hmsgw.gateway import Gateway
from hmsgw.generation import Candidate, read_candidate
from hmsgw.governance.policy import refusal_of_environment
from hmsgw.telemetry.access_log import LineWriter
from hmsgw.transport.listen import BindError, open_socket
from hmsgw.transport.selfsigned import self_signed


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that could have been refused and was not. admin: bound."""

    options: StartOptions
    environ: Mapping[str, str]
    state: StateFolder
    candidate: Candidate
    gateway: Gateway
    admin: AdminPort


def check_policy(candidate: Candidate, options: StartOptions) -> None:
    """Raises Refused when the configuration may not run here, and UsageFault when the options contradict it."""
    config = candidate.config
    if foreign := refusal_of_environment(config.environment, options.environment):
        raise Refused([Fault(config.environment_where, foreign)])
    if options.port is not None and config.listeners:
        raise UsageFault(
            f"{config.listeners[0].where}: the configuration has `listeners:`, so --port {options.port} means nothing; "
            "leave one of the two out"
        )


def read(path: str | None, options: StartOptions, environ: Mapping[str, str], previous: Candidate | None) -> Candidate:
    """Read the configuration at `path` (None: the built-in empty one) for a gateway with these options. Blocking.

    Raises Refused.
    """
    return read_candidate(
        path,
        port=DEFAULT_PORT if options.port is None else options.port,
        dev=options.dev,
        environ=environ,
        state_dir=options.state_dir,
        self_signed=partial(self_signed, options.state_dir),
        previous=None if previous is None else previous.prepared,
    )


def prepare(options: StartOptions, reactor: Any, environ: Mapping[str, str]) -> Prepared:
    """Everything up to the point where the reactor runs: state directory, configuration, sockets.

    Raises StateFault, Refused, UsageFault, transport.listen.BindError. Whether an unsigned file may run at all is the
    doors' question: it comes before anything is read.
    """
    state = StateFolder(options.state_dir)
    state.prepare()
    state.take()
    candidate = read(options.config, options, environ, None)
    if options.config is not None:
        check_policy(candidate, options)
    writer = LineWriter("stdout", reactor, time.time)
    gateway = Gateway(
        reactor,
        candidate,
        dev=options.dev,
        dev_secret=state.dev_secret() if options.dev else None,
        state_dir=options.state_dir,
        environ=environ,
        writer=writer,
    )
    admin = AdminPort(_open_admin_socket, options.admin_port)
    plan = admin.plan(candidate.config.admin)
    try:
        gateway.apply(candidate)
    except BaseException as error:
        admin.abandon(plan)
        if isinstance(error, BindError):
            raise BindError(own_words(error, gateway, plan.place), error.place) from None
        raise
    admin.commit(plan)
    return Prepared(options, environ, state, candidate, gateway, admin)


def _open_admin_socket(address: str, port: int) -> Any:
    try:
        return open_socket(address, port)
    except BindError as error:
        why = f"admin port: {str(error).replace('--port', '--admin-port')}"
        raise _AdminBindError(why, error.place) from None


class _AdminBindError(BindError):
    """The admin port's."""


def own_words(error: BindError, gateway: Gateway, admin: tuple[str, int] | None) -> str:
    """`error`, unless it is the gateway itself that holds the place: listeners and the admin port hand nothing over to
    each other."""
    address, port = error.place
    held = [(f"the listener {one.listener.name}", one.place) for one in gateway.listeners.open]
    for what, place in held if isinstance(error, _AdminBindError) else [("the admin port", admin)]:
        if place is not None and place[1] == port and overlap(place[0], address):
            return (
                f"address {address} port {port} is in use by {what} of this gateway; give one of the two another port, "
                "or move that one away first, by a configuration of its own"
            )
    return str(error)
