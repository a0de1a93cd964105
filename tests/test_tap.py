"""The two doors, up to the reactor. The doors with a process behind them are in tests/integration."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted.application.service import Application, IServiceMaker, Service
from twisted.logger import ILogObserver, LogLevel
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from hmsgw import tap
from hmsgw.cli.start import add_arguments
from hmsgw.control.options import START_OPTIONS, StartOptions, UsageFault
from hmsgw.control.output import Output


class OptionsTests(SynchronousTestCase):
    """`twistd hmsgw ...`."""

    def test_same_as_start(self) -> None:
        """Both doors take the same names."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        start = {word for action in parser._actions for word in action.option_strings} - {"-h", "--help"}
        options = tap.Options()
        twistd = {"--" + word.rstrip("=") for word in options.longOpt} - {"--help", "--version"}
        self.assertEqual(start, twistd)
        self.assertEqual(start, {f"--{option.name}" for option in START_OPTIONS})

    def test_paths_are_absolute(self) -> None:
        """twistd changes its folder after the options were read."""
        options = tap.Options()
        options.parseOptions(["--config", "r.yaml", "--state-dir", "s", "--dev"])
        here = os.getcwd()
        self.assertEqual(options.start, StartOptions(config=f"{here}/r.yaml", state_dir=f"{here}/s", dev=True))

    def test_usage(self) -> None:
        """What can't be ends with a sentence and exit code 2."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            ended = self.assertRaises(SystemExit, tap.Options().parseOptions, ["--workers", "9"])
        self.assertEqual(ended.code, 2)
        self.assertIn("--workers 9 is not in this version", said.getvalue())

    def test_unknown_option(self) -> None:
        """So does a word that nobody knows: one sentence on stderr, nothing on stdout."""
        for words in (["--bogus"], ["stray"], ["--port"]):
            said, out = io.StringIO(), io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
                ended = self.assertRaises(SystemExit, tap.Options().parseOptions, words)
            self.assertEqual((ended.code, said.getvalue().count("\n"), out.getvalue()), (2, 1, ""))

    def test_plugin(self) -> None:
        """twistd finds the gateway by its name, and knows where to look for it."""
        (found,) = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "hmsgw"]
        self.assertEqual(found.module, "hmsgw.tap")


class ReactorTests(SynchronousTestCase):
    """`choose_reactor`."""

    def test_installed_already(self) -> None:
        """A reactor that is there is the one."""
        from twisted.internet import reactor

        self.assertIs(tap.choose_reactor({}), reactor)
        self.assertIs(tap.choose_reactor({"HMSGW_REACTOR": "stock"}), reactor)

    def test_unknown(self) -> None:
        """A slip in the variable is not taken for the default."""
        self.assertRaises(UsageFault, tap.choose_reactor, {"HMSGW_REACTOR": "uvlop"})

    def test_without_uvloop(self) -> None:
        """Where uvloop can't be had, nothing is installed: Twisted's default it is."""
        installed: list[Any] = []
        from twisted.internet import asyncioreactor

        self.patch(asyncioreactor, "install", installed.append)
        there = mock.patch.dict(sys.modules, {"uvloop": None})
        there.start()
        self.addCleanup(there.stop)
        tap._install_on_uvloop()
        self.assertEqual(installed, [])


class TwistdServiceTests(SynchronousTestCase):
    """`TwistdService`."""

    def setUp(self) -> None:
        self.done: list[Any] = []
        state: Any = SimpleNamespace(hand_over=lambda uid, gid: self.done.append((uid, gid)))
        self.gateway: Any = Service()
        self.output = Output(self.mktemp(), lambda opened, to: self.done.append(to))
        self.output.open()
        self.made = lambda owner, own_log: tap.TwistdService(self.gateway, self.output, state, owner, own_log)

    def test_privileged(self) -> None:
        """While there are privileges the output is taken, then the state directory given away."""
        self.made((7, 8), True).privilegedStartService()
        self.assertEqual(self.done, [1, 2, (7, 8)])

    def test_same_user(self) -> None:
        """Without --uid nothing is given away."""
        self.made(None, True).privilegedStartService()
        self.assertEqual(self.done, [1, 2])

    def test_log(self) -> None:
        """twistd's log is left to the gateway, but not with --syslog."""
        for own_log in (True, False):
            application: Any = Application("hmsgw")
            self.made(None, own_log).setServiceParent(application)
            self.assertEqual(application.getComponent(ILogObserver) is not None, own_log)

    def test_owner(self) -> None:
        """As twistd decides it: the user's own group unless one is said."""
        self.assertIsNone(tap._owner(None, None))
        self.assertEqual(tap._owner(0, None), (0, 0))
        self.assertEqual(tap._owner(12345, 6), (12345, 6))
        self.assertEqual(tap._owner(None, 6), (os.geteuid(), 6))
        self.assertRaises(UsageFault, tap._owner, 4_000_000, None)


class EarlyLogTests(SynchronousTestCase):
    """`EarlyLog`."""

    def test_until_it_runs(self) -> None:
        """What is grave enough is said until the gateway's own log has begun, and never again."""
        written: list[bytes] = []
        self.patch(os, "write", lambda _, line: written.append(line))
        service = SimpleNamespace(running=0)
        log = tap.EarlyLog(service, LogLevel.warn)
        event = {"log_format": "no uid", "log_level": LogLevel.warn, "log_time": 0.0, "log_system": "-"}
        log({**event, "log_level": LogLevel.info})
        log(event)
        self.assertEqual(len(written), 1)
        self.assertIn(b"no uid", written[0])
        service.running = 1
        log(event)
        service.running = 0
        log(event)
        self.assertEqual(len(written), 1)


class StartTests(SynchronousTestCase):
    """A gateway that can't start."""

    def end(self, options: StartOptions) -> tuple[Any, str]:
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            ended = self.assertRaises(SystemExit, tap.run, options)
        return ended.code, said.getvalue()

    def test_unsigned(self) -> None:
        """An unsigned file is refused before it is read, with the exact next command; 78."""
        state_dir = os.path.abspath(self.mktemp())
        code, said = self.end(StartOptions(config="/nonexistent/r.yaml", state_dir=state_dir))
        self.assertEqual(code, 78)
        command = f"hms-gateway start --dev --config /nonexistent/r.yaml --state-dir {state_dir}"
        self.assertEqual(
            said,
            "r.yaml is not signed, and this gateway runs only signed configurations. To try it on this machine: "
            f"{command}\n",
        )
        self.assertFalse(os.path.exists(state_dir))
