"""Whose counts a limit goes on with when its own text has changed.

Knows: that a shorthand or options without a name of their own have a new identity when their limit is another, and that
a changed limit keeps the count (the contract, section 4). Refuses to know: counters. Strategy: pure, over what runs and
what is to run. Where one text is gone and one new one differs from it in the limit alone, that is the heir; where
there are several, nobody can tell which one it was, and each begins anew.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields, is_dataclass

from hmsgw.chain.uses import PreparedUse
from hmsgw.config.shorthand import expand


def heirs(were: Iterable[PreparedUse], are: Iterable[PreparedUse]) -> dict[str, str]:
    """identity that is new -> identity that is gone, whose counts it goes on with."""
    before = {use.identity: _but_for_limit(use) for use in were}
    after = {use.identity: _but_for_limit(use) for use in are}
    gone = _only_one(before, after)
    return {new: gone[family] for family, new in _only_one(after, before).items() if family in gone}


def _only_one(these: dict[str, Hashable], others: dict[str, Hashable]) -> dict[Hashable, str]:
    """What a use is but for its limit -> its identity, where exactly one of that kind is missing in `others`."""
    found: dict[Hashable, list[str]] = {}
    for identity, family in these.items():
        if family is not None and identity not in others:
            found.setdefault(family, []).append(identity)
    return {family: identities[0] for family, identities in found.items() if len(identities) == 1}


def _but_for_limit(use: PreparedUse) -> Hashable:
    """Plugin and settings without `limit`; None where there is none, and of a set-up, which has a name to keep."""
    settings = use.settings
    if not is_dataclass(settings) or not hasattr(settings, "limit"):
        return None
    is_anonymous = expand(use.name) is not None or (use.name == use.plugin and use.identity != use.name)
    if not is_anonymous:
        return None
    return use.plugin, tuple(repr(getattr(settings, field.name)) for field in fields(settings) if field.name != "limit")
