"""What a plugin of the catalogue is given when it is built, and what it is told of its use.

Knows: the shared things of a worker that a step may need: clocks, counters, key sets, the bundle. Refuses to know: how
they are made (service.py hands them over). Strategy: one value, made once a reload; drop-ins do not get it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime

from hmsgw.config.model import Where

if TYPE_CHECKING:
    from hmsgw.chain.run import Chain


class BundleFiles(Protocol):
    """The files of the configuration (`config.bundle.Bundle`)."""

    def read(self, path: str) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The worker's shared things.

    clock: for deadlines. seconds: monotonic seconds. wall: POSIX seconds. counters: `limits.memory.Counters`.
    key_set: URL -> `identity.keysets.KeySet`. count_decision: (plugin, decision) of
    `gateway_limit_decisions_total`; decision_cell: its counter, to be added to in place. dev_secret: the development
    key under --dev, else None. signed: the configuration is a signed one. realm: of `WWW-Authenticate`. previous: the
    chains that run now; what did not change is kept.
    """

    clock: IReactorTime
    seconds: Callable[[], float]
    wall: Callable[[], float]
    counters: Any
    key_set: Callable[[str], Any]
    bundle: BundleFiles
    count_decision: Callable[[str, str], None]
    decision_cell: Callable[[str, str], list[int]] = lambda plugin, decision: [0]
    environ: Mapping[str, str] = field(default_factory=dict)
    dev_secret: str | None = None
    signed: bool = False
    realm: str = "hmsgw"
    previous: Sequence[Chain] = ()


class UseInfo(NamedTuple):
    """One use of a plugin. name: as written, the label of metrics and logs. identity: what its counters belong to.
    route: the first route that uses it; a plugin object serves every route with the same name and settings, unless
    a setting `scope` is `route`: then each route has an object of its own. heir_of: the identity whose counts this one
    goes on with, "" for none."""

    name: str
    identity: str
    where: Where
    route: str
    heir_of: str = ""
