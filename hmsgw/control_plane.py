"""The gateway as something to be operated: everything around the data plane.

Knows: how start, reload, signals, the control socket, the admin port, systemd and the audit log hang together. Refuses
to know: requests (`service`), and what any command line looks like (`cli`, `tap`). Strategy: a Twisted service that owns
the data plane; what can fail at start fails in `build`, before the process becomes a daemon and while it has its
privileges.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import ILogObserver, Logger

from hmsgw.admin_port import AdminPort
from hmsgw.config.faults import Refused
from hmsgw.control.explain import explain
from hmsgw.control.notify import Notifier
from hmsgw.control.options import StartOptions
from hmsgw.control.output import Output
from hmsgw.control.reload import NotTaken, Outcome, Reloader
from hmsgw.control.signals import Signals
from hmsgw.control.socket import ControlFactory, Refusal, listen
from hmsgw.control.state import StateFault, StateFolder
from hmsgw.control.threads import in_daemon_thread
from hmsgw.generation import Candidate
from hmsgw.governance import policy
from hmsgw.governance.audit import AuditLog
from hmsgw.reading import Reading
from hmsgw.service import Gateway
from hmsgw.telemetry.access_log import LineWriter
from hmsgw.telemetry.admin import AdminSite
from hmsgw.telemetry.exposition import Exposition
from hmsgw.telemetry.log_observer import LogLines
from hmsgw.transport.listen import BindError, open_socket
from hmsgw.versions import build_info

_log = Logger()


class CantBind(NotTaken):
    """A listener or the admin port can't have its address."""


class ControlPlane(Service):
    """See `build`, which makes one. owner: (uid, gid) to leave the state directory to when privileges drop.
    logs_by_itself: Twisted's log goes into the same stream as the access log, as JSON lines."""

    name = "hmsgw"

    def __init__(
        self,
        reactor: Any,
        options: StartOptions,
        folder: StateFolder,
        gateway: Gateway,
        reading: Reading,
        environ: Mapping[str, str],
        output: Output,
    ) -> None:
        self.options = options
        self.folder = folder
        self.gateway = gateway
        self.output = output
        self.owner: tuple[int, int] | None = None
        self.logs_by_itself = True
        self.log_observer = LogLines(gateway.writer.write_now)
        self._reactor = reactor
        self._reading = reading
        self._audit = AuditLog(folder.audit_log, time.time)
        self._notifier = Notifier(environ, reactor)
        self._control: Any = None
        site = AdminSite(reactor, gateway.metrics, Exposition(build_info()), gateway.readiness, self._in_thread)
        self.admin = AdminPort(reactor, open_socket, site, options.admin_port)
        self.signals = Signals(
            reactor, reload=self._reload_again, reopen=self._reopen, stop=reactor.stop, hurry=gateway.hurry
        )
        self.reloader = Reloader(reactor, self._in_thread, reading.again, self._apply, self._reload_ended)

    # --- a configuration

    def apply_first(self, candidate: Candidate) -> None:
        """Bind everything. Raises NotTaken."""
        self._apply(candidate)
        self.reloader.file = self.options.config

    def _apply(self, candidate: Candidate) -> tuple[str, list[str]]:
        try:
            admin = self.admin.plan(candidate.config.admin)
        except BindError as error:
            raise CantBind([f"admin port: {str(error).replace('--port', '--admin-port')}"]) from None
        try:
            said = self.gateway.apply(candidate)
        except BaseException as error:
            self.admin.abandon(admin)
            if isinstance(error, Refused):
                raise NotTaken([str(fault) for fault in error.faults]) from None
            if isinstance(error, BindError):
                raise CantBind([str(error)]) from None
            raise
        self._reading.previous = candidate.prepared
        return candidate.digest, said + self.admin.commit(admin)

    def _reload_again(self) -> None:
        self._notifier.reloading()
        self.reloader.again("SIGHUP")

    def _reload_ended(self, outcome: Outcome, who: str) -> Deferred[None]:
        self.gateway.metrics.reloaded("accepted" if outcome.accepted else "refused")
        self._notifier.ready(self._status_line() if outcome.accepted else f"refused: {outcome.faults[0]}")
        if outcome.accepted:
            _log.info("{file} is served now ({digest})", file=outcome.file, digest=outcome.digest)
        for fault in outcome.faults:
            _log.error("reload refused: {fault}", fault=fault)
        return self._in_thread(lambda: self._record(outcome, who)).addErrback(self._not_recorded)

    def _record(self, outcome: Outcome, who: str) -> None:
        said: dict[str, Any] = {"file": outcome.file}
        if outcome.accepted:
            said["digest"] = outcome.digest
            self._keep_accepted(outcome.file, outcome.digest)
        else:
            said["faults"] = list(outcome.faults[:20])
        self._audit.record("accepted" if outcome.accepted else "refused", who, said)

    def _keep_accepted(self, file: str | None, digest: str) -> None:
        self.folder.keep_accepted({"file": file, "digest": digest, "dev": self.options.dev})

    def _not_recorded(self, failure: Any) -> None:
        failure.trap(OSError, StateFault)
        _log.error("the audit log could not be written: {why}", why=failure.getErrorMessage())

    # --- starting and stopping

    def setServiceParent(self, parent: Any) -> None:
        """twistd asks the application how to log."""
        if self.logs_by_itself:
            parent.setComponent(ILogObserver, self.log_observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Still with every privilege, and a daemon already if it is to be one."""
        super().privilegedStartService()
        self.output.take()
        if self.owner is not None:
            self.folder.hand_over(*self.owner)

    def startService(self) -> None:
        """The reactor is about to run. Raises CannotListenError when the control socket can't be opened."""
        super().startService()
        commands = {"reload": self._reload, "status": self._status, "explain": self._explain}
        self._control = listen(self._reactor, self.folder.control_socket, ControlFactory(self._reactor, commands))
        self.gateway.writer.start()
        self.admin.start()
        self.gateway.startService()
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        self.signals.release()
        if self.options.dev:
            _log.warn("{notice}", notice=policy.notice_of_dev(self.options.config))
        for line in self._serving_lines():
            _log.info("{line}", line=line)
        candidate = self.gateway.candidate
        outcome = Outcome(accepted=True, file=candidate.path or None, digest=candidate.digest)
        self._in_thread(lambda: self._record(outcome, "start")).addErrback(self._not_recorded)
        self._notifier.ready(self._status_line())

    def stopService(self) -> Deferred[None]:
        """Drain. A second SIGTERM or SIGINT cuts it short."""
        if not self.running:
            return succeed(None)
        super().stopService()
        self._notifier.stopping()
        _log.info("stopping: no new connections; what runs may finish")
        return self.gateway.stopService().addBoth(self._drained)

    def _drained(self, result: Any) -> Any:
        self.admin.stop()
        self._notifier.stop()
        if self._control is not None:
            self._control.stopListening()
        self.signals.restore()
        self.folder.release()
        return result

    def _reopen(self) -> None:
        with contextlib.suppress(OSError):
            self.output.reopen()
        self.gateway.writer.reopen()

    # --- the control socket

    def _reload(self, request: dict[str, Any]) -> Deferred[dict[str, Any]]:
        path = request.get("file")
        if path is not None and not (isinstance(path, str) and os.path.isabs(path)):
            raise Refusal("`file` has to be an absolute path")
        who = str(request.get("who", ""))[:64] or "control socket"
        self._notifier.reloading()
        outcome = self.reloader.again(who) if path is None else self.reloader.reload(path, who)
        return outcome.addCallback(_in_words)

    def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        overriding = {"--port": self.options.port, "--admin-port": self.options.admin_port}
        return {
            **self.gateway.status(),
            "state_dir": self.folder.path,
            "pid": os.getpid(),
            "signers": [],
            "admin": self.admin.address,
            "overrides": {name: value for name, value in overriding.items() if value is not None},
        }

    def _explain(self, request: dict[str, Any]) -> dict[str, Any]:
        plane = self.gateway.plane
        method, url, client = (str(request.get(name, "")) for name in ("method", "url", "client"))
        headers = request.get("headers", [])
        if plane is None or not method or not url or not isinstance(headers, list):
            raise Refusal("say `method` and `url`; `headers` is a list of [name, value]")
        pairs = [(str(pair[0]), str(pair[1])) for pair in headers if isinstance(pair, list) and len(pair) == 2]
        return explain(plane, method, url, pairs, client)

    # --- words

    def _serving_lines(self) -> list[str]:
        lines = []
        for one in self.gateway.listeners.open:
            scheme = "http" if one.tls is None else "https"
            lines.append(f"listener {one.listener.name}: {scheme} on {one.address[0]} port {one.address[1]}")
        if self.admin.address is not None:
            lines.append(f"admin: http on {self.admin.address[0]} port {self.admin.address[1]}")
        return lines

    def _status_line(self) -> str:
        file = self.gateway.candidate.path
        routes = len(self.gateway.candidate.config.routes)
        return f"serving {routes} routes of {file}" if file else "serving no routes: no configuration was given"

    def _in_thread(self, call: Any) -> Deferred[Any]:
        return in_daemon_thread(self._reactor, call)


def _in_words(outcome: Outcome) -> dict[str, Any]:
    return {
        "accepted": outcome.accepted,
        "file": outcome.file,
        "said": list(outcome.said),
        "faults": list(outcome.faults),
        "advice": outcome.advice,
        "digest": outcome.digest,
    }


def build(reactor: Any, options: StartOptions, environ: Mapping[str, str], output: Output) -> ControlPlane:
    """A gateway that has its state directory, its configuration and its sockets, and does not run yet.

    Raises StateFault, UsageFault and NotTaken (CantBind when it is an address that can't be had).
    """
    folder = StateFolder(options.state_dir)
    folder.prepare()
    folder.take()
    try:
        dev_secret = folder.dev_secret() if options.dev else None
        reading = Reading(options, environ)
        candidate = reading.first()
        gateway = Gateway(
            reactor,
            candidate,
            dev=options.dev,
            dev_secret=dev_secret,
            state_dir=options.state_dir,
            environ=environ,
            writer=LineWriter("stdout", reactor, time.time),
        )
        plane = ControlPlane(reactor, options, folder, gateway, reading, environ, output)
        plane.apply_first(candidate)
    except BaseException:
        folder.release()
        raise
    return plane
