"""The response fields that tell a client how much it may still ask.

Knows: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, structured fields of RFC 9651) and
`Retry-After` (RFC 9110 section 10.2.3). Refuses to know: how a limit decides. Strategy: what does not change is encoded
once; an answer gets one list member for each limit that was asked. An upstream's own fields of these names are dropped,
because they say nothing about what the gateway lets through.
"""

from __future__ import annotations

from math import ceil

from hmsgw.limits.windows import Decision

Field = tuple[bytes, bytes, bytes]
Said = tuple[bytes, bytes, Decision]
"""(member of RateLimit-Policy, name as a structured string, what the limit decided)."""

_NAMES = frozenset({b"ratelimit", b"ratelimit-policy"})


def quoted(name: str) -> bytes:
    """A structured field string (RFC 9651 section 3.3.3); what it can't hold becomes `?`."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in name)
    return b'"%b"' % plain.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")


def policy(name: bytes, quota: int, window_s: float | None) -> bytes:
    """The member of RateLimit-Policy. window_s: None, or below a second: no `w`, which has to be whole seconds."""
    if window_s is None or window_s < 1:
        return b"%b;q=%d" % (name, quota)
    return b"%b;q=%d;w=%d" % (name, quota, ceil(window_s))


def retry_after(decision: Decision) -> str:
    """Whole seconds, at least 1, never too early."""
    return str(max(ceil(decision.retry_after_s), 1))


def announce(fields: list[Field], said: list[Said]) -> None:
    """Write what the limits of a route said into an answer's fields, in place of what was there."""
    for field in fields:
        if field[0] in _NAMES:
            fields[:] = [field for field in fields if field[0] not in _NAMES]
            break
    if len(said) == 1:
        policies, name, (_, remaining, reset_s, _) = said[0]
        state = b"%b;r=%d;t=%d" % (name, remaining, ceil(reset_s))
    else:
        policies = b", ".join([member for member, _, _ in said])
        state = b", ".join([b"%b;r=%d;t=%d" % (name, told[1], ceil(told[2])) for _, name, told in said])
    fields.append((b"ratelimit-policy", b"RateLimit-Policy", policies))
    fields.append((b"ratelimit", b"RateLimit", state))
