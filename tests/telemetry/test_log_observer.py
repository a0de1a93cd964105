"""Twisted's log, as lines."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.log_observer import LogLines
from hmsgw.telemetry.request_line import MAX_LINE_BYTES


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class LogLinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lines: list[bytes] = []
        self.log = Logger(namespace="hmsgw.test", observer=LogLines(self.lines.append))

    def only(self) -> dict[str, Any]:
        (line,) = self.lines
        self.assertEqual(line.count(b"\n"), 1)
        self.assertLessEqual(len(line), MAX_LINE_BYTES)
        read: dict[str, Any] = orjson.loads(line)
        return read

    def test_event(self) -> None:
        """Time, level, namespace and message, marked as a log line."""
        self.log.warn("service {service} is gone", service="clinics")
        read = self.only()
        self.assertEqual(list(read), ["ts", "event", "level", "namespace", "message"])
        self.assertEqual(
            (read["event"], read["level"], read["namespace"], read["message"]),
            ("log", "warn", "hmsgw.test", "service clinics is gone"),
        )
        self.assertRegex(read["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_failure(self) -> None:
        """The traceback goes with it, in the same line."""
        try:
            raise KeyError("the cause")
        except KeyError:
            self.log.failure("plugin {plugin} failed", plugin="jwt")
        read = self.only()
        self.assertEqual((read["level"], read["message"]), ("critical", "plugin jwt failed"))
        self.assertIn("KeyError", read["traceback"])
        self.assertIn("test_log_observer.py", read["traceback"])

    def test_secrets(self) -> None:
        """Neither message nor traceback lets a token out."""
        try:
            raise ValueError("Authorization: Bearer s3cr3t-s3cr3t")
        except ValueError:
            self.log.failure("could not send Cookie: session=s3cr3t-s3cr3t")
        self.assertNotIn(b"s3cr3t", self.lines[0])

    def test_long(self) -> None:
        """A message of any length makes a bounded line; of a traceback the end is kept."""
        try:
            raise ValueError("y" * 10_000 + " the end")
        except ValueError:
            self.log.failure("x" * 1_000_000)
        self.assertIn("the end", self.only()["traceback"])

    def test_cut_within_a_secret(self) -> None:
        """Where a long traceback is cut, no half of a secret is left without the name that gives it away."""
        for filler in (0, 4000, 4050, 65_400, 65_450, 65_500):
            try:
                raise ValueError("Authorization: Bearer " + "s3cr3t-" * 20 + "\n" + "z" * filler)
            except ValueError:
                self.log.failure("odd")
        self.assertNotIn(b"s3cr3t", b"".join(self.lines))

    def test_broken_events(self) -> None:
        """An event that can't be formatted, and an error that can't be printed, are lines all the same."""
        self.log.info("{missing}")
        self.log.info("{x.y", x=1)
        self.log.failure("odd", Failure(Unspeakable()))
        self.log.info("{x}", x="\udc80")
        self.assertEqual(len(self.lines), 4)
        for line in self.lines:
            self.assertEqual(orjson.loads(line)["event"], "log")

    def test_levels(self) -> None:
        """Debug is left out unless it is asked for."""
        self.log.debug("quiet")
        self.assertEqual(self.lines, [])
        Logger(observer=LogLines(self.lines.append, LogLevel.debug)).debug("loud")
        self.assertEqual(self.only()["message"], "loud")

    def test_old_log(self) -> None:
        """An event of twisted.python.log, which has another form."""
        LogLines(self.lines.append)(
            {"log_format": "{log_text}", "log_text": "old", "log_namespace": None, "log_time": 1.0}
        )
        read = self.only()
        self.assertEqual((read["message"], read["namespace"], read["level"]), ("old", "-", "info"))
