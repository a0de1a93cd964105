"""Load by h2load, for HTTP/2: runs it, reads what it counted.

Knows: h2load's command line and its report. Refuses to know: whom it loads. Strategy: it falls back to HTTP/1.1 without
a word's warning, so its report is asked which protocol was spoken.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

from bench.load import Counted, LoadFailed, output_of

STREAMS = 4
"""At once on each connection."""


def run(
    url: str, token: str | None, *, connections: int, seconds: float, more: Sequence[str] = ()
) -> Counted:
    """Load the URL from kept-alive connections, `STREAMS` requests at once on each. more: options.
    Raises LoadFailed."""
    h2load = shutil.which("h2load")
    if h2load is None:
        raise LoadFailed("h2load is not installed: apt install nghttp2-client")
    whole_s = max(1, round(seconds))
    options = ["-t1", f"-c{connections}", f"-m{STREAMS}", f"-D{whole_s}", *more]
    if token:
        options += ["-H", f"Authorization: Bearer {token}"]
    return counted(output_of(h2load, options, url, whole_s), whole_s)


def counted(text: str, seconds: float) -> Counted:
    """What h2load reported of a run of `seconds`. Raises LoadFailed when it is no report, or not of HTTP/2."""
    spoken = re.search(r"^Application protocol: (\S+)", text, re.MULTILINE)
    if spoken is None or not spoken[1].startswith("h2"):
        raise LoadFailed(f"HTTP/2 was not spoken but {spoken[1] if spoken else 'nothing'}")
    requests = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    statuses = re.search(r"(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if requests is None or statuses is None:
        raise LoadFailed(f"h2load counted nothing: {text.strip() or 'it said nothing'}")
    _, _, refused, broken = map(int, statuses.groups())
    return Counted(
        requests=int(requests[1]) + refused + broken,
        duration_us=seconds * 1e6,
        bytes=0,
        socket_errors=int(requests[3]) + int(requests[4]),
        refused=refused + broken,
        p50_us=0,
        p99_us=0,
    )
