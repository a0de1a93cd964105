"""A route as a request meets it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Route, Service, Timeouts
from hmsgw.proxy.entry import Entry
from tests.walks.walk import Stats


class Settled:
    """A cluster, as far as an entry looks at it."""

    settings = Service(retries=Retries(attempts=3), timeouts=Timeouts(total=7.0))


def _entry(path: str, cluster: Any = None, **how: Any) -> Entry:
    return Entry(Route(path=path, service="users", name="here", **how), None, cluster, Stats(), None)


class EntryTests(SynchronousTestCase):
    """`Entry`."""

    def test_params(self) -> None:
        """`{name}` is the segment, `rest` what `/*` took, without its first slash."""
        self.assertEqual({}, _entry("/a/b").params("/a/b"))
        self.assertEqual({"x": "1", "y": "2"}, _entry("/{x}/b/{y}").params("/1/b/2"))
        self.assertEqual({"x": "1", "rest": "b/c/"}, _entry("/{x}/*").params("/1/b/c/"))
        self.assertEqual({"rest": ""}, _entry("/a/*").params("/a/"))

    def test_strip_prefix(self) -> None:
        """The prefix goes, the rest always begins with a slash; a path without it stays."""
        entry = _entry("/api/*", strip_prefix="/api")
        for path, expected in (("/api/users", "/users"), ("/api", "/"), ("/api/", "/"), ("/other", "/other")):
            self.assertEqual(expected, entry.upstream_path(path, {}))
        self.assertTrue(entry.changes_path)
        self.assertFalse(_entry("/api/*").changes_path)

    def test_rewrite(self) -> None:
        """Placeholders are filled in once: what a client sends in a segment is never read as a placeholder."""
        entry = _entry("/{x}/*", rewrite="/v2/{x}/{rest}")
        params = entry.params("/{rest}/a")
        self.assertEqual("/v2/{rest}/a", entry.upstream_path("/{rest}/a", params))
        self.assertTrue(entry.needs_params)

    @given(st.lists(st.text("abc%.", min_size=1, max_size=4), min_size=1, max_size=5))
    def test_rest_is_whole(self, segments: list[str]) -> None:
        """Rewriting to `/{rest}` gives the path back."""
        path = "/" + "/".join(segments)
        entry = _entry("/*", rewrite="/{rest}")
        self.assertEqual(path, entry.upstream_path(path, entry.params(path)))

    def test_service(self) -> None:
        """What the service allows is at hand; an answering plugin has neither retries nor a deadline."""
        entry = _entry("/", Settled())
        self.assertEqual((3, 7.0, "users"), (entry.attempts, entry.total_s, entry.service))
        alone = Entry(Route(path="/", name="n"), None, None, Stats(), None)
        self.assertEqual((0, None, ""), (alone.attempts, alone.total_s, alone.service))
