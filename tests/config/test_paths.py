"""Paths of routes: the spelling that requests have, placeholders, prefixes, rewrites."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.paths import parameters, rewritten, route_path, shape, stripped_prefix
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.target import checked_path

_LITERAL = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="/{}*?#"), max_size=8)


class RoutePathTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """Exact, with a slash at the end, with parameters, with a rest."""
        for path in ("/", "/login", "/login/", "/a/{id}/b", "/{a}/{b_2}", "/clinics/*", "/*", "/a/{id}/*"):
            self.assertEqual(route_path(path), path)

    def test_spelling(self) -> None:
        """Escapes are those of requests: needless ones are decoded, others upper-case, what is not ASCII is escaped."""
        for written, spelled in {"/%61b": "/ab", "/%7e": "/~", "/a%2c": "/a%2C", "/é": "/%C3%A9", "/a b": "/a%20b",
                                 "/{id}/%41": "/{id}/A", "/%7Bx%7d": "/%7Bx%7D", "/%2A": "/%2A"}.items():  # fmt: skip
            self.assertEqual(route_path(written), spelled)

    def test_refused(self) -> None:
        """Each slip, in words."""
        for path, words in {
            "": "begin with", "login": "begin with", "*": "begin with", "/a//b": "empty segment", "//a": "empty",
            "/a/./b": "dot segment", "/a/..": "dot segment", "/.": "dot segment", "/%2e%2E/a": "dot segment",
            "/a/*/b": "in the middle", "/a*": "inside a segment", "/a{id}": "brace", "/{id": "brace", "/{}": "brace",
            "/{1a}": "brace", "/{a}/{a}": "two segments", "/{rest}/*": "`{rest}`", "/a?b": "query", "/a#b": "query",
            "/a%2fb": "encoded slash", "/%zz": "hexadecimal", "/%4": "hexadecimal", "/a\\b": "backslash",
            "/%00": "control", "/a\x00b": "control", "/a\tb": "control", "/\ud800": "surrogate",
            "/" + "a" * 5000: "longer",
        }.items():  # fmt: skip
            with self.assertRaises(ValueError, msg=path) as caught:
                route_path(path)
            self.assertIn(words, str(caught.exception), path)

    @given(st.lists(_LITERAL, min_size=1, max_size=4))
    def test_what_a_request_can_be(self, segments: list[str]) -> None:
        """A literal path is spelled as a request for it is, so the two can meet; spelling it again changes nothing."""
        written = "/" + "/".join(segments)
        try:
            path = route_path(written)
        except ValueError:
            return
        self.assertEqual(checked_path(path.encode()), path.encode())
        self.assertEqual(route_path(path), path)

    @given(st.text(max_size=20))
    def test_any_text(self, text: str) -> None:
        """A text is a path or it is told why not."""
        try:
            path = route_path("/" + text)
        except ValueError as error:
            self.assertNotIsInstance(error, (UnicodeError, EdgeFault))
        else:
            self.assertTrue(path.isascii())


class ShapeTests(SynchronousTestCase):
    def test_names_do_not_matter(self) -> None:
        """Paths that differ in the names of parameters have one shape."""
        self.assertEqual(shape("/a/{id}/*"), shape("/a/{name}/*"))
        self.assertNotEqual(shape("/a/{id}"), shape("/a/id"))
        self.assertEqual(parameters("/{a}/{b}/*"), {"a", "b", "rest"})


class StripTests(SynchronousTestCase):
    def test_prefix(self) -> None:
        """Whole segments from the front; a slash at its end makes no difference."""
        for prefix in ("/clinics", "/clinics/"):
            self.assertEqual(stripped_prefix(prefix, "/clinics/*"), "/clinics")
        self.assertEqual(stripped_prefix("/a/%62", "/a/b/{id}"), "/a/b")
        self.assertEqual(stripped_prefix("/a", "/a"), "/a")

    def test_refused(self) -> None:
        """What the path does not begin with, half a segment, nothing, a placeholder."""
        for prefix, words in {
            "/clin": "begins",
            "/other": "begins",
            "/": "nothing",
            "clinics": "begin with",
            "//": "nothing",
            "/clinics/{id}": "placeholder",
            "/clinics/*": "placeholder",
            "": "nothing",
        }.items():
            with self.assertRaises(ValueError, msg=prefix) as caught:
                stripped_prefix(prefix, "/clinics/*")
            self.assertIn(words, str(caught.exception))


class RewriteTests(SynchronousTestCase):
    def test_placeholders(self) -> None:
        """Parameters of the path, anywhere in a segment, and the rest."""
        for rewrite in ("/v2/{rest}", "/v2/x-{id}", "/", "/{id}/{id}"):
            self.assertEqual(rewritten(rewrite, "/a/{id}/*"), rewrite)
        self.assertEqual(rewritten("/é/{id}", "/{id}"), "/%C3%A9/{id}")

    def test_refused(self) -> None:
        """A placeholder that the path does not have, a brace, a dot segment, a query."""
        for rewrite, words in {"/{rest}": "it has `{id}`", "/{other}": "`{other}`", "/{": "brace", "/a}": "brace",
                               "/../x": "dot", "/a?b={id}": "`?`", "v2": "begin with"}.items():  # fmt: skip
            with self.assertRaises(ValueError, msg=rewrite) as caught:
                rewritten(rewrite, "/a/{id}")
            self.assertIn(words, str(caught.exception))
