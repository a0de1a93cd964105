"""rate: no more than so many requests in any window, or a token bucket when `burst` is given.

Knows: the options, the refusal, and what an answer says about the limit. Refuses to know: how counters are kept
(`limits.memory`) and told apart (`limits.callers`). Strategy: everything that the options decide is decided when the
step is built; a request costs one look at a counter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from hmsgw.chain.api import HTTPError, OptionError, Request, ResponseView
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import Choice, Count, Later
from hmsgw.limits.calendar import FIXED_S
from hmsgw.limits.callers import LATER, WORDS, caller
from hmsgw.limits.fields import announce, policy, quoted, retry_after
from hmsgw.limits.memory import Limit
from hmsgw.limits.period import Period

SHORTEST_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    limit: Annotated[int, Count(1)]
    per: Annotated[float, Period()] = 60.0
    """Length of the window: `second`, `minute`, `hour`, `day`, `week`, or a duration."""
    key: Annotated[tuple[str, ...], Choice(*WORDS, later=LATER)] = ("ip",)
    """Whose requests are counted together; several: each combination has a counter."""
    burst: Annotated[int | None, Count(1)] = None
    """Given: `limit` on average and so many at once, instead of `limit` in any window."""
    scope: Annotated[str, Choice("all", "route")] = "all"
    """route: each route counts for itself."""
    ipv6_prefix: Annotated[int, Count(1, 128)] = 64
    store: Annotated[str, Choice("local", later=("redis",))] = "local"
    sync: Annotated[str, Later("exact", Choice("exact", "leased"))] = "exact"
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


class Turnstile:
    """The step of `rate` and `quota`: counts a request, refuses it or lets it pass, and tells the client."""

    def __init__(
        self,
        limit: Limit,
        words: tuple[str, ...],
        ipv6_prefix: int,
        now: Callable[[], float],
        *,
        name: str,
        quota: int,
        window_s: float | None,
        refusal: tuple[str, str],
        enforced: bool,
        label: str,
        decision_cell: Callable[[str, str], list[int]],
    ) -> None:
        """name: of the policy. refusal: (detail, reason word). label: the `plugin` of the metric."""
        self._hit = limit.hit
        self._peek = limit.peek
        self._caller = caller(words, ipv6_prefix)
        self._now = now
        self._name = quoted(name)
        self._policy = policy(self._name, quota, window_s)
        self._detail, self._reason = refusal
        self._enforced = enforced
        self._allowed = decision_cell(label, "allowed")
        self._refused = decision_cell(label, "refused")

    def run(self, req: Request) -> None:
        decision = self._hit(self._caller(req), self._now())
        if not self._enforced:
            if not decision.allowed:
                raise self._refusal(retry_after(decision))
            self._allowed[0] += 1
            return
        if req.limits is None:
            req.limits = [(self._policy, self._name, decision)]
        else:
            req.limits.append((self._policy, self._name, decision))
        if decision.allowed:
            self._allowed[0] += 1
            return
        self._refused[0] += 1
        raise self._refusal(retry_after(decision))

    def on_response(self, req: Request, resp: ResponseView) -> None:
        """The first limit that is called speaks for all that were asked."""
        said = req.limits
        if said:
            req.limits = None
            announce(resp.fields, said)

    def explain(self, req: Request) -> str:
        decision = self._peek(self._caller(req), self._now())
        if decision.allowed:
            return f"would pass; after it {decision.remaining} more would be left to this caller now"
        return f"would be refused: 429 {self._reason}, try again in {retry_after(decision)} s"

    def _refusal(self, seconds: str) -> HTTPError:
        return HTTPError(429, f"{self._detail} Try again in {seconds} s.", {"Retry-After": seconds}, self._reason)


def verify(settings: Settings, *_: object) -> None:
    """Raises OptionError for a window too short to be counted, and for callers that can't be told apart."""
    if settings.per < SHORTEST_S:
        raise OptionError("a window shorter than 10ms can't be counted; name a longer one", "per")
    require_key(settings.key)


def build(settings: Settings, tools: Tools, use: UseInfo) -> Turnstile:
    identity = identity_of(use, settings.scope, tools)
    if settings.burst is None:
        limit = tools.counters.sliding(identity, settings.limit, settings.per)
    else:
        limit = tools.counters.bucket(identity, settings.limit, settings.per, settings.burst)
    return Turnstile(
        limit,
        settings.key,
        settings.ipv6_prefix,
        tools.seconds,
        name=policy_name(use, settings.limit, settings.key, settings.per, 60.0),
        quota=settings.limit,
        window_s=settings.per,
        refusal=(f"More than {settings.limit} requests {_in_words(settings.per)}.", "rate-limited"),
        enforced=settings.mode == "enforce",
        label=use.name,
        decision_cell=tools.decision_cell,
    )


def require_key(words: tuple[str, ...]) -> None:
    """Raises OptionError for an empty list: `all` is how one says that everybody shares one counter."""
    if not words:
        raise OptionError("say whose requests are counted together: ip, user, route or all", "key")


def identity_of(use: UseInfo, scope: str, tools: Tools) -> str:
    """What the counters belong to: the use, or the use in one route. Those that it goes on with are its own then."""
    of_route = f"\0{use.route}" if scope == "route" else ""
    if use.heir_of:
        tools.counters.rename(use.heir_of + of_route, use.identity + of_route)
    return use.identity + of_route


def policy_name(use: UseInfo, limit: int, key: tuple[str, ...], per: object, usual: object) -> str:
    """What clients read: the name in the configuration. A use with options has none, so it is named for them."""
    if use.name not in ("rate", "quota"):
        return use.name
    per_words = per if isinstance(per, str) else f"{per:g}s"
    return f"{use.name}-{limit}{'-'.join(key)}" + ("" if per == usual else f"-{per_words}")


def _in_words(per_s: float) -> str:
    for word, length_s in FIXED_S.items():
        if per_s == length_s:
            return f"a {word}" if word != "hour" else "an hour"
    return f"in {per_s:g} seconds"
