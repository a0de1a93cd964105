"""Load by wrk: writes the Lua script of a run, runs it, reads what it counted.

Knows: wrk's command line and script interface (wrk SCRIPTING). Refuses to know: whom it loads. Strategy: the script's
`done` prints the counts as JSON, so nothing is read out of the text meant for people; a request that is always the same
is given as static fields, which costs wrk no Lua a request.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MARK = "measured "
_GRACE_S = 20.0

_DONE = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nmeasured {"requests": %.0f, "duration_us": %.0f, "bytes": %.0f, "socket_errors": %.0f, '
    .. '"refused": %.0f, "p50_us": %.0f, "p99_us": %.0f}\\n', summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.timeout, e.status, latency:percentile(50), latency:percentile(99)))
end
"""

_FRESH = """
local ready, at = {}, 0
init = function()
  for line in io.lines("TOKENS") do
    wrk.headers["Authorization"] = "Bearer " .. line
    ready[#ready + 1] = wrk.format("GET", wrk.path)
  end
end
request = function()
  if at == #ready then wrk.thread:stop() else at = at + 1 end
  return ready[at]
end
"""

_PATHS = """
local ready, at = {}, 0
init = function()
  for n = 0, COUNT - 1 do ready[n + 1] = wrk.format("GET", string.format("PATTERN", n * 7919 % COUNT)) end
end
request = function()
  at = at % COUNT + 1
  return ready[at]
end
"""


class LoadFailed(Exception):
    """wrk did not end as it should. str() holds what it said."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One run of wrk."""

    requests: int
    duration_us: float
    bytes: int
    socket_errors: int
    refused: int
    """Answers that were neither 2xx nor 3xx."""
    p50_us: float
    p99_us: float

    @property
    def per_s(self) -> float:
        return self.requests / (self.duration_us / 1e6)

    @property
    def failed(self) -> int:
        return self.socket_errors + self.refused


def same_script(path: Path, token: str | None) -> Path:
    """The same request always, with a bearer token or without."""
    field = f'wrk.headers["Authorization"] = "Bearer {token}"\n' if token else ""
    path.write_text(field + _DONE)
    return path


def fresh_script(path: Path, tokens: Path) -> Path:
    """Each request with the next line of `tokens`; the run ends when they are used up, or its time is."""
    path.write_text(_FRESH.replace("TOKENS", str(tokens)) + _DONE)
    return path


def paths_script(path: Path, pattern: str, count: int) -> Path:
    """Requests for `pattern % 0` .. `pattern % (count - 1)` in a scattered order; count is not a multiple of 7919."""
    path.write_text(_PATHS.replace("COUNT", str(count)).replace("PATTERN", pattern) + _DONE)
    return path


def run(url: str, script: Path, *, connections: int, seconds: float) -> Counted:
    """Load the URL from kept-alive connections. Raises LoadFailed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadFailed("wrk is not installed: apt install wrk")
    whole_s = max(1, round(seconds))  # wrk knows whole seconds only
    options = ["-t1", f"-c{connections}", f"-d{whole_s}s", "--timeout", "30s", "-s", str(script)]
    return counted(output_of(wrk, options, url, whole_s))


def output_of(program: str, options: list[str], url: str, seconds: float) -> str:
    """What a load generator says of a run of `seconds`. Raises LoadFailed when it does not end well."""
    word = Path(program).name
    try:
        ended = subprocess.run(
            [program, *options, url], capture_output=True, text=True, timeout=seconds + _GRACE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{word} did not end {_GRACE_S:.0f} s after its time, loading {url}") from None
    if ended.returncode:
        raise LoadFailed(f"{word} ended with exit code {ended.returncode} on {url}: {ended.stderr.strip()}")
    return ended.stdout


def counted(text: str) -> Counted:
    """What `done` printed. Raises LoadFailed when it did not."""
    for line in text.splitlines():
        if line.startswith(_MARK):
            return Counted(**json.loads(line.removeprefix(_MARK)))
    raise LoadFailed(f"wrk counted nothing: {text.strip() or 'it said nothing'}")
