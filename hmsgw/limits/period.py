"""The length of a limit's window, as a configuration says it: a word of the calendar, or a duration.

Knows: `second`, `minute`, `hour`, `day`, `week`. Refuses to know: how durations are spelled (`config.kinds`), and what
is counted in the window.
"""

from __future__ import annotations

from hmsgw.config.kinds import Duration

class Period(Duration):
    pass
