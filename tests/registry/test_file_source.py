"""A file, looked at once a second."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.file_source import FileSource, look
from hmsgw.registry.source import Answer, BadAnswer

A, B = Endpoint("http", "10.0.0.1", 80), Endpoint("http", "10.0.0.2", 80)


class FileTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = os.path.abspath(self.mktemp())
        self.looks = 0
        self.source = FileSource(self.path, self.clock, self.in_thread)
        self.written = 0

    def in_thread(self, call: Any) -> Deferred[Any]:
        self.looks += 1
        return execute(call)

    def write(self, content: str) -> None:
        """As careful writers do it: another file is moved there, with a time of its own."""
        with open(self.path + ".new", "w") as file:
            file.write(content)
        self.written += 1
        os.utime(self.path + ".new", (self.written, self.written))
        os.replace(self.path + ".new", self.path)


class SourceTests(FileTestCase):
    def test_first_and_next(self) -> None:
        """The first question is answered at once, the next a second later, with what the file says then."""
        self.write("a: [http://10.0.0.1]")
        first = self.successResultOf(self.source.ask("a", 0))
        self.assertEqual(first.endpoints, (A,))
        following = self.source.ask("a", first.cursor)
        self.write("a: [http://10.0.0.2]")
        self.assertNoResult(following)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(following).endpoints, (B,))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_look_for_all(self) -> None:
        """However many services are asked for, the file is looked at once a second."""
        self.write("a: [http://10.0.0.1]")
        self.successResultOf(self.source.ask("a", 0))
        asked = [self.source.ask(name, 1) for name in ("a", "b", "c")]
        self.clock.advance(1)
        answers = [self.successResultOf(one).endpoints for one in asked]
        self.assertEqual((answers, self.looks), ([(A,), (), ()], 2))

    def test_faulty(self) -> None:
        """A faulty file fails every question with its line; when it is mended they are answered again."""
        self.write("a: [http://10.0.0.1]")
        self.successResultOf(self.source.ask("a", 0))
        self.write("a: [http://10.0.0.1]\nb: [nonsense]\n")
        asked = self.source.ask("a", 1)
        self.clock.advance(1)
        failure = self.failureResultOf(asked, BadAnswer)
        self.assertIn(f"{self.path}:2:5: ", failure.getErrorMessage())
        self.write("a: [http://10.0.0.2]")
        asked = self.source.ask("a", 1)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(asked).endpoints, (B,))

    def test_missing(self) -> None:
        """No file: a failure in words, also later, when it was there once."""
        failure = self.failureResultOf(self.source.ask("a", 0), BadAnswer)
        self.assertIn("No such file", failure.getErrorMessage())
        self.write("a: [http://10.0.0.1]")
        asked = self.source.ask("a", 0)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(asked).endpoints, (A,))
        os.remove(self.path)
        asked = self.source.ask("a", 1)
        self.clock.advance(1)
        self.failureResultOf(asked, BadAnswer)

    def test_slow_thread(self) -> None:
        """Questions that come while a look is under way wait for the next one; there is one look at a time."""
        jobs: list[tuple[Any, Deferred[Any]]] = []

        def in_thread(call: Any) -> Deferred[Any]:
            jobs.append((call, Deferred()))
            return jobs[-1][1]

        self.write("a: [http://10.0.0.1]")
        source = FileSource(self.path, self.clock, in_thread)
        asked = [source.ask("a", 0), source.ask("b", 0)]
        self.clock.advance(10)
        self.assertEqual(len(jobs), 1)
        jobs[0][1].callback(jobs[0][0]())
        self.assertEqual(self.successResultOf(asked[0]).endpoints, (A,))
        self.assertNoResult(asked[1])
        self.clock.advance(1)
        jobs[1][1].callback(jobs[1][0]())
        self.assertEqual(self.successResultOf(asked[1]).endpoints, ())

    def test_given_up(self) -> None:
        """A question that nobody waits for any more is forgotten; stopping leaves no timer."""
        self.write("a: []")
        self.successResultOf(self.source.ask("a", 0))
        asked: Deferred[Answer] = self.source.ask("a", 1)
        asked.addErrback(lambda _: None)
        asked.cancel()
        self.assertEqual(self.source._waiting, {})
        self.source.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LookTests(FileTestCase):
    def test_unchanged(self) -> None:
        """A file that has not changed is not read again, whether it was good or faulty."""
        for content in ("a: [http://10.0.0.1]", "a: 1"):
            self.write(content)
            seen = look(self.path, None)
            self.assertIs(look(self.path, seen), seen)

    def test_changed(self) -> None:
        """Another time, another size or another file is a change."""
        self.write("a: [http://10.0.0.1]")
        seen = look(self.path, None)
        self.write("a: [http://10.0.0.1]")
        self.assertIsNot(look(self.path, seen), seen)

    def test_no_regular_file(self) -> None:
        """A folder, a pipe or a device is a fault, and nothing hangs."""
        os.mkdir(self.path)
        os.mkfifo(self.path + ".pipe")
        for path in (self.path, self.path + ".pipe", "/dev/zero"):
            self.assertIn("not a regular file", look(path, None).fault or "")

    def test_too_large(self) -> None:
        """A file beyond 8 MiB is a fault; no more of it is read."""
        with open(self.path, "wb") as file:
            file.truncate(1 << 40)
        self.assertIn("8 MiB", look(self.path, None).fault or "")
