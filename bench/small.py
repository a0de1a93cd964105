"""Scenario `small`: what a request costs when its answer is small and its caller is known.

Knows: who takes part, and in which order. Refuses to know: how a window is measured. Strategy: everybody is started and
checked first, then rounds are interleaved (A B C, A B C), so that a disturbance of the machine meets everybody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from bench import checks, load, load_h2
from bench.load import Counted, LoadFailed
from bench.processes import StartFailed
from bench.results import Row
from bench.subject import Ground, Subject, started
from bench.window import TRANSPORTS, WARM_S, latest, measure

#: Words of a table -> (TLS, HTTP/2).
_WAYS = {words: (tls, False) for tls, words in TRANSPORTS} | {"HTTP/2 over TLS": (True, True)}


def small(ground: Ground, rows: list[Row]) -> None:
    """The same token always: verified once, remembered by those who remember."""
    token = ground.material.token("caller")
    script = load.same_script(ground.folder / "same.lua", token)

    def loading(subject: Subject, tls: bool, h2: bool, seconds: float) -> Callable[[], Counted]:
        url = subject.url(tls)
        if h2:
            connections = max(1, ground.connections // load_h2.STREAMS)
            return partial(load_h2.run, url, token, connections=connections, seconds=seconds)
        return partial(load.run, url, script, connections=ground.connections, seconds=seconds)

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
                rows += [Row(_table(words), peer.word, peer.title, job, {}, fault) for words in _WAYS]
                ground.say(f"{peer.title} ({job}): {fault}")
            else:
                subjects.append(subject)
        for words, (tls, h2) in _WAYS.items():
            table = _table(words)
            pairs = [(one, Row(table, one.peer.word, one.peer.title, one.job)) for one in subjects]
            rows += [row for _, row in pairs]
            for subject, _ in pairs:
                with contextlib.suppress(LoadFailed):  # the measured run will say it again, in the table
                    loading(subject, tls, h2, WARM_S)()
            for n in range(ground.rounds):
                for subject, row in pairs:
                    measure(ground, subject, row, loading(subject, tls, h2, ground.seconds))
                    ground.say(f"{table}, round {n + 1}/{ground.rounds}, {subject.name}: {latest(row)}")


def _table(words: str) -> str:
    return f"small answers, {words}"
