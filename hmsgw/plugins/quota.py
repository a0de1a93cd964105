"""quota: so many requests in each window of the calendar, in UTC.

Knows: the options of a quota. Refuses to know: what a turnstile does with a decision: that is `rate`'s, and the two
read alike to clients. Strategy: the same step over a counter of calendar windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import Choice, Count, Later
from hmsgw.limits.calendar import FIXED_S, PERIODS
from hmsgw.limits.callers import LATER, WORDS
from hmsgw.plugins.rate import Turnstile, identity_of, policy_name, require_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    limit: Annotated[int, Count(1)]
    per: Annotated[str, Choice(*PERIODS)] = "day"
    """A day begins at midnight, a week on Monday, a month on its first day, all in UTC."""
    key: Annotated[tuple[str, ...], Choice(*WORDS, later=LATER)] = ("ip",)
    """Whose requests are counted together; several: each combination has a counter."""
    scope: Annotated[str, Choice("all", "route")] = "all"
    """route: each route counts for itself."""
    ipv6_prefix: Annotated[int, Count(1, 128)] = 64
    store: Annotated[str, Choice("local", later=("redis",))] = "local"
    sync: Annotated[str, Later("exact", Choice("exact", "leased"))] = "exact"
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


def verify(settings: Settings, *_: object) -> None:
    """Raises OptionError when callers can't be told apart."""
    require_key(settings.key)


def build(settings: Settings, tools: Tools, use: UseInfo) -> Turnstile:
    return Turnstile(
        tools.counters.calendar(identity_of(use, settings.scope, tools), settings.limit, settings.per),
        settings.key,
        settings.ipv6_prefix,
        tools.wall,
        name=policy_name(use, settings.limit, settings.key, settings.per, "day"),
        quota=settings.limit,
        window_s=FIXED_S.get(settings.per),
        refusal=(f"The quota of {settings.limit} requests a {settings.per} is used up.", "quota-exceeded"),
        enforced=settings.mode == "enforce",
        label=use.name,
        decision_cell=tools.decision_cell,
    )
