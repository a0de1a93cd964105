"""Routes: their own rules, and which pairs can't be told apart."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Route
from hmsgw.config.places import Where
from hmsgw.config.reading import At, Reading
from hmsgw.config.routes import tell_twins
from hmsgw.proxy.router import NotMatched, Router
from tests.config.arrange import faults_of, good

_ROUTES = st.builds(
    dict,
    path=st.sampled_from(["/a", "/{x}", "/{y}", "/a/*", "/{x}/b", "/*"]),
    methods=st.sampled_from([(), ("GET",), ("POST",), ("GET", "PUT")]),
    hosts=st.sampled_from([(), ("a.gov",), ("*.gov",), ("a.gov", "b.gov")]),
    headers=st.sampled_from([{}, {"x": "1"}, {"x": "2"}]),
)


class RouteTests(SynchronousTestCase):
    def test_filled_in(self) -> None:
        """The name is the path unless given; hosts, methods and header names have one spelling and stand once."""
        (route,) = good(
            "routes: [{path: /A%2d, hosts: [A.gov, a.gov.], methods: [get, GET], headers: {X-V: 2}}]"
        ).routes
        self.assertEqual((route.path, route.name, route.hosts, route.methods, route.headers),
                         ("/A-", "/A-", ("a.gov",), ("GET",), {"x-v": "2"}))  # fmt: skip
        self.assertEqual(good("routes: [{path: /, name: home}]").routes[0].name, "home")

    def test_changed_paths(self) -> None:
        """strip_prefix or rewrite, each checked against the path, not both."""
        (route,) = good("routes: [{path: '/a/*', strip_prefix: /a/}]").routes
        self.assertEqual(route.strip_prefix, "/a")
        (route,) = good("routes: [{path: '/a/{id}/*', rewrite: '/v2/{id}/{rest}'}]").routes
        self.assertEqual(route.rewrite, "/v2/{id}/{rest}")
        for keys, start in {
            "strip_prefix: /b": "1:39: routes[0].strip_prefix: `/b` is not how",
            "rewrite: '/{no}'": "1:34: routes[0].rewrite: ",
            "strip_prefix: /a, rewrite: /b": "1:52: routes[0].rewrite: a route has",
        }.items():  # fmt: skip
            (fault,) = faults_of(f"routes: [{{path: '/a/*', {keys}}}]")
            self.assertTrue(fault.startswith(start), fault)


class TwinTests(SynchronousTestCase):
    def twins(self, *routes: str) -> list[str]:
        return faults_of("routes:\n" + "\n".join(f"- {{{route}}}" for route in routes))

    def test_told_with_both_lines(self) -> None:
        """The second one is at fault, and the first one is named."""
        (fault,) = self.twins("path: /a", "path: /b", "path: /a")
        self.assertTrue(fault.startswith("4:3: routes: `/a` can't be told apart from the route in line 2:"), fault)

    def test_alike(self) -> None:
        """Names of parameters, the order of headers and one host or method in common make no difference."""
        for one, other in (
            ("path: '/{a}'", "path: '/{b}'"), ("path: /a%41", "path: /aA"),
            ("path: /, hosts: [a, b]", "path: /, hosts: [b, c]"), ("path: /, methods: [GET]", "path: /"),
            ("path: /, methods: [GET, PUT]", "path: /, methods: [put, POST]"),
            ("path: /, headers: {a: 1, b: 2}", "path: /, headers: {B: '2', A: 1}"),
        ):  # fmt: skip
            self.assertEqual(len(self.twins(one, other)), 1, (one, other))
            self.assertEqual(len(self.twins(other, one)), 1, (other, one))

    def test_apart(self) -> None:
        """Another path, host, method or header condition tells two routes apart."""
        for one, other in (
            ("path: /a", "path: /a/"), ("path: '/{a}'", "path: /a"), ("path: /*", "path: '/{a}'"),
            ("path: /, hosts: a", "path: /"), ("path: /, hosts: a.b", "path: /, hosts: '*.b'"),
            ("path: /, methods: GET", "path: /, methods: PUT"),
            ("path: /, headers: {a: 1}", "path: /, headers: {a: 2}"),
            ("path: /, headers: {a: 1}", "path: /"),
        ):  # fmt: skip
            self.assertEqual(self.twins(one, other), [], (one, other))

    def test_each_pair_once(self) -> None:
        """Two routes alike on three hosts are one fault; three alike are two."""
        self.assertEqual(len(self.twins("path: /, hosts: [a, b, c]", "path: /, hosts: [a, b, c]")), 1)
        self.assertEqual(len(self.twins("path: /", "path: /", "path: /")), 2)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(_ROUTES, min_size=2, max_size=4), st.sampled_from(["a.gov", "b.gov", "c.gov", "other"]),
           st.sampled_from(["/a", "/z", "/a/b", "/z/b", "/"]), st.sampled_from(["GET", "POST", "PUT"]),
           st.sampled_from([b"1", b"2", b"3"]))  # fmt: skip
    def test_order_never_matters(
        self, given_routes: list[dict[str, object]], host: str, path: str, method: str, header: bytes
    ) -> None:
        """Where no twins are told, a request takes the same route in whatever order the routes stand."""
        routes = tuple(
            Route(**keys, name=str(n), where=Where("f", n, 1))  # type: ignore[arg-type]
            for n, keys in enumerate(given_routes)
        )
        reading = Reading([])
        tell_twins(routes, At(reading, "", Where("f", 1, 1), {}))
        if reading.is_clean:
            found = [
                Router(some).match(host, path, method, [(b"x", b"x", header)])
                for some in (routes, tuple(reversed(routes)))
            ]
            names = [None if isinstance(item, NotMatched) else item.name for item in found]
            self.assertEqual(names[0], names[1])

    def test_namesakes(self) -> None:
        """A name belongs to one route, whether it was given or is a path; routes of one path share that as theirs."""
        for one, other in (
            ("{path: /a, name: z}", "{path: /b, name: z}"), ("{path: /a}", "{path: /b, name: /a}"),
            ("{path: /a, methods: GET, name: z}", "{path: /a, methods: PUT, name: z}"),
        ):  # fmt: skip
            (fault,) = faults_of(f"routes:\n- {one}\n- {other}")
            self.assertRegex(fault, r"^3:3: routes: the name `.*` is that of the route in line 2 already")
        good("routes:\n- {path: /a, methods: GET}\n- {path: /a, methods: PUT}\n- {path: /a, methods: HEAD, name: z}")

    def test_empty_lists(self) -> None:
        """No method, no host, no endpoint: a list that says nothing is a slip, not `any`."""
        for source in ("routes: [{path: /, methods: []}]", "routes: [{path: /, hosts: []}]",
                       "services: {a: {endpoints: []}}"):  # fmt: skip
            (fault,) = faults_of(source)
            self.assertIn("this list is empty; name an item, or leave the key out", fault)

    def test_many(self) -> None:
        """Routes are compared by look-ups: this test would take minutes if each were compared with each."""
        routes = tuple(
            Route(path=f"/{n}/{{x}}/*", name=str(n), hosts=("a.gov",), where=Where("f", n, 1)) for n in range(30_000)
        )
        reading = Reading([])
        tell_twins((*routes, routes[0]), At(reading, "", Where("f", 1, 1), {}))
        self.assertEqual(len(reading.faults), 1)
