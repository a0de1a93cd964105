"""`hms-gateway token`: a token for the development key, so that a configuration can be tried with curl.

Knows: HS256 (RFC 7518 section 3.2) and the claims that `jwt` reads. Refuses to know: any other key. Strategy: refuses
where the gateway was not started with --dev, because its key is nobody's there; where $HMSGW_JWT_SECRET takes the place
of the development key, that signs.
"""

from __future__ import annotations

import argparse
import os
import time

import jwt

from hmsgw.cli.ending import EXIT_DONE, EXIT_USAGE, Failed
from hmsgw.cli.state import add_state_dir, folder_of
from hmsgw.control.overrides import SECRET_KEY
from hmsgw.control.state import StateFault, StateFolder

DEFAULT_TTL = "1h"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, what, how long."""
    parser.add_argument("--sub", metavar="NAME", default="citizen", help="the subject [citizen]")
    parser.add_argument("--scope", metavar="SCOPE", action="append", default=[], help="a scope; may be repeated")
    parser.add_argument("--ttl", metavar="DURATION", default=DEFAULT_TTL, help=f"how long it is valid [{DEFAULT_TTL}]")
    add_state_dir(parser)


def run(said: argparse.Namespace) -> int:
    """Print it."""
    ttl_s = _seconds(said.ttl)
    try:
        secret = _secret(folder_of(said))
    except StateFault as fault:
        raise Failed(str(fault)) from None
    print(mint(secret, said.sub, said.scope, time.time(), ttl_s))
    return EXIT_DONE


def mint(secret: str, subject: str, scopes: list[str], now_s: float, ttl_s: int) -> str:
    """A token. now_s: seconds since 1970."""
    claims: dict[str, object] = {"sub": subject, "iat": int(now_s), "exp": int(now_s) + ttl_s}
    if scopes:
        claims["scope"] = " ".join(scopes)
    return jwt.encode(claims, secret, algorithm="HS256")


def _secret(folder: StateFolder) -> str:
    accepted = folder.accepted()
    secret = folder.existing_dev_secret()
    if accepted is None and secret is None:
        raise Failed(
            f"no gateway has run with the state directory {folder.path}; start one with --dev, or name its directory "
            "with --state-dir"
        )
    if secret is None or (accepted is not None and not accepted.get("dev")):
        raise Failed(
            f"the gateway with the state directory {folder.path} does not run with --dev, so there is no development "
            "key; start it with --dev, or name another directory with --state-dir"
        )
    key = accepted.get("key") if accepted is not None else None
    if key is None:
        return secret
    if key != SECRET_KEY or not os.environ.get(SECRET_KEY):
        raise Failed(
            f"the gateway was started with ${key}, so it does not take tokens of the development key; "
            + ("set the same here" if key == SECRET_KEY else f"start it without ${key}")
        )
    return os.environ[SECRET_KEY]


def _seconds(word: str) -> int:
    number, unit = word[:-1], word[-1:]
    if not (number.isascii() and number.isdigit() and unit in _UNITS_S) or int(number) < 1:
        raise Failed(f"--ttl {word} is no duration; write 30s, 15m, 1h or 7d", EXIT_USAGE)
    return int(number) * _UNITS_S[unit]
