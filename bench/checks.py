"""Is a subject doing its job? Asked before it is measured: a fast wrong answer is not a figure.

Knows: what has to come back for a good token, for none, for a broken one, and what the log and the metrics must show.
Refuses to know: who is asked. Strategy: everything through the subject's own ports and files.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path

from bench.origin import SMALL
from bench.subject import Subject

_PATIENCE_S = 10.0


def fault(subject: Subject) -> str | None:
    """What is wrong with the subject's answers, None when nothing is."""
    good = subject.stage.material.token("checker")
    head, _, signature = good.rpartition(".")
    broken = f"{head}.{signature[:40]}{'A' if signature[40] != 'A' else 'B'}{signature[41:]}"
    whole = subject.job == "whole"
    expected: list[tuple[str, str | None, int]] = [("with a good token", good, 200)]
    if whole:
        expected += [("without a token", None, 401), ("with a broken token", broken, 401)]
    try:
        for tls in (False, True):
            _await_routes(subject, tls, good)
            for words, token, status in expected:
                got, body = _get(subject, tls, token)
                if got != status:
                    return f"answers {got} {words} (TLS {tls}), expected {status}"
                if status == 200 and body != SMALL:
                    return f"answers {body[:80]!r} instead of the origin's answer"
        if whole:
            return _unseen(subject)
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error!r}"
    return None


def _await_routes(subject: Subject, tls: bool, token: str) -> None:
    """Some listen before they have read their routes."""
    give_up = time.monotonic() + _PATIENCE_S
    while _get(subject, tls, token)[0] != 200 and time.monotonic() < give_up:
        time.sleep(0.1)


def _get(subject: Subject, tls: bool, token: str | None) -> tuple[int, bytes]:
    port = subject.port(tls)
    if tls:
        context = ssl.create_default_context(cafile=str(subject.stage.material.certificate))
        edge: http.client.HTTPConnection = http.client.HTTPSConnection(
            "localhost", port, timeout=_PATIENCE_S, context=context
        )
    else:
        edge = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        edge.request("GET", "/", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = edge.getresponse()
        return answer.status, answer.read()
    finally:
        edge.close()


def _unseen(subject: Subject) -> str | None:
    """The whole job includes metrics and a JSON line a request."""
    admin = http.client.HTTPConnection("127.0.0.1", subject.stage.admin_port, timeout=_PATIENCE_S)
    try:
        admin.request("GET", subject.launch.metrics_path)
        answer = admin.getresponse()
        if answer.status != 200 or b"# TYPE" not in answer.read():
            return f"has no metrics at {subject.launch.metrics_path}"
    finally:
        admin.close()
    give_up = time.monotonic() + _PATIENCE_S
    while not _has_json_line(subject.access_log):
        if time.monotonic() > give_up:
            return f"wrote no JSON line about the requests in {_PATIENCE_S:.0f} s"
        time.sleep(0.1)
    return None


def _has_json_line(path: Path) -> bool:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(_is_request(line) for line in lines)


def _is_request(line: str) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("method") == "GET"
