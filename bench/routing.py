"""Does a request cost more among 10,000 routes than among 10?

Knows: the gateway with many literal routes, and load that walks over all of them. Refuses to know: how it matches.
Strategy: the two run side by side without plugins, in interleaved rounds; the difference is routing and the memory that
many routes touch.
"""

from __future__ import annotations

import contextlib

from bench import load
from bench.load import LoadFailed
from bench.processes import StartFailed
from bench.results import CPU, Row
from bench.subject import Ground, started
from bench.window import latest, loading, measure

FEW = 10
MANY = 10_000
EXTRA = f"µs more than among {FEW} routes"
_PATTERN = "/route-%d/item"


def routing(ground: Ground, rows: list[Row]) -> None:
    """Two rows; the second also says how much more each of its rounds cost than the first's."""
    asked: list[Row] = []
    with contextlib.ExitStack() as stack:
        running = []
        for peer, program, job in ground.of_job("bare"):
            if peer.word != "hmsgw":
                continue
            for routes in (FEW, MANY):
                row = Row("routing, HTTP/1.1", peer.word, peer.title, f"{routes:,} routes")
                asked.append(row)
                rows.append(row)
                script = load.paths_script(ground.folder / f"paths-{routes}.lua", _PATTERN, routes)
                try:
                    subject = stack.enter_context(started(ground, peer, program, job, routes=routes))
                    warm = load.run(subject.url(False), script, connections=ground.connections, seconds=1)
                except (StartFailed, LoadFailed) as error:
                    row.fault = str(error)
                    continue
                if warm.failed:
                    row.fault = f"{warm.failed} of {warm.requests} requests failed"
                running.append((subject, row, script))
        for n in range(ground.rounds):
            for subject, row, script in running:
                measure(ground, subject, row, loading(ground, subject, False, script))
                ground.say(f"{row.table}, round {n + 1}/{ground.rounds}, {row.job}: {latest(row)}")
    for few, many in zip(asked[::2], asked[1::2], strict=True):
        costs = zip(few.series.get(CPU, ()), many.series.get(CPU, ()), strict=False)
        for one, other in costs:
            many.add({EXTRA: other - one})
