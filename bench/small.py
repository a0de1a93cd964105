"""Small answers from kept-alive connections, plain and over TLS: what a request costs, and what a fresh token adds.

Knows: the two scenarios `small` and `fresh`. Refuses to know: any peer's insides. Strategy: rounds are interleaved
(A B C, A B C), so that a disturbance of the machine meets everybody, and each window's CPU time is that of one process
tree over exactly the load's run.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from bench import checks, load, material
from bench.load import LoadFailed
from bench.processes import StartFailed
from bench.results import CPU, P99, RATE, Row
from bench.subject import Ground, Subject, started

TRANSPORTS = ((False, "HTTP/1.1"), (True, "HTTP/1.1 over TLS"))
_WARM_S = 1.0


def small(ground: Ground) -> list[Row]:
    """The same token always: verified once, remembered by those who remember."""
    script = load.same_script(ground.folder / "same.lua", ground.material.token("caller"))
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        subjects: list[Subject] = []
        for peer, program, job in ground.of_job("whole", "bare"):
            subject, fault = None, None
            try:
                subject = stack.enter_context(started(ground, peer, program, job))
                fault = checks.fault(subject)
            except StartFailed as error:
                fault = str(error)
            if subject is None or fault is not None:
                rows += [Row(_table(words), peer.word, peer.title, job, {}, fault) for _, words in TRANSPORTS]
                ground.say(f"{peer.title} ({job}): {fault}")
            else:
                subjects.append(subject)
        for tls, words in TRANSPORTS:
            table = _table(words)
            pairs = [(one, Row(table, one.peer.word, one.peer.title, one.job)) for one in subjects]
            for subject, _ in pairs:
                with contextlib.suppress(LoadFailed):  # the measured run will say it again, in the table
                    load.run(subject.url(tls), script, connections=ground.connections, seconds=_WARM_S)
            for n in range(ground.rounds):
                for subject, row in pairs:
                    measure(ground, subject, row, script, tls)
                    ground.say(f"{table}, round {n + 1}/{ground.rounds}, {subject.name}: {latest(row)}")
            rows += [row for _, row in pairs]
    return rows


def fresh(ground: Ground) -> list[Row]:
    """Each token is used once by each process: nothing to remember, every signature is checked."""
    tokens = ground.folder / "tokens"
    ground.say(f"signing {ground.fresh_tokens} tokens")
    material.write_tokens(ground.material, tokens, ground.fresh_tokens)
    same = load.same_script(ground.folder / "same.lua", ground.material.token("caller"))
    script = load.fresh_script(ground.folder / "fresh.lua", tokens)
    rows: list[Row] = []
    for tls, words in TRANSPORTS:
        table = f"fresh tokens, {words}"
        taking_part = ground.of_job("whole")
        pairs = [(peer, program, Row(table, peer.word, peer.title, job)) for peer, program, job in taking_part]
        for n in range(ground.rounds):
            for peer, program, row in pairs:
                try:
                    with started(ground, peer, program, "whole") as subject:
                        row.fault = row.fault or checks.fault(subject)
                        if row.fault is None:
                            load.run(subject.url(tls), same, connections=ground.connections, seconds=_WARM_S)
                            measure(ground, subject, row, script, tls, ends_early=True)
                except (StartFailed, LoadFailed) as error:
                    row.fault = str(error)
                ground.say(f"{table}, round {n + 1}/{ground.rounds}, {peer.title}: {latest(row)}")
        rows += [row for _, _, row in pairs]
    return rows


def measure(ground: Ground, subject: Subject, row: Row, script: Path, tls: bool, *, ends_early: bool = False) -> None:
    """One window. A load that failed, or any answer but a good one, is the row's fault.

    ends_early: the load may run out of requests before its time, so that requests a second would mean nothing.
    """
    before = subject.spent_us()
    try:
        ran = load.run(subject.url(tls), script, connections=ground.connections, seconds=ground.seconds)
    except LoadFailed as error:
        row.fault = str(error)
        return
    spent = subject.spent_us() - before
    if ran.failed or not ran.requests:
        row.fault = f"{ran.refused} refused and {ran.socket_errors} broken of {ran.requests} requests"
    if ran.requests:
        figures = {CPU: spent / ran.requests, RATE: ran.per_s, P99: ran.p99_us / 1000}
        row.add({name: value for name, value in figures.items() if name != RATE or not ends_early})


def _table(words: str) -> str:
    return f"small answers, {words}"


def latest(row: Row) -> str:
    """The last round in words, for the progress line."""
    figures = ", ".join(f"{series[-1]:,.1f} {measure}" for measure, series in row.series.items())
    return row.fault or figures or "no figures"
