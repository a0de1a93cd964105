"""What is counted, and that nobody can make it grow."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.metrics import MAX_SERIES, Metrics


class RouteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.metrics = Metrics()

    def counted(self, route: str = "/login", service: str = "identity") -> dict[tuple[str, str, str], int]:
        return self.metrics.copy().routes[route, service].requests

    def test_finished(self) -> None:
        """A request counts once: in its series, in the durations, in the bytes."""
        stats = self.metrics.route("/login", "identity")
        stats.finished("GET", 200, "", 0.02, 10, 51)
        stats.finished("GET", 200, "", 0.03, 0, 51)
        stats.finished("GET", 429, "rate-limited", 0.001, 0, 100)
        route = self.metrics.copy().routes["/login", "identity"]
        self.assertEqual(route.requests, {("GET", "200", ""): 2, ("GET", "429", "rate-limited"): 1})
        self.assertEqual((route.bytes_in, route.bytes_out), (10, 202))
        self.assertEqual(sum(route.duration.counts), 3)
        self.assertAlmostEqual(route.duration.sum_s, 0.051)

    def test_same_labels_same_counters(self) -> None:
        """A reload that keeps a route goes on counting where it was."""
        self.metrics.route("/login", "identity").finished("GET", 200, "", 0, 0, 0)
        self.metrics.route("/login", "identity").finished("GET", 200, "", 0, 0, 0)
        self.assertEqual(self.counted(), {("GET", "200", ""): 2})

    def test_methods_are_a_closed_set(self) -> None:
        """However many methods clients invent, they are one series."""
        stats = self.metrics.route("/login", "identity")
        for number in range(1000):
            stats.finished(f"BREW{number}", 405, "method", 0, 0, 0)
        self.assertEqual(self.counted(), {("_OTHER", "405", "method"): 1000})
        self.assertEqual(len(stats.cells), 1)

    def test_statuses_are_bounded(self) -> None:
        """An upstream that answers every status under every method makes no more series than the bound, and no request
        goes uncounted."""
        stats = self.metrics.route("/login", "identity")
        total = 0
        for status in range(100, 600):
            for method in ("GET", "POST", "PUT"):
                stats.finished(method, status, "", 0, 0, 0)
                total += 1
        counted = self.counted()
        self.assertLess(len(counted), MAX_SERIES + 10)
        self.assertEqual(sum(counted.values()), total)
        self.assertIn(("_OTHER", "5xx", ""), counted)

    def test_quiet_routes_are_left_out(self) -> None:
        """10,000 routes that nobody asks for do not make a scrape long."""
        self.metrics.route("/quiet", "identity")
        self.assertEqual(self.metrics.copy().routes, {})


class KeepTests(SynchronousTestCase):
    def test_routes_and_services(self) -> None:
        """What a reload removed is forgotten; unrouted requests never are."""
        metrics = Metrics()
        for route, service in (("/a", "one"), ("/b", "two"), ("", "")):
            metrics.route(route, service).finished("GET", 200, "", 0, 0, 0)
            metrics.service(service).upstream_s(0.1)
        metrics.keep_routes([("/a", "one")])
        counted = metrics.copy()
        self.assertEqual(set(counted.routes), {("/a", "one"), ("", "")})
        self.assertEqual(set(counted.services), {"one", ""})

    def test_calls(self) -> None:
        """How gRPC calls ended, by route; what gRPC does not know is one, however many numbers a service makes up."""
        metrics = Metrics()
        stats = metrics.route("/a", "one")
        stats.finished("POST", 200, "", 0, 0, 0)
        for status in (0, 9, 9, 16, 17, 9999):
            stats.call_ended(status)
        counted = metrics.copy()
        stats.call_ended(0)
        self.assertEqual(counted.routes["/a", "one"].calls, {"0": 1, "9": 2, "16": 1, "_OTHER": 2})

    def test_late_requests_of_gone_routes(self) -> None:
        """A request that ends after its route is gone does no harm, and does not bring the route back."""
        metrics = Metrics()
        stats = metrics.route("/a", "one")
        metrics.keep_routes([])
        stats.finished("GET", 200, "", 0, 0, 0)
        self.assertEqual(metrics.copy().routes, {})

    def test_plugins(self) -> None:
        """Decisions and errors of plugins that no route names any more are forgotten."""
        metrics = Metrics()
        for plugin in ("rate-60ip", "gone"):
            metrics.count_decision(plugin, "refused")
            metrics.count_decision(plugin, "error")
        metrics.keep_plugins(["rate-60ip"])
        counted = metrics.copy()
        self.assertEqual(counted.limit_decisions, {("rate-60ip", "refused"): 1})
        self.assertEqual(counted.plugin_errors, {"rate-60ip": 1})

    def test_cells(self) -> None:
        """A limit that keeps its cell counts in it, before and after a reload that keeps the plugin."""
        metrics = Metrics()
        cell = metrics.decision_cell("rate-60ip", "allowed")
        cell[0] += 1
        metrics.keep_plugins(["rate-60ip"])
        cell[0] += 1
        metrics.count_decision("rate-60ip", "allowed")
        metrics.decision_cell("rate-60ip", "refused")
        self.assertEqual(metrics.copy().limit_decisions, {("rate-60ip", "allowed"): 3})

    def test_listeners(self) -> None:
        """A listener that is gone is counted as long as one of its connections is open."""
        metrics = Metrics()
        metrics.connections("busy", "http/1.1").n = 1
        metrics.connections("idle", "http/1.1").n = 0
        metrics.keep_listeners([])
        self.assertEqual(metrics.copy().connections, {("busy", "http/1.1"): 1})


class OtherTests(SynchronousTestCase):
    def test_at_first(self) -> None:
        """Before anything happened: every outcome is there with 0, the worker is up, nothing is signed."""
        counted = Metrics().copy()
        self.assertEqual(counted.reloads, {"accepted": 0, "refused": 0, "rolled-back": 0})
        self.assertEqual((counted.workers, counted.signed, counted.config), ({"0": 1}, False, ("", "")))

    def test_events(self) -> None:
        """Reloads, retries, limits and the configuration in force."""
        metrics = Metrics()
        metrics.reloaded("refused")
        metrics.count_retry("clinics")
        metrics.count_decision("rate-60ip", "allowed")
        metrics.count_decision("rate-60ip", "allowed")
        metrics.count_decision("header-gpo", "error")
        metrics.config_serves(42, "sha256:ab", signed=True)
        counted = metrics.copy()
        self.assertEqual(counted.reloads["refused"], 1)
        self.assertEqual(counted.services["clinics"].retries, 1)
        self.assertEqual(counted.limit_decisions, {("rate-60ip", "allowed"): 2})
        self.assertEqual(counted.plugin_errors, {"header-gpo": 1})
        self.assertEqual((counted.config, counted.signed), (("42", "sha256:ab"), True))

    def test_outcomes_are_a_closed_set(self) -> None:
        """A misspelt outcome is an error, not a new series."""
        self.assertRaises(KeyError, Metrics().reloaded, "fine")

    def test_asked_at_each_scrape(self) -> None:
        """Endpoints, ages, lag and lost lines are read when they are wanted; an age that is not known is left out."""
        metrics = Metrics(
            read_endpoints=lambda: {("clinics", "up"): 2},
            read_ages=lambda: {"clinics": 1.5, "new": None},
            read_lag=lambda: 0.25,
            read_lines_dropped=lambda: 7,
        )
        counted = metrics.copy()
        self.assertEqual(counted.endpoints, {("clinics", "up"): 2})
        self.assertEqual(counted.registry_ages_s, {"clinics": 1.5})
        self.assertEqual((counted.lag_s, counted.lines_dropped), (0.25, 7))

    def test_before_copy(self) -> None:
        """What was put off is counted before a copy is made."""
        metrics = Metrics(before_copy=lambda: stats.finished("GET", 200, "", 0, 0, 0))
        stats = metrics.route("/a", "one")
        self.assertEqual(metrics.copy().routes["/a", "one"].requests, {("GET", "200", ""): 1})

    def test_copies_stand_still(self) -> None:
        """A copy that another thread reads does not change any more."""
        metrics = Metrics()
        stats = metrics.route("/a", "one")
        level = metrics.connections("public", "http/1.1")
        stats.finished("GET", 200, "", 0.1, 1, 1)
        counted = metrics.copy()
        stats.finished("GET", 200, "", 0.1, 1, 1)
        stats.finished("GET", 404, "", 0.1, 1, 1)
        level.n += 1
        metrics.service("one").upstream_s(1.0)
        self.assertEqual(counted.routes["/a", "one"].requests, {("GET", "200", ""): 1})
        self.assertEqual(sum(counted.routes["/a", "one"].duration.counts), 1)
        self.assertEqual((counted.connections, counted.services), ({("public", "http/1.1"): 0}, {}))
