"""The two doors: `twistd hmsgw` and `hms-gateway start`.

Knows: which reactor the gateway runs on (a uvloop loop where uvloop can be had; HMSGW_REACTOR=stock asks for Twisted's
default), and how a gateway that can't start ends: 78 configuration refused, 2 usage, 1 anything else, a sentence on
stderr. Refuses to know: what a gateway is (`control_plane`). Strategy: this is the one file that imports the reactor,
and only when a gateway is made, so that `twistd --help` installs none.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from twisted.internet.error import CannotListenError
from twisted.logger import globalLogBeginner
from twisted.python import usage

from hmsgw.control.options import START_OPTIONS, StartOptions, UsageFault, start_options

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 78


class Options(usage.Options):
    """`twistd hmsgw` takes what `hms-gateway start` takes."""

    synopsis = "[options]"
    optParameters = [[one.name, None, None, one.text] for one in START_OPTIONS if one.metavar is not None]
    optFlags = [[one.name, None, one.text] for one in START_OPTIONS if one.metavar is None]

    start: StartOptions

    def postOptions(self) -> None:
        """Turn the words into values while relative paths still mean what was meant: twistd changes its folder."""
        try:
            self.start = start_options(self, os.environ)
        except UsageFault as fault:
            raise usage.UsageError(str(fault)) from None


def choose_reactor(environ: Mapping[str, str]) -> Any:
    """The reactor of this process; the first call decides, unless one is installed already (`twistd --reactor`)."""
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


def makeService(options: Options) -> Any:
    """For twistd. Ends the process with a sentence and the right code when the gateway can't start."""
    twistd: Any = options.parent
    service = _built(options.start, twistd)
    if twistd is not None:
        service.owner = _owner(twistd.get("uid"), twistd.get("gid"))
        service.logs_by_itself = not twistd.get("syslog")
    return service


def run(options: StartOptions) -> int:
    """For `hms-gateway start`: run in the foreground until it is stopped. Returns the exit code."""
    service = _built(options, None)
    globalLogBeginner.beginLoggingTo([service.log_observer], redirectStandardIO=False)
    reactor = choose_reactor(os.environ)
    try:
        service.privilegedStartService()
        service.startService()
    except CannotListenError as error:
        _end(EXIT_FAILED, f"{service.folder.control_socket} can't be opened: {error.socketError}")
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    return 0


def _built(options: StartOptions, twistd: Mapping[str, Any] | None) -> Any:
    from hmsgw.control.output import Output, output_file
    from hmsgw.control.state import StateFault

    try:
        output = Output(output_file(twistd))
        reactor = choose_reactor(os.environ)
        # The rooms are imported after the reactor is chosen: nothing in them may choose another.
        from hmsgw.control.reload import NotTaken
        from hmsgw.control_plane import CantBind, build

        try:
            output.open()
            _raise_file_limit()
            service = build(reactor, options, os.environ, output)
        except NotTaken as refusal:
            _end(
                EXIT_FAILED if isinstance(refusal, CantBind) else EXIT_REFUSED,
                *refusal.faults,
                *([f"next: {refusal.advice}"] if refusal.advice else []),
            )
        service.signals.hold()
        return service
    except UsageFault as fault:
        _end(EXIT_USAGE, str(fault))
    except StateFault as fault:
        _end(EXIT_FAILED, str(fault))
    except OSError as error:
        _end(EXIT_FAILED, f"{error.filename or 'the gateway'} can't be opened: {error.strerror or error}")


def _end(code: int, *lines: str) -> NoReturn:
    for line in lines:
        print(f"hms-gateway: {line}" if code != EXIT_REFUSED else line, file=sys.stderr)
    raise SystemExit(code)


def _owner(uid: int | None, gid: int | None) -> tuple[int, int] | None:
    """Whom the state directory has to belong to once privileges are dropped; None: they are not."""
    if uid is None and gid is None:
        return None
    import pwd

    user = os.geteuid() if uid is None else uid
    return user, pwd.getpwuid(user).pw_gid if gid is None else gid


def _raise_file_limit() -> None:
    """As many open files as this process may have: the default of 1024 is for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return
