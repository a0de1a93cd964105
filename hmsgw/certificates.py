"""When the certificates of the listeners end: part of the composition root.

Knows: which file each certificate came from. Refuses to know: how it is shown to clients (`transport.tls`). Strategy:
what was read when the configuration was; the clock is looked at when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from hmsgw.generation import Candidate
from hmsgw.transport.pem import Leaf


def _certificates(candidate: Candidate) -> Iterator[tuple[str, str, Leaf]]:
    """(listener, file or `self-signed`, what it says)."""
    for listener in candidate.listeners:
        tls = candidate.server_tls[listener.name]
        if tls is not None and listener.tls is not None:
            files = [pair.certificate for pair in listener.tls.certificates] or ["self-signed"]
            yield from ((listener.name, file, leaf) for file, leaf in zip(files, tls.leaves, strict=True))


def seconds_left(candidate: Candidate) -> dict[tuple[str, str], float]:
    """(listener, file) -> seconds until the certificate ends, negative once it has."""
    now = datetime.now(timezone.utc)
    return {(name, file): (leaf.expires - now).total_seconds() for name, file, leaf in _certificates(candidate)}


def near_their_end(candidate: Candidate) -> list[str]:
    """A sentence for each that is to be renewed."""
    now = datetime.now(timezone.utc)
    return [
        f"certificate {file} of listener {name} {'expired' if leaf.expires < now else 'expires'} on "
        f"{leaf.expires.date().isoformat()}; renew it and reload"
        for name, file, leaf in _certificates(candidate)
        if leaf.is_near_end(now)
    ]
