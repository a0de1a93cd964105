"""Reloads, one after the other: read aside, judge, swap, and say what happened.

Knows: that only one runs at a time, which ones may be melted into one, how long reading may take, and what is told to
whom. Refuses to know: what a configuration is and how it is put to work (`load` and `apply` are given). Strategy:
`load` blocks and runs in a thread; `apply` runs on the reactor and changes everything or nothing. Whatever either
raises is an outcome, never a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

LOAD_S = 60.0
MAX_WAITING = 16

_log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a reload ended. file: None when there was none to load. said: what changed, in words. faults: why it was
    refused, one line each. advice: the next command to type, "" when there is none."""

    accepted: bool
    file: str | None
    said: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    advice: str = ""
    digest: str = ""

    def in_data(self) -> dict[str, Any]:
        """For the control socket."""
        return {
            "accepted": self.accepted,
            "file": self.file,
            "said": list(self.said),
            "faults": list(self.faults),
            "advice": self.advice,
            "digest": self.digest,
        }


class NotTaken(Exception):
    """A reason to refuse. faults: one line each. advice: the exact next command; "": to reload again."""

    def __init__(self, faults: list[str], advice: str = "") -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        self.advice = advice


@dataclass(slots=True)
class Reloader:
    """load: (absolute path) -> candidate, blocking. apply: candidate -> (digest, what changed); both raise NotTaken.

    in_thread: runs a blocking call. ended: told of each outcome and of who asked; may return a Deferred (the audit
    log), which is waited for. advise: (path) -> the command to try again, where no other one helps. file: the one last
    accepted.
    """

    clock: IReactorTime
    in_thread: Callable[[Callable[[], Any]], Deferred[Any]]
    load: Callable[[str], Any]
    apply: Callable[[Any], tuple[str, list[str]]]
    ended: Callable[[Outcome, str], Deferred[Any] | None]
    advise: Callable[[str], str]
    file: str | None = None
    _lock: DeferredLock = field(default_factory=DeferredLock)
    _again: list[Deferred[Outcome]] | None = None

    @property
    def waiting(self) -> int:
        """Reloads that have not begun."""
        return len(self._lock.waiting)

    def again(self, who: str) -> Deferred[Outcome]:
        """Load the file last accepted. Calls that come before the next such reload begins share it."""
        answer: Deferred[Outcome] = Deferred()
        if self._again is not None:
            self._again.append(answer)
            return answer
        sharing = self._again = [answer]

        def begin() -> Deferred[Outcome]:
            self._again = None
            return self._reload(self.file, who)

        def tell(outcome: Outcome) -> None:
            for one in sharing:
                one.callback(outcome)

        self._lock.run(begin).addCallback(tell).addErrback(lambda f: _log.failure("a reload ended badly", failure=f))
        return answer

    def reload(self, path: str, who: str) -> Deferred[Outcome]:
        """Load the file at `path` (absolute). who: for the audit log. The Deferred never fails."""
        if self.waiting >= MAX_WAITING:
            answer: Deferred[Outcome] = Deferred()
            fault = f"{MAX_WAITING} reloads wait already; try again when they are done"
            answer.callback(self._failed(path, fault))
            return answer
        return self._lock.run(self._reload, path, who)

    def _reload(self, path: str | None, who: str) -> Deferred[Outcome]:
        return Deferred.fromCoroutine(self._steps(path, who))

    async def _steps(self, path: str | None, who: str) -> Outcome:
        outcome = await self._outcome(path)
        if outcome.accepted:
            self.file = path
        try:
            told = self.ended(outcome, who)
            if told is not None:
                await told
        except Exception:
            _log.failure("the outcome of a reload could not be recorded")
        return outcome

    async def _outcome(self, path: str | None) -> Outcome:
        if path is None:
            fault = "no configuration was accepted yet, so there is none to load again"
            return Outcome(accepted=False, file=None, faults=(fault,), advice="hms-gateway reload FILE")
        load = self.load
        reading = self.in_thread(lambda: load(path)).addTimeout(LOAD_S, self.clock)
        try:
            digest, said = self.apply(await reading)
        except NotTaken as refusal:
            advice = refusal.advice or self.advise(path)
            return Outcome(accepted=False, file=path, faults=refusal.faults, advice=advice)
        except TimeoutError:
            fault = f"{path}: reading it took more than {LOAD_S:g} s; does a plugin file wait for something?"
            return self._failed(path, fault)
        except Exception as error:
            _log.failure("a reload failed in a way that it should not")
            fault = f"{path}: the gateway has a fault of its own, see its log: {type(error).__name__}: {error}"
            return self._failed(path, fault)
        return Outcome(accepted=True, file=path, said=tuple(said), digest=digest)

    def _failed(self, path: str, fault: str) -> Outcome:
        return Outcome(accepted=False, file=path, faults=(fault,), advice=self.advise(path))
