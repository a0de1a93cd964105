"""What must not stand in a log.

Knows: how tokens, keys, passwords and cookies look when they slip into a message or a traceback. Refuses to know: who
wrote it. Strategy: one pass of one pattern, linear in the text; the name of what was there stays, its value does not.
"""

from __future__ import annotations

import re

REDACTED = "[redacted]"

_SECRET_FIELDS = (
    "proxy-authorization|authorization|set-cookie|cookie|x-api-key|x-consul-token|x-vault-token|x-auth-token|dpop"
)
_SECRET_NAMES = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|api_key|apikey|password|passwd|secret|token"
)
_PATTERN = re.compile(
    rf"""
    (?P<field> \b(?:{_SECRET_FIELDS}) (?:['"]|\b) \s{{0,4}} [:=,] \s{{0,4}} ) [^\r\n]{{1,8192}}
  | (?P<name> \b(?:{_SECRET_NAMES}) ['"]? \s{{0,4}} [:=] \s{{0,4}} ['"]? ) [^\s'"&,;)}}\]]{{1,8192}}
  | (?P<scheme> \b(?:bearer|basic|dpop) \s{{1,4}} ) (?! (?-i:[a-z]{{1,64}}) \b ) [A-Za-z0-9._~+/=-]{{8,8192}}
  | \b eyJ[A-Za-z0-9_-]{{5,8192}} \. [A-Za-z0-9_-]{{5,8192}} (?: \.[A-Za-z0-9_-]{{0,8192}} )?
  | (?P<userinfo> :// [^\s/:@'"]{{0,255}} : ) [^\s/@'"]{{1,255}} (?= @ )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted(text: str) -> str:
    """`text` with what looks like a secret replaced. It may take more than it must; a log is no place to be sorry."""
    return _PATTERN.sub(_cover, text)


def _cover(match: re.Match[str]) -> str:
    kept = match["field"] or match["name"] or match["scheme"] or match["userinfo"] or ""
    return kept + REDACTED
