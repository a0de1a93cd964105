"""Key sets that are fetched by URL, and kept fresh.

Knows: when a set is fetched (at first, before it grows old, for a key that is not in it), who waits for that, and that
an old set is better than none. Refuses to know: HTTP (`fetch.py`, handed in) and tokens. Strategy: one fetch at a time
for a set, with a deadline; requests that wait for it are bounded in number and time; a fetch that fails, or brings
something that is no key set, changes nothing and is tried again with back-off, a short one while there are no keys.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hmsgw.identity.keys import BadKey, Keys, from_key_set

MAX_BYTES = 256 * 1024
FETCH_S = 5.0
COOL_DOWN_S = 30.0
"""Between two fetches for the sake of unknown keys: clients choose what key their tokens name."""
MAX_WAITING = 1000
MAX_WAIT_S = 2.0
_USUAL_AGE_S = 600.0
_AGES_S = (60.0, 86400.0)
_REFRESH_AT = 0.8
_BACK_OFF_S = (1.0, 60.0)
FIRST_BACK_OFF_S = 5.0
"""The longest while no set ever came, when every token is refused."""
FIRST_PAUSE_S = 1.0
"""Between the beginnings of two fetches then, also for the sake of tokens."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,10})", re.IGNORECASE)

_log = Logger()

Fetch = Callable[[str, int, float], "Deferred[tuple[bytes, Mapping[str, str]]]"]
"""(url, most bytes, seconds) -> body and response fields by lower-case name. Fails with anything, in words."""


class KeySet:
    """The keys behind one URL. keys: None until the first set came. version: rises when the keys change. uniform:
    `random.uniform`, for jitter: workers that began together do not ask together."""

    def __init__(
        self, url: str, clock: IReactorTime, fetch: Fetch, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.url = url
        self.keys: Keys | None = None
        self.version = 0
        self.fault: str | None = None
        """Why the last fetch failed; None when it did not."""
        self._clock = clock
        self._fetch = fetch
        self._uniform = uniform
        self._raw = b""
        self._failures = 0
        self._asked_at = float("-inf")
        self._begun_at = float("-inf")
        self._flight: Deferred[None] | None = None
        self._next: IDelayedCall | None = None
        self._waiters: dict[Deferred[None], IDelayedCall] = {}
        self._first: list[Deferred[None]] | None = []
        self._stopped = False

    @property
    def ready(self) -> bool:
        """There are keys."""
        return self.keys is not None

    ever_loaded = ready

    @property
    def waiting(self) -> int:
        """How many requests wait for the fetch that is under way."""
        return len(self._waiters)

    def start(self) -> None:
        """Fetch now, and from then on in time."""
        self._begin()

    def stop(self) -> None:
        """Fetch no more and let nobody wait. The keys stay, for requests that began with them."""
        self._stopped = True
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._flight is not None:
            self._flight.cancel()

    def first_answer(self) -> Deferred[None]:
        """Fires when the first fetch has ended, well or not."""
        if self._first is None:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._first.append(waiter)
        return waiter

    def refresh_for(self, kid: str | None) -> Deferred[None]:
        """Fires when it is worth to look for the key `kid` once more, or to give it up: at once, when the set was
        fetched for an unknown key less than 30 s ago (while there is none: when a fetch began less than 1 s ago) or
        1,000 requests wait already; after 2 s at most. May be cancelled. Never fails on its own.
        """
        if self._flight is None:
            if self._stopped or not self._may_ask(self._clock.seconds()):
                return succeed(None)
            self._begin()
        if self._flight is None or len(self._waiters) >= MAX_WAITING:
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._leave)
        self._waiters[waiter] = self._clock.callLater(MAX_WAIT_S, self._let_go, waiter)
        return waiter

    def _may_ask(self, now: float) -> bool:
        """For the sake of a token."""
        if self.keys is None:
            return now - self._begun_at >= FIRST_PAUSE_S
        if now - self._asked_at < COOL_DOWN_S:
            return False
        self._asked_at = now
        _log.info("key set {url}: fetched again, a token names a key that is not in it", url=self.url)
        return True

    def _leave(self, waiter: Deferred[None]) -> None:
        call = self._waiters.pop(waiter, None)
        if call is not None and call.active():
            call.cancel()

    def _let_go(self, waiter: Deferred[None]) -> None:
        self._leave(waiter)
        waiter.callback(None)

    def _begin(self) -> None:
        if self._flight is not None or self._stopped:
            return
        if self._next is not None:
            if self._next.active():
                self._next.cancel()
            self._next = None
        self._begun_at = self._clock.seconds()
        try:
            fetched = self._fetch(self.url, MAX_BYTES, FETCH_S)
        except Exception:
            self._failed(Failure())  # type: ignore[no-untyped-call]
            self._ended(None)
            return
        fetched.addTimeout(FETCH_S, self._clock)
        flight: Deferred[None] = fetched.addCallback(self._fetched).addErrback(self._failed)
        self._flight = flight
        flight.addBoth(self._ended)

    def _fetched(self, answer: tuple[bytes, Mapping[str, str]]) -> None:
        raw, fields = answer
        if len(raw) > MAX_BYTES:
            raise BadKey(f"it is longer than {MAX_BYTES} bytes")
        if raw != self._raw:
            self.keys = from_key_set(raw)
            self._raw = raw
            self.version += 1
            _log.info("key set {url}: {count} keys", url=self.url, count=len(self.keys))
        self._failures = 0
        self.fault = None
        found = _MAX_AGE.search(fields.get("cache-control", ""))
        age_s = min(max(float(found.group(1)) if found else _USUAL_AGE_S, _AGES_S[0]), _AGES_S[1])
        self._schedule(age_s * _REFRESH_AT)

    def _failed(self, failure: Failure) -> None:
        if self._stopped:
            return
        self.fault = failure.getErrorMessage() or type(failure.value).__name__
        pause_s = self._pause_s()
        self._failures += 1
        _log.warn(
            "key set {url} could not be fetched: {fault}; {kept}, next try in {pause_s:.3g} s",
            url=self.url,
            fault=self.fault,
            kept="no token can be judged" if self.keys is None else "the keys from before are kept",
            pause_s=pause_s,
        )
        self._schedule(pause_s)

    def _pause_s(self) -> float:
        pause_s: float = _BACK_OFF_S[0] * 2.0 ** min(self._failures, 10)
        if self.keys is not None:
            return min(pause_s, _BACK_OFF_S[1])
        return max(min(pause_s, FIRST_BACK_OFF_S) * self._uniform(0.8, 1.0), FIRST_PAUSE_S)

    def _schedule(self, delay_s: float) -> None:
        if not self._stopped:
            self._next = self._clock.callLater(delay_s, self._due)

    def _due(self) -> None:
        self._next = None
        self._begin()

    def _ended(self, _: object) -> None:
        self._flight = None
        first, self._first = self._first, None
        waiters, self._waiters = self._waiters, {}
        for call in waiters.values():
            call.cancel()
        for waiter in (*(first or ()), *waiters):
            waiter.callback(None)


class KeySets:
    """Every key set of a process, by URL. Outlives configurations, so that a reload fetches nothing anew."""

    def __init__(self, clock: IReactorTime, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._sets: dict[str, KeySet] = {}

    def get(self, url: str) -> KeySet:
        """The set behind `url`; its first fetch begins with the first call."""
        key_set = self._sets.get(url)
        if key_set is None:
            key_set = self._sets[url] = KeySet(url, self._clock, self._fetch)
            key_set.start()
        return key_set

    def retain(self, urls: Iterable[str]) -> None:
        """Let go of every set but these: the ones that the running configuration uses."""
        for url in self._sets.keys() - set(urls):
            self._sets.pop(url).stop()

    def first_answers(self) -> Deferred[None]:
        """Fires when the first fetch of every set that there is now has ended, well or not."""
        return gatherResults([key_set.first_answer() for key_set in self._sets.values()]).addCallback(lambda _: None)

    def status(self) -> dict[str, str | None]:
        """URL -> None, or what is wrong with it."""
        return {
            url: None if key_set.fault is None and key_set.ready else key_set.fault or "not fetched yet"
            for url, key_set in self._sets.items()
        }

    def stop(self) -> None:
        """Let go of every set."""
        self.retain(())
