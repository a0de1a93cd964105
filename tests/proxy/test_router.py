"""Which route a request takes, held against a slow reader of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.proxy.router import NotMatched, Router
from hmsgw.wire.headers import Field


@dataclass(frozen=True, slots=True)
class One:
    """A route's conditions."""

    path: str
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    name: str = ""


def _fields(**values: str) -> list[Field]:
    return [(name.lower().encode(), name.encode(), value.encode()) for name, value in values.items()]


# --- the slow reference: every route is looked at, then the best is chosen by a key


def _path_key(path: str, asked: str) -> tuple[int, ...] | None:
    """How specific a route's path is, segment by segment; None when it does not match."""
    pattern, segments = path[1:].split("/"), asked[1:].split("/")
    key = []
    for index, wanted in enumerate(pattern):
        if index >= len(segments):
            return None
        if wanted == "*" and index == len(pattern) - 1:
            return (*key, 0)
        if wanted.startswith("{"):
            if not segments[index]:
                return None
            key.append(1)
        elif wanted == segments[index]:
            key.append(2)
        else:
            return None
    return (*key, 3) if len(pattern) == len(segments) else None


def _host_key(hosts: tuple[str, ...], asked: str) -> tuple[int, int] | None:
    if not hosts:
        return (0, 0)
    keys = [
        (2, 0) if host == asked else (1, len(host))
        for host in hosts
        if host == asked or (host.startswith("*.") and asked.endswith(host[1:]))
    ]
    return max(keys, default=None)


def _slow(routes: list[One], host: str, path: str, method: str, fields: list[Field]) -> One | frozenset[str]:
    best: tuple[object, One] | None = None
    allowed: set[str] = set()
    for index, route in enumerate(routes):
        host_key, path_key = _host_key(route.hosts, host), _path_key(route.path, path)
        there = {low.decode(): value.decode() for low, _, value in fields}
        if host_key is None or path_key is None or any(there.get(n) != v for n, v in route.headers.items()):
            continue
        if route.methods and method not in route.methods:
            allowed.update(route.methods)
            continue
        key = (host_key, path_key, len(route.headers), -index)
        if best is None or key > best[0]:  # type: ignore[operator]
            best = (key, route)
    return best[1] if best is not None else frozenset(allowed)


_SEGMENT = st.sampled_from(["a", "b", "c", "{x}", "{y}"])
_PATH = st.builds(
    lambda segments, end: "/" + "/".join([*segments, *end]),
    st.lists(_SEGMENT, max_size=3), st.sampled_from([[], ["*"], [""]]),
)  # fmt: skip
_ROUTE = st.builds(
    One,
    path=_PATH,
    hosts=st.lists(st.sampled_from(["a.test", "b.a.test", "*.test", "*.a.test"]), max_size=2, unique=True).map(tuple),
    methods=st.sampled_from([(), ("GET",), ("POST", "PUT")]),
    headers=st.sampled_from([{}, {"x-one": "1"}, {"x-one": "1", "x-two": "2"}]),
    name=st.uuids().map(str),
)
_ASKED = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=5).map(lambda s: "/" + "/".join(s))


class RouterTests(SynchronousTestCase):
    """`Router.match`."""

    @settings(max_examples=500, deadline=None)
    @given(
        st.lists(_ROUTE, max_size=8),
        st.sampled_from(["a.test", "b.a.test", "c.b.a.test", "test", "other.test", ""]),
        _ASKED,
        st.sampled_from(["GET", "POST", "DELETE"]),
        st.sampled_from([{}, {"X-One": "1"}, {"X-One": "1", "X-Two": "2"}, {"X-One": "2"}]),
    )
    def test_against_the_slow_one(
        self, routes: list[One], host: str, path: str, method: str, headers: dict[str, str]
    ) -> None:
        """The tree finds the route that a look at every one of them finds, or the same methods for a 405."""
        fields = _fields(**headers)
        found = Router(routes).match(host, path, method, fields)
        expected = _slow(routes, host, path, method, fields)
        if isinstance(found, NotMatched):
            self.assertEqual(expected, found.allowed)
        else:
            self.assertIs(expected, found)

    def test_literal_first(self) -> None:
        """Segment by segment: literal over `{name}` over `*`, whatever the order in the file."""
        routes = [One("/*"), One("/{x}/b"), One("/a/*"), One("/a/{x}"), One("/a/b")]
        for path, expected in (("/a/b", 4), ("/a/c", 3), ("/a/c/d", 2), ("/z/b", 1), ("/z", 0), ("/", 0)):
            self.assertIs(routes[expected], Router(routes).match("h", path, "GET", []), path)

    def test_under_the_slash(self) -> None:
        """`/a/*` takes what is under its slash, not `/a` itself."""
        router = Router([One("/a/*")])
        for path in ("/a/", "/a/1/2"):
            self.assertIsInstance(router.match("h", path, "GET", []), One, path)
        for path in ("/a", "/ab", "/"):
            self.assertIsInstance(router.match("h", path, "GET", []), NotMatched, path)

    def test_goes_back(self) -> None:
        """A more specific branch that leads nowhere does not hide a less specific one that matches."""
        routes = [One("/a/b/c"), One("/{x}/b/d"), One("/*")]
        self.assertIs(routes[1], Router(routes).match("h", "/a/b/d", "GET", []))
        self.assertIs(routes[2], Router(routes).match("h", "/a/b/e", "GET", []))

    def test_empty_segment(self) -> None:
        """`{name}` stands for something: an empty segment is none."""
        self.assertIsInstance(Router([One("/a/{x}")]).match("h", "/a/", "GET", []), NotMatched)

    def test_hosts(self) -> None:
        """Exact over wildcard over none; the longer wildcard first; a wildcard is not the bare name."""
        exact, long, short, none = (
            One("/*", ("x.a.test",)), One("/*", ("*.a.test",)), One("/*", ("*.test",)), One("/*")
        )  # fmt: skip
        router = Router([none, short, long, exact])
        for host, expected in (
            ("x.a.test", exact), ("y.a.test", long), ("z.y.a.test", long), ("a.test", short), ("test", none), ("", none)
        ):  # fmt: skip
            self.assertIs(expected, router.match(host, "/", "GET", []), host)

    def test_host_without_the_path(self) -> None:
        """A host that has no route for the path leaves it to the less specific hosts."""
        exact, none = One("/only", ("a.test",)), One("/*")
        self.assertIs(none, Router([exact, none]).match("a.test", "/other", "GET", []))

    def test_method(self) -> None:
        """405 names every method that the path would take; another route that takes the method is found first."""
        get, post, any_ = One("/a", methods=("GET",)), One("/a", methods=("POST",), name="2"), One("/*")
        missed = Router([get, post]).match("h", "/a", "DELETE", [])
        self.assertIsInstance(missed, NotMatched)
        self.assertEqual({"GET", "POST"}, missed.allowed)  # type: ignore[union-attr]
        self.assertIs(any_, Router([get, any_]).match("h", "/a", "DELETE", []))

    def test_no_route_at_all(self) -> None:
        """Without a path that matches there is nothing to allow: 404."""
        missed = Router([One("/a", methods=("GET",))]).match("h", "/b", "DELETE", [])
        self.assertEqual(frozenset(), missed.allowed)  # type: ignore[union-attr]

    def test_headers(self) -> None:
        """More conditions over fewer; values are exact; one of several fields of a name is enough."""
        none, one, two = One("/"), One("/", headers={"a": "1"}), One("/", headers={"a": "1", "b": "2"})
        router = Router([none, one, two])
        self.assertIs(two, router.match("h", "/", "GET", _fields(A="1", B="2")))
        self.assertIs(one, router.match("h", "/", "GET", _fields(A="1", B="3")))
        self.assertIs(none, router.match("h", "/", "GET", _fields(A="1 ", B="2")))
        self.assertIs(one, router.match("h", "/", "GET", [*_fields(A="0"), *_fields(a="1")]))

    def test_first_in_the_file(self) -> None:
        """Of two that are equal the first in the file is taken."""
        routes = [One("/{x}", name="1"), One("/{y}", name="2")]
        self.assertIs(routes[0], Router(routes).match("h", "/a", "GET", []))
