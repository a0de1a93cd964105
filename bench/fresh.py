"""Scenario `fresh`: what a token costs that nobody has seen before.

Knows: the tokens, and that nobody may have met them. Refuses to know: how a window is measured. Strategy: each subject
is started anew for each round, so that the same tokens are new to it again.
"""

from __future__ import annotations

from bench import checks, load, material
from bench.load import LoadFailed
from bench.processes import StartFailed
from bench.results import Row
from bench.subject import Ground, started
from bench.window import TRANSPORTS, WARM_S, latest, loading, measure


def fresh(ground: Ground, rows: list[Row]) -> None:
    """Each token is used once by each process: nothing to remember, every signature is checked."""
    tokens = ground.folder / "tokens"
    ground.say(f"signing {ground.fresh_tokens} tokens")
    material.write_tokens(ground.material, tokens, ground.fresh_tokens)
    same = load.same_script(ground.folder / "same.lua", ground.material.token("caller"))
    script = load.fresh_script(ground.folder / "fresh.lua", tokens)
    for tls, words in TRANSPORTS:
        table = f"fresh tokens, {words}"
        taking_part = ground.of_job("whole")
        pairs = [(peer, program, Row(table, peer.word, peer.title, job)) for peer, program, job in taking_part]
        rows += [row for _, _, row in pairs]
        for n in range(ground.rounds):
            for peer, program, row in pairs:
                try:
                    with started(ground, peer, program, "whole") as subject:
                        row.fault = row.fault or checks.fault(subject)
                        if row.fault is None:
                            load.run(subject.url(tls), same, connections=ground.connections, seconds=WARM_S)
                            measure(ground, subject, row, loading(ground, subject, tls, script), ends_early=True)
                except (StartFailed, LoadFailed) as error:
                    row.fault = str(error)
                ground.say(f"{table}, round {n + 1}/{ground.rounds}, {peer.title}: {latest(row)}")
