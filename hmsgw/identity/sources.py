"""Where a set-up's keys come from: exactly one of a key set, a public key and a secret.

Knows: what a configuration may say, what the environment may add to one that is not signed, and the development key.
Refuses to know: requests and tokens. Strategy: `choose` settles the question while the configuration is checked, so
that a set-up without a key never loads, and keys that are in files are read and judged then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hmsgw.identity.keys import ASYMMETRIC, SYMMETRIC, BadKey, Keys, from_key_set, from_pem, from_secret
from hmsgw.identity.urls import is_private_enough, names_a_host

ENVIRONMENT = {
    "jwks": "HMSGW_JWT_JWKS_URL",
    "public_key": "HMSGW_JWT_PUBLIC_KEY",
    "secret": "HMSGW_JWT_SECRET",
}


class BadSource(ValueError):
    """There is no usable key. option: the setting at fault, None for all of them."""

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Source:
    """option: which setting says where. value: what it says. development: the key is that of --dev, whose tokens have
    neither issuer nor audience. name: how an operator calls it."""

    option: str
    value: str = field(repr=False)
    name: str
    development: bool = False

    @property
    def remote(self) -> bool:
        """The keys have to be fetched."""
        return self.option == "jwks" and self.value.startswith(("http://", "https://"))


def choose(
    said: Mapping[str, str | None], environ: Mapping[str, str], *, signed: bool, dev_secret: str | None
) -> Source:
    """The one source. said: the settings `jwks`, `public_key` and `secret`. Raises BadSource."""
    given = {option: value for option, value in said.items() if value}
    if len(given) > 1:
        raise BadSource(f"give one of {_listed(given)}, not several", next(iter(given)))
    for option, value in given.items():
        return Source(option, value, f"`{option}`")
    if signed:
        raise BadSource("there is no key to judge tokens by: a signed configuration needs `jwks` or `public_key` in it")
    found = {option: name for option, name in ENVIRONMENT.items() if environ.get(name)}
    if len(found) > 1:
        raise BadSource(f"set one of {', '.join('$' + name for name in found.values())}, not several")
    for option, name in found.items():
        return Source(option, environ[name], f"${name}")
    if dev_secret is not None:
        return Source("secret", dev_secret, "the development key", True)
    names = ", ".join("$" + name for name in ENVIRONMENT.values())
    raise BadSource(
        "there is no key to judge tokens by: set `jwks: https://.../jwks.json`, `public_key: FILE.pem` or `secret` "
        f"in a set-up `plugins: {{jwt: ...}}`, or one of {names}"
    )


def local_keys(source: Source, read: Callable[[str], bytes], algorithms: Iterable[str], *, signed: bool) -> Keys | None:
    """The keys of a source that is at hand, None for one that has to be fetched.

    algorithms: the allow-list; each has to fit the key. read: a file by its name. Raises BadSource.
    """
    wanted = tuple(algorithms)
    misfit = [alg for alg in wanted if alg not in (SYMMETRIC if source.option == "secret" else ASYMMETRIC)]
    if misfit:
        kind = "a secret" if source.option == "secret" else "a public key"
        raise BadSource(f"{misfit[0]} is not an algorithm for {kind}, which {source.name} is", "algorithms")
    if source.remote:
        if not names_a_host(source.value):
            raise BadSource(f"{source.name}: this is not the URL of a key set, such as https://HOST/jwks.json", "jwks")
        if signed and not is_private_enough(source.value):
            raise BadSource("a key set has to be fetched by https; over http anybody on the way can change it", "jwks")
        return None
    try:
        if source.option == "secret":
            return from_secret(source.value.encode("utf-8", "surrogateescape"), wanted or ("HS256",))
        raw = _contents(source, read)
        keys = from_pem(raw) if source.option == "public_key" else from_key_set(raw)
    except BadKey as error:
        raise BadSource(f"{source.name}: {error}", source.option) from None
    misfit = [alg for alg in wanted if alg not in keys.algorithms]
    if misfit and source.option == "public_key":
        fitting = _listed(sorted(keys.algorithms))
        raise BadSource(f"{misfit[0]} does not fit the key in {source.value}; {fitting} would", "algorithms")
    return keys


def _contents(source: Source, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(source.value)
    except (OSError, KeyError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadSource(f"{source.name}: {source.value} can't be read: {why}", source.option) from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


@dataclass(frozen=True, slots=True)
class AtHand:
    """Keys that never change."""

    keys: Keys
    version: int = 0
