"""What a process and its children have spent and hold: CPU time and resident memory, from /proc (proc(5)).

Knows: the fields of /proc/PID/stat and /proc/PID/status. Refuses to know: what the process is. Strategy: the whole tree
is summed at two moments and subtracted; a child that ended in between is counted through its parent (cutime, cstime).
"""

from __future__ import annotations

import os
from pathlib import Path

_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"


def tree(pid: int) -> list[int]:
    """The process and all that descend from it and still live; empty when it is gone."""
    parents = {int(one): parent_of(_text(f"/proc/{one}/stat")) for one in os.listdir("/proc") if one.isdigit()}
    found = [pid] if pid in parents else []
    for parent in found:
        found.extend(one for one, its in parents.items() if its == parent)
    return found


def spent_us(pid: int) -> float:
    """CPU microseconds, user and system, of the whole tree since it began. The kernel counts in ticks of 10 ms."""
    return _TICK_US * sum(ticks_of(_text(f"/proc/{one}/stat")) for one in tree(pid))


def busy_us(core: int) -> float:
    """CPU microseconds that the core was not idle since it was started, whoever used it."""
    return _TICK_US * busy_ticks(_text("/proc/stat"), core)


def resident_bytes(pid: int) -> int:
    return sum(status_bytes(_text(f"/proc/{one}/status"), "VmRSS") for one in tree(pid))


def peak_bytes(pid: int) -> int:
    """The most that was resident since `forget_peak`: the sum of each process's own peak."""
    return sum(status_bytes(_text(f"/proc/{one}/status"), "VmHWM") for one in tree(pid))


def forget_peak(pid: int) -> None:
    """Start the peak anew. Raises OSError where the kernel does not offer it."""
    for one in tree(pid):
        Path(f"/proc/{one}/clear_refs").write_text(_RESET_PEAK)


def ticks_of(stat: str) -> int:
    """utime + stime + cutime + cstime of a /proc/PID/stat line; 0 for an empty one (the process is gone)."""
    return sum(int(word) for word in _after_name(stat)[11:15])


def busy_ticks(stat: str, core: int) -> int:
    """All of a core's time in /proc/stat but idle and iowait; guest time is in user time already."""
    for line in stat.splitlines():
        name, *words = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, *interrupts = (int(word) for word in words[:8])
            return user + nice + system + sum(interrupts)
    return 0


def parent_of(stat: str) -> int:
    """The parent's id in a /proc/PID/stat line; 0 for an empty one."""
    return int((_after_name(stat) or ["", "0"])[1])


def status_bytes(status: str, field: str) -> int:
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return 0


def _after_name(stat: str) -> list[str]:
    """The fields from the state on: the command's name before them may hold spaces and brackets."""
    return stat.rpartition(")")[2].split()


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
