"""What one configuration has that the one before had not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.differences import differences
from tests.config.arrange import good

BEFORE = """
services: {web: {endpoints: ['http://a']}, old: {endpoints: ['http://a']}}
plugins: {slow: {plugin: rate, limit: 5, by: ip}}
routes:
  - {path: /a, service: web}
  - {path: /b, service: old}
"""


class DifferencesTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """A comment, another order of keys, or the same in other lines is no difference."""
        again = "# a comment\n\n" + BEFORE.replace("{path: /a, service: web}", "{service: web,\n     path: /a}")
        self.assertEqual([], differences(good(BEFORE), {"a.pem": b"1"}, good(again), {"a.pem": b"1"}))

    def test_named(self) -> None:
        """What has names is told by them; of other sections only that they differ."""
        after = good(
            BEFORE.replace("old: {endpoints: ['http://a']}", "new: {endpoints: ['http://a']}")
            .replace("['http://a']", "['http://b']", 1)
            .replace("  - {path: /b, service: old}", "  - {path: /c, service: new}")
            .replace("limit: 5", "limit: 6")
            + "limits: {body: 1KiB}\n"
        )
        before_files, after_files = {"gw.pem": b"1", "p/x.py": b""}, {"gw.pem": b"2", "p/y.py": b""}
        self.assertEqual(
            [
                "routes: 1 new (/c), 1 gone (/b)",
                "services: 1 new (new), 1 changed (web), 1 gone (old)",
                "limits changed",
                "plugins changed",
                "files: 1 new (p/y.py), 1 changed (gw.pem), 1 gone (p/x.py)",
            ],
            differences(good(BEFORE), before_files, after, after_files),
        )

    def test_many(self) -> None:
        """A few names stand for many."""
        after = "routes:\n" + "".join(f"  - {{path: /r{n}, service: web}}\n" for n in range(20))
        (line,) = differences(good("routes: []"), {}, good(after), {})
        self.assertEqual("routes: 20 new (/r0, /r1, /r2, /r3, /r4 and 15 more)", line)
