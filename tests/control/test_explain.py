"""Why a request would be answered as it would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Route
from hmsgw.config.places import Where
from hmsgw.control.explain import MAX_CONSIDERED, explain
from hmsgw.control.socket import Refusal
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.router import Router


class Chain:
    """Says what it was told to."""

    def __init__(self, *said: tuple[str, str, str]) -> None:
        self.said = list(said)
        self.asked: list[Any] = []

    def explain(self, req: Any) -> list[tuple[str, str, str]]:
        self.asked.append(req)
        return self.said


def entry(path: str, chain: Chain | None = None, *, service: str | None = "s", **of: Any) -> Entry:
    """A route that leads to one endpoint."""
    route = Route(path=path, name=of.pop("name", path), service=service, where=Where("r.yaml", 3, 5), **of)
    members = [SimpleNamespace(endpoint=Endpoint.parse("http://10.0.0.1:81"))]
    settings = SimpleNamespace(retries=SimpleNamespace(attempts=1), timeouts=SimpleNamespace(total=None))
    stats: Any = None
    whole: Any = chain
    return Entry(route, whole, SimpleNamespace(members=members, settings=settings), stats, None)


def plane(*entries: Entry) -> Any:
    """What runs."""
    return SimpleNamespace(router=Router(entries), entries=entries)


class ExplainTests(SynchronousTestCase):
    """`explain`."""

    def test_taken(self) -> None:
        """The route, what each plugin says, and where the request would go."""
        chain = Chain(("jwt", "r.yaml:4:9", "would pass as user jo"), ("rate", "(built in):0:0", "would pass"))
        served = plane(entry("/clinics/*", chain, rewrite="/v2/{rest}"))
        found = explain(served, "GET", "https://h/clinics/1?x=2", [], "")
        self.assertEqual(found["answer"], "it would go to s")
        self.assertEqual(found["route"], {"name": "/clinics/*", "path": "/clinics/*", "where": "r.yaml:3:5"})
        self.assertEqual([one["where"] for one in found["plugins"]], ["r.yaml:4:9", "(built in)"])
        self.assertEqual(found["upstream"], {"service": "s", "path": "/v2/1", "endpoints": ["http://10.0.0.1:81"]})
        (asked,) = chain.asked
        self.assertEqual((asked.method, asked.path, asked.query, asked.host), ("GET", "/clinics/1", "x=2", "h"))
        self.assertEqual(dict(asked.params), {"rest": "1"})

    def test_refusing_plugin(self) -> None:
        """The first plugin that would refuse is the answer."""
        no = "would be refused: 401"
        chain = Chain(("a", "x", "would pass"), ("b", "x", no), ("c", "x", no))
        self.assertEqual(explain(plane(entry("/", chain)), "GET", "/", [], "")["answer"], "b would refuse it")

    def test_considered(self) -> None:
        """Every route whose path fits says what kept it from being taken."""
        entries = (
            entry("/a/{x}", name="host", hosts=("*.gov",)),
            entry("/a/{x}", name="header", headers={"x-v": "2"}),
            entry("/a/{x}", name="method", methods=("POST",)),
            entry("/a/*", name="broad"),
            entry("/a/1", name="exact"),
            entry("/b", name="other"),
        )
        found = explain(plane(*entries), "GET", "/a/1", [("X-V", "1")], "")
        self.assertEqual(
            {one["route"]: one["says"] for one in found["considered"]},
            {
                "host": "not for the host (none)",
                "header": "wants the header x-v: 2",
                "method": "not for the method GET",
                "broad": "matches too, but another is more specific",
                "exact": "taken",
            },
        )

    def test_no_route(self) -> None:
        """404 and 405 say so."""
        self.assertIn("404 no-route", explain(plane(entry("/a")), "GET", "/b", [], "")["answer"])
        found = explain(plane(entry("/a", methods=("PUT", "POST"))), "GET", "/a", [], "")
        self.assertEqual(found["answer"], "405 method: allowed are POST, PUT")

    def test_plugin_answers(self) -> None:
        """A route without a service, and one without an endpoint."""
        self.assertEqual(explain(plane(entry("/", service=None)), "GET", "/", [], "")["answer"], "a plugin answers it")
        empty = entry("/")
        empty.cluster.members.clear()
        self.assertIn("503 no-endpoint", explain(plane(empty), "GET", "/", [], "")["answer"])

    def test_method_as_it_is(self) -> None:
        """A method is what it is: `get` is another one than GET (RFC 9110 section 9.1)."""
        served = plane(entry("/", methods=("GET",)))
        self.assertEqual(explain(served, "get", "/", [], "")["answer"], "405 method: allowed are GET")
        self.assertIn("it would go to", explain(served, "GET", "/", [], "")["answer"])

    def test_bad_path(self) -> None:
        """A path that no request may have is what the gateway would say."""
        for url in ("/a%2Fb", "/..", "nonsense", "/a%zz"):
            with self.subTest(url=url):
                self.assertTrue(explain(plane(), "GET", url, [], "")["answer"].startswith("400 bad-path: "))

    def test_spellings_of_a_host(self) -> None:
        """A host is read as it is when a request comes: brackets, port, user and final dot go."""
        served = plane(entry("/", hosts=("2001:db8::5", "api.gov")))
        for url, headers in (
            ("https://[2001:DB8::5]/", []), ("https://[2001:db8::5]:443/", []), ("https://jo@API.gov.:80/", []),
            ("/", [("Host", "[2001:db8::5]:443")]), ("/", [("Host", "api.gov.:80")]),
        ):  # fmt: skip
            self.assertEqual(explain(served, "GET", url, headers, "")["route"]["name"], "/", (url, headers))
        self.assertRaises(Refusal, explain, served, "GET", "/", [("Host", "a b")], "")

    def test_hosts(self) -> None:
        """The Host field counts before the URL, without its port."""
        served = plane(entry("/", hosts=("api.gov",)))
        self.assertEqual(explain(served, "GET", "https://x/", [("Host", "API.gov:8443")], "")["route"]["name"], "/")
        self.assertEqual(explain(served, "GET", "https://api.gov:1/", [], "")["route"]["name"], "/")

    def test_bad_question(self) -> None:
        """A header that can't be, and a URL that can't be, are refused with an example."""
        self.assertRaises(Refusal, explain, plane(), "GET", "/", [("bad name", "x")], "")
        self.assertRaises(Refusal, explain, plane(), "GET", "http://[::1", [], "")

    def test_bounded(self) -> None:
        """However many routes fit, the answer stays readable."""
        many = plane(*(entry("/*", name=str(n), headers={"h": str(n)}) for n in range(100)))
        self.assertEqual(len(explain(many, "GET", "/x", [], "")["considered"]), MAX_CONSIDERED)

    @given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=5))
    def test_any_question(self, method: str, url: str, value: str) -> None:
        """Whatever is asked is explained or refused."""
        try:
            self.assertIn("answer", explain(plane(entry("/*")), method, url, [("x", value)], ""))
        except Refusal as refusal:
            self.assertTrue(str(refusal))
