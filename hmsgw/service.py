"""The composition root: the one place where the rooms meet.

Knows: how a process is put together from a state directory, a data plane (`gateway`), an admin port, a control socket,
signals, an audit log and a supervisor's notifications; what each command does. Refuses to know: how any of it works.
Strategy: `startup` has done all that can be refused; what is here starts and stops the rest.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  (a codec is loaded at its first use: too late once privileges are dropped)
import gc
import os
import resource
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, globalLogPublisher

import twisted
from hmsgw import __version__
from hmsgw.config.differences import differences
from hmsgw.config.endpoint import bracketed
from hmsgw.config.faults import Refused
from hmsgw.config.load import file_meant
from hmsgw.control.explain import explain
from hmsgw.control.notify import Notifier
from hmsgw.control.options import UsageFault
from hmsgw.control.overrides import key_variable, overrides
from hmsgw.control.reload import NotTaken, Outcome, Reloader
from hmsgw.control.signals import Signals
from hmsgw.control.socket import ControlFactory, Refusal, listen
from hmsgw.control.threads import in_daemon_thread
from hmsgw.generation import Candidate
from hmsgw.governance.audit import AuditLog
from hmsgw.governance.policy import (
    check_command,
    list_command,
    next_command,
    notice_of_dev,
    refusal_of_unsigned,
    reload_command,
)
from hmsgw.heap import Heap
from hmsgw.startup import Prepared, check_policy, own_words, read
from hmsgw.status import status_of
from hmsgw.telemetry.admin import AdminSite
from hmsgw.telemetry.exposition import Build, Exposition
from hmsgw.telemetry.log_observer import LogLines
from hmsgw.transport.listen import BindError

_log = Logger()


class GatewayService(MultiService):
    """The whole gateway as a Twisted service.

    stopped: called when a signal ended it and everything has drained. reopen_output: opens what stands for standard
    output again, after a rotation; may raise OSError.
    """

    def __init__(
        self,
        prepared: Prepared,
        reactor: Any,
        stopped: Callable[[], None],
        reopen_output: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.gateway = prepared.gateway
        self.gateway.setServiceParent(self)
        self._prepared = prepared
        self._reactor = reactor
        self._stopped = stopped
        self._reopen_output = reopen_output
        self._audit = AuditLog(prepared.state.audit_log, time.time)
        self._notifier = Notifier(prepared.environ, reactor)
        self._observer = LogLines(self.gateway.writer.write_now)
        self._control: Any = None
        self._reloader = Reloader(
            clock=reactor,
            in_thread=partial(in_daemon_thread, reactor),
            load=self._load,
            apply=self._apply,
            ended=self._ended,
            advise=lambda path: reload_command(path, prepared.options.state_dir),
            file=prepared.options.config or prepared.state.last_file(),
        )
        self._signals = Signals(
            reactor,
            reload=lambda: self._reloader.again("SIGHUP"),
            reopen=self._reopen,
            stop=self._stop,
            hurry=self._hurry,
        )
        self._signals.hold()
        self._heap = Heap(reactor, self._in_thread)
        self._stopping = False
        self._differs: tuple[Candidate, list[str]] = self.gateway.candidate, []
        self._writing = threading.Lock()

    # --- starting and stopping

    def startService(self) -> None:
        """Open the admin port and the control socket, and begin."""
        _raise_file_limit()
        # A request leaves no cycle behind (tests/walks hold that), so looking for some can wait for real growth.
        gc.set_threshold(10_000, 20, 20)
        globalLogPublisher.addObserver(self._observer)
        prepared, reactor = self._prepared, self._reactor
        self._heap.start()
        self.gateway.writer.start()
        super().startService()
        self._open_admin(prepared)
        commands = {"reload": self._reload, "status": self._status, "explain": self._explain}
        self._control = listen(reactor, prepared.state.control_socket, ControlFactory(reactor, commands))
        reactor.callWhenRunning(self._running)

    def _open_admin(self, prepared: Prepared) -> None:
        build = Build(__version__, twisted.__version__, SSL.SSLeay_version(0).decode())
        site = AdminSite(
            self._reactor, self.gateway.metrics, Exposition(build), self.gateway.readiness, self._in_thread
        )
        prepared.admin.start(lambda sock: self._reactor.adoptStreamPort(sock.fileno(), sock.family, site))

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)

    def _running(self) -> None:
        prepared = self._prepared
        if prepared.options.config is None:
            self._say_that_nothing_is_served()
        if prepared.options.dev:
            _log.warn("{notice}", notice=notice_of_dev(prepared.options.config, key_variable(prepared.environ)))
        self._signals.release()
        for one in self.gateway.listeners.open:
            scheme = self.gateway.streams.scheme_of(one.listener.name, tls=one.tls is not None)
            host, port = one.address
            _log.info("listening on {scheme}://{host}:{port}", scheme=scheme, host=bracketed(host), port=port)
        self._notifier.ready(self._summary())
        self._accepted("start", self.gateway.candidate)

    def _say_that_nothing_is_served(self) -> None:
        last = self._reloader.file
        note = "no configuration was given: every request is answered 404"
        if last is not None:
            note += f"; the one last accepted here is {last}, and `hms-gateway reload` loads it again"
            self.gateway.notes["configuration"] = note
        _log.warn("{note}", note=note)

    def stopService(self) -> Any:
        """Drain, then end everything."""
        if self._stopping:
            return succeed(None)
        self._stopping = True
        self._notifier.stopping()
        return maybeDeferred(super().stopService).addBoth(self._close)

    def _close(self, result: Any) -> Any:
        self.gateway.writer.hand_over()
        _log.info("stopped")
        self._notifier.stop()
        self._heap.stop()
        control, self._control = self._control, None
        closed = succeed(None) if control is None else maybeDeferred(control.stopListening)
        self._prepared.admin.stop()
        globalLogPublisher.removeObserver(self._observer)
        self._prepared.state.release()
        self.gateway.writer.finish()
        return self._in_thread(self.gateway.writer.join).addBoth(lambda _: closed)

    def _stop(self) -> None:
        """SIGTERM, SIGINT."""
        _log.info("stopping: what runs may finish")
        maybeDeferred(self.stopService).addBoth(lambda _: self._stopped())

    def _hurry(self) -> None:
        """A second one."""
        self.gateway.hurry()

    def _reopen(self) -> None:
        """SIGUSR1: the log files were moved away."""
        try:
            self._reopen_output()
        except OSError as error:
            _log.error("{file} can't be opened again: {why}", file=error.filename, why=error.strerror)
        self.gateway.writer.reopen()

    # --- reloading

    def _load(self, path: str) -> Candidate:
        options = self._prepared.options
        # Before anything is read: an unsigned file is neither parsed nor are its plugins run.
        if unsigned := refusal_of_unsigned(path, dev=options.dev):
            first = "; to try it on this machine, stop this gateway and start one that may"
            raise NotTaken([unsigned + first], next_command(path, **options.said))
        try:
            candidate = read(path, options, self._prepared.environ, self.gateway.candidate)
            check_policy(candidate, options)
        except UsageFault as fault:
            raise NotTaken([str(fault)], next_command(path, **{**options.said, "port": None})) from None
        except Refused as refused:
            advice = check_command(path, options.environment)
            if not os.path.exists(path):
                meant = file_meant(path)
                advice = list_command(path) if meant is None else reload_command(meant, options.state_dir)
            raise NotTaken([str(fault) for fault in refused.faults], advice) from None
        # Here, in a thread: ten thousand routes are not compared in the reactor's time.
        self._differs = candidate, _differences(self.gateway.candidate, candidate)
        return candidate

    def _apply(self, candidate: Candidate) -> tuple[str, list[str]]:
        if self._stopping:
            stopping = "the gateway is stopping; what it would load now it could not serve"
            raise NotTaken([stopping], next_command(candidate.path, **self._prepared.options.said))
        self._notifier.reloading()
        admin = self._prepared.admin
        try:
            plan = admin.plan(candidate.config.admin)
            try:
                said = self.gateway.apply(candidate, lambda: admin.hand_over(plan))
            except BaseException:
                admin.abandon(plan)
                raise
            said += admin.commit(plan)
        except Refused as refused:
            raise NotTaken([str(fault) for fault in refused.faults]) from None
        except BindError as error:
            raise NotTaken([f"{candidate.path}: {own_words(error, self.gateway, admin.place)}"]) from None
        finally:
            self._notifier.ready(self._summary())
        routes = len(candidate.config.routes)
        read, differs = self._differs
        assert read is candidate  # one reload after the other (`control.reload`)
        return candidate.digest, [f"{routes} route{'' if routes == 1 else 's'}", *said, *differs]

    def _ended(self, outcome: Outcome, who: str) -> Deferred[Any] | None:
        """Count, log and record a reload, whoever asked for it."""
        self.gateway.metrics.reloaded("accepted" if outcome.accepted else "refused")
        if outcome.accepted:
            _log.info("configuration {file} accepted: {said}", file=outcome.file, said=", ".join(outcome.said))
            self.gateway.notes.clear()
            return self._accepted(who, self.gateway.candidate)
        for fault in outcome.faults:
            _log.error("reload refused: {fault}", fault=fault)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.gateway.notes["reload"] = f"the last reload, at {when}, was refused: {outcome.faults[0]}"
        return self._refused(who, outcome)

    def _accepted(self, who: str, candidate: Candidate) -> Deferred[Any]:
        """Write down what runs now, and who wanted it."""
        file = candidate.path or None
        # Started without a file: what was accepted before stays remembered, for `hms-gateway reload`.
        kept = {"file": file or self._reloader.file, "digest": candidate.digest, "dev": self._prepared.options.dev}
        kept["key"] = key_variable(self._prepared.environ)
        said = {"file": file, "serial": candidate.config.serial, "digest": candidate.digest, "signed": False}

        def write() -> None:
            with self._writing:
                self._prepared.state.keep_accepted(kept)
                self._audit.record("config.accepted", who, said)

        return self._in_thread(write).addErrback(_not_recorded)

    def _refused(self, who: str, outcome: Outcome) -> Deferred[Any]:
        said = {"file": outcome.file, "faults": list(outcome.faults[:20])}
        return self._in_thread(lambda: self._audit.record("config.refused", who, said)).addErrback(_not_recorded)

    # --- commands of the control socket

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        prepared = self._prepared
        registry = self.gateway.candidate.config.registry
        return {
            **status_of(self.gateway),
            "signers": [],
            "admin": prepared.admin.address,
            "state_dir": prepared.state.path,
            "pid": os.getpid(),
            "overrides": overrides(
                prepared.options, prepared.environ, registry=registry.kind == "consul" and registry.url is None
            ),
        }

    def _reload(self, request: dict[str, Any]) -> Deferred[dict[str, Any]]:
        path = request.get("file")
        who = f"uid {request.get('uid', os.getuid())}"
        outcome = self._reloader.again(who) if path is None else self._reloader.reload(str(path), who)
        return outcome.addCallback(Outcome.in_data)

    def _explain(self, request: dict[str, Any]) -> dict[str, Any]:
        plane = self.gateway.plane
        if plane is None:
            raise Refusal("no configuration is served yet; try again in a moment")
        headers = [(str(name), str(value)) for name, value in request.get("headers") or ()]
        return explain(
            plane,
            str(request.get("method", "GET")),
            str(request.get("url", "/")),
            headers,
            str(request.get("client") or ""),
        )

    def _summary(self) -> str:
        candidate = self.gateway.candidate
        return f"serving {len(candidate.config.routes)} routes of {candidate.path or 'no configuration'}"


def _differences(before: Candidate, after: Candidate) -> list[str]:
    files = [
        {name: content for name, content in one.bundle.files.items() if name != one.bundle.name_of(one.path)}
        for one in (before, after)
    ]
    return differences(before.config, files[0], after.config, files[1])


def _not_recorded(failure: Any) -> None:
    _log.error("what was decided can't be written down: {why}", why=failure.getErrorMessage())


def _raise_file_limit() -> None:
    """As many open files as the host lets this user have: each exchange takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            _log.warn("at most {soft} files may be open; raise LimitNOFILE for more connections", soft=soft)
