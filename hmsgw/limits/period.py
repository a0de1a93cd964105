"""The length of a limit's window, as a configuration says it: a word of the calendar, or a duration.

Knows: `second`, `minute`, `hour`, `day` and `week`. Refuses to know: how durations are spelled (`config.kinds`), and
what is counted in the window.
"""

from __future__ import annotations

from hmsgw.config.kinds import Duration
from hmsgw.limits.calendar import FIXED_S


class Period(Duration):
    """Seconds as float, written as a word or as a duration."""

    wanted = "second, minute, hour, day, week, or a duration such as 10s"
    words = FIXED_S
