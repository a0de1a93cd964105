"""The two doors: `twistd hmsgw` and `hms-gateway start`.

Knows: which reactor the gateway runs on (a uvloop loop where uvloop can be had; HMSGW_REACTOR=stock asks for Twisted's
default), and how a gateway that can't start ends: 78 configuration refused, 2 usage, 1 anything else, with a sentence
on stderr. Refuses to know: what a gateway is (`service`). Strategy: this is the one file that imports the reactor, and
only when a gateway is made, so that `twistd --help` installs none.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import MultiService
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEventAsClassicLogText, globalLogBeginner
from twisted.python import usage
from zope.interface import implementer

from hmsgw.config.faults import Refused
from hmsgw.control.options import START_OPTIONS, StartOptions, UsageFault, start_options
from hmsgw.control.output import Output, output_file
from hmsgw.control.state import StateFault, StateFolder
from hmsgw.governance.policy import next_command, refusal_of_unsigned

if TYPE_CHECKING:
    from hmsgw.service import GatewayService
    from hmsgw.startup import Prepared

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 78


class Options(usage.Options):
    """`twistd hmsgw` takes what `hms-gateway start` takes."""

    synopsis = "[options]"
    optParameters = [[one.name, None, None, one.text] for one in START_OPTIONS if one.metavar is not None]
    optFlags = [[one.name, None, one.text] for one in START_OPTIONS if one.metavar is None]

    start: StartOptions

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """twistd would print the whole usage to stdout and end with 1."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            _end(EXIT_USAGE, f"twistd hmsgw: {error}; `twistd hmsgw --help` shows what there is")

    def postOptions(self) -> None:
        """Turn the words into values while relative paths still mean what was meant: twistd changes its folder."""
        try:
            self.start = start_options(self, os.environ)
        except UsageFault as fault:
            _end(EXIT_USAGE, str(fault))


class TwistdService(MultiService):
    """The gateway as twistd starts it: output and ownership are settled while there are privileges.

    owner: (uid, gid) that the process will have; None: the same as now. own_log: twistd's log is left to the gateway.
    """

    def __init__(
        self, gateway: GatewayService, output: Output, state: StateFolder, owner: tuple[int, int] | None, own_log: bool
    ) -> None:
        super().__init__()
        gateway.setServiceParent(self)
        self._output = output
        self._state = state
        self._owner = owner
        self._own_log = own_log

    def setServiceParent(self, parent: Any) -> None:
        """twistd asks the application where to log; the gateway logs by itself once it runs."""
        if self._own_log:
            parent.setComponent(ILogObserver, EarlyLog(self, LogLevel.info))
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Still with every privilege, and a daemon already if it is to be one."""
        super().privilegedStartService()
        self._output.take()
        if self._owner is not None:
            self._state.hand_over(*self._owner)


@implementer(ILogObserver)
class EarlyLog:
    """What is logged before the gateway's own log runs, for whoever watches the start. least: level to begin with."""

    def __init__(self, service: Any, least: Any) -> None:
        self._service = service
        self._least = least
        self._over = False

    def __call__(self, event: LogEvent) -> None:
        self._over = self._over or bool(self._service.running)
        if self._over or event.get("log_level", LogLevel.info) < self._least:
            return
        text = formatEventAsClassicLogText(event)
        if text is not None:
            os.write(2, text.encode("utf-8", "backslashreplace"))


def choose_reactor(environ: Mapping[str, str]) -> Any:
    """The reactor of this process; the first call decides, unless one is installed already (`twistd --reactor`).

    Raises UsageFault.
    """
    wanted = environ.get("HMSGW_REACTOR", "uvloop")
    if wanted not in ("uvloop", "stock"):
        raise UsageFault(f"HMSGW_REACTOR is {wanted}; it can be uvloop or stock, or be left out")
    if "twisted.internet.reactor" not in sys.modules and wanted == "uvloop":
        _install_on_uvloop()
    from twisted.internet import reactor

    return reactor


def _install_on_uvloop() -> None:
    try:
        import uvloop
    except ImportError:
        return  # not on this platform: Twisted's own default
    from twisted.internet import asyncioreactor

    asyncioreactor.install(uvloop.new_event_loop())


def makeService(options: Options) -> TwistdService:
    """For twistd. Ends the process, with a sentence and the right code, when the gateway can't start."""
    twistd: Mapping[str, Any] = options.parent or {}
    try:
        output = Output(output_file(options.parent))
        output.open()
        owner = _owner(twistd.get("uid"), twistd.get("gid"))
    except UsageFault as fault:
        _end(EXIT_USAGE, str(fault))
    except OSError as error:
        _end(EXIT_FAILED, f"the log file {error.filename} can't be opened: {error.strerror}; name another by --logfile")
    gateway, prepared = _made(options.start, output.reopen)
    return TwistdService(gateway, output, prepared.state, owner, own_log=not twistd.get("syslog"))


def run(options: StartOptions, announce: Callable[[list[tuple[str, int]]], None] | None = None) -> int:
    """For `hms-gateway start`: run in the foreground until it is stopped. Returns the exit code.

    announce: called with the addresses of the listeners when the gateway serves.
    """
    gateway, prepared = _made(options, lambda: None)
    reactor = choose_reactor(os.environ)
    globalLogBeginner.beginLoggingTo([EarlyLog(gateway, LogLevel.warn)], redirectStandardIO=False)
    gateway.privilegedStartService()
    gateway.startService()
    if announce is not None:
        announce([one.address for one in prepared.gateway.listeners.open])
    reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)
    reactor.run()
    return 0


def _made(options: StartOptions, reopen_output: Callable[[], None]) -> tuple[GatewayService, Prepared]:
    """A gateway that has its configuration and its sockets and does not run yet, or the end of the process."""
    try:
        # Before anything is read: an unsigned file is neither parsed nor are its plugins compiled.
        if options.config is not None and (why := refusal_of_unsigned(options.config, dev=options.dev)):
            _end(EXIT_REFUSED, f"{why}. To try it on this machine: {next_command(options.config, **options.said)}")
        reactor = choose_reactor(os.environ)
        # The rooms are imported when the reactor is there: none of them may choose another.
        from hmsgw.service import GatewayService
        from hmsgw.startup import prepare
        from hmsgw.transport.listen import BindError

        try:
            prepared = prepare(options, reactor, os.environ)
        except BindError as error:
            _end(EXIT_FAILED, str(error))
        return GatewayService(prepared, reactor, reactor.stop, reopen_output), prepared
    except Refused as refused:
        _end(EXIT_REFUSED, *(str(fault) for fault in refused.faults))
    except UsageFault as fault:
        _end(EXIT_USAGE, str(fault))
    except StateFault as fault:
        _end(EXIT_FAILED, str(fault))


def _end(code: int, *lines: str) -> NoReturn:
    print("\n".join(lines), file=sys.stderr)
    raise SystemExit(code)


def _owner(uid: int | None, gid: int | None) -> tuple[int, int] | None:
    """Whom the state directory has to belong to when privileges are dropped. As twistd decides it."""
    if uid is None and gid is None:
        return None
    user = os.geteuid() if uid is None else uid
    if gid is not None:
        return user, gid
    try:
        return user, pwd.getpwuid(user).pw_gid
    except KeyError:
        raise UsageFault(f"there is no user {user} on this host; give --gid too") from None
