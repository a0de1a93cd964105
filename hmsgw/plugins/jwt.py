"""jwt: who is asking, by a signed bearer token (RFC 6750, RFC 7519, RFC 8725).

Knows: the options, where a token stands in a request, and how each refusal is answered. Refuses to know: how a token is
read (`identity.tokens`), which keys there are (`identity.keys`, `identity.keysets`). Strategy: a token that was good
before costs one look in a table; a new one is verified at once; only one whose key is not known yet waits, for the key
set. Without a key the plugin does not load: there is no setting in which a token is taken unseen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from twisted.internet.defer import Deferred

from hmsgw.chain.api import HTTPError, OptionError, Request
from hmsgw.chain.tools import BundleFiles, Tools, UseInfo
from hmsgw.config.kinds import Choice, Count, Duration, FilePath, PlainDict, Secret, Size, Text
from hmsgw.identity import tokens
from hmsgw.identity.claimed import as_fields, field_names
from hmsgw.identity.keys import ASYMMETRIC, SYMMETRIC, Keys
from hmsgw.identity.remembered import Remembered, Verified
from hmsgw.identity.sources import AtHand, BadSource, Source, choose, local_keys
from hmsgw.identity.tokens import BadToken, Rules, Token

_RETRY_S = "5"
_SPELLED = b"Bearer "
_SCOPE = re.compile(r"[!#-\[\]-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    issuer: Annotated[tuple[str, ...], Text()] = ()
    """Exactly what `iss` has to be; several: one of them. Empty: not looked at."""
    audience: Annotated[tuple[str, ...], Text()] = ()
    """`aud` has to hold one of them. Empty: not looked at."""
    jwks: Annotated[str | None, Text()] = None
    """The issuer's key set: a URL, or a file."""
    public_key: Annotated[str | None, FilePath()] = None
    """PEM file with a public key or a certificate."""
    secret: Annotated[str | None, Secret()] = field(default=None, repr=False)
    """Shared with the issuer, at least 32 bytes."""
    algorithms: Annotated[tuple[str, ...], Choice(*ASYMMETRIC, *SYMMETRIC)] = ()
    """Empty: HS256 with a secret, else every one that fits the key."""
    leeway: Annotated[float, Duration(zero=True)] = 30.0
    require_exp: bool = True
    scopes: Annotated[tuple[str, ...], Text()] = ()
    """All of them have to be in the token's `scope` or `scp`."""
    typ: Annotated[tuple[str, ...], Text()] = ()
    """What `typ` has to be, such as at+jwt (RFC 9068). Empty: JWT, at+jwt, or none."""
    claims_to_headers: Annotated[dict[str, Any], PlainDict()] = field(default_factory=dict)
    """Claim -> field of the request to the upstream. What a client sends in these fields is always removed."""
    realm: Annotated[str | None, Text()] = None
    max_token: Annotated[int, Size(256)] = 16 * 1024
    cache_tokens: Annotated[int, Count(0, 1_000_000)] = 10_000
    """How many verified tokens are remembered."""
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


class KeyHolder(Protocol):
    """Keys that may become others: `identity.keysets.KeySet`."""

    keys: Keys | None
    version: int

    def refresh_for(self, kid: str | None) -> Deferred[None]: ...


class Jwt:
    """The step. key_url: the key set that it needs, None when its keys are at hand. owned_fields: those of claims."""

    def __init__(
        self,
        settings: Settings,
        holder: KeyHolder | AtHand,
        algorithms: frozenset[str],
        rules: Rules,
        *,
        key_url: str | None,
        realm: str,
        wall: Callable[[], float],
    ) -> None:
        self.key_url = key_url
        self._holder = holder
        self._algorithms = algorithms
        self._rules = rules
        self._scopes = frozenset(settings.scopes)
        self._max_bytes = settings.max_token
        self._names = field_names(settings.claims_to_headers)
        self.owned_fields = frozenset(name.lower() for name in self._names.values())
        self._realm = realm.replace("\\", "\\\\").replace('"', '\\"')
        self._wall = wall
        self._memory = Remembered(settings.cache_tokens)
        self._known = self._memory.known

    def run(self, req: Request) -> Deferred[None] | None:
        fields = req.fields
        value: bytes | None = None
        repeated = False
        for lower, _, found in fields:
            if lower == b"authorization":
                repeated = value is not None
                value = found
        if self.owned_fields:
            ours = self.owned_fields
            req.fields = [field for field in fields if field[0] not in ours]
        if value is None:
            raise self._no_token()
        known = self._known.get(value)
        if repeated:
            raise self._bad_token("there are two Authorization fields")
        if known is not None and self._memory.version == self._holder.version and self._wall() < known.ends:
            _accept(req, known)
            return None
        return self._judge(req, value)

    def explain(self, req: Request) -> str:
        values = [value for lower, _, value in req.fields if lower == b"authorization"]
        if not values:
            return "would be refused: 401, there is no token"
        try:
            token = self._read(values[0])
            keys = self._holder.keys
            if keys is None:
                return "would be refused: 503, the key set could never be fetched"
            verified = self._verified(token, keys)
            self._check_bearer(req, verified)
        except HTTPError as error:
            return f"would be refused: {error.status}, {error.message}"
        return f"would pass as user {verified.user}"

    def _judge(self, req: Request, value: bytes) -> Deferred[None] | None:
        token = self._read(value)
        holder = self._holder
        keys = holder.keys
        if not isinstance(holder, AtHand) and (keys is None or not keys.candidates(token.header.alg, token.header.kid)):
            return Deferred.fromCoroutine(self._judge_later(req, value, token, holder))
        assert keys is not None
        self._pass(req, value, self._verified(token, keys))
        return None

    async def _judge_later(self, req: Request, value: bytes, token: Token, holder: KeyHolder) -> None:
        """The token's key is not known: perhaps it is when the key set has been fetched."""
        await holder.refresh_for(token.header.kid)
        if holder.keys is None:
            raise HTTPError(
                503, "Tokens can't be judged now: the issuer's keys could not be fetched. Try again later.",
                {"Retry-After": _RETRY_S}, "identity-unavailable",
            )  # fmt: skip
        self._pass(req, value, self._verified(token, holder.keys))

    def _read(self, value: bytes) -> Token:
        """Raises HTTPError unless the value is a bearer token that is worth a look at the keys."""
        scheme, _, rest = value.partition(b" ")
        if scheme.lower() != b"bearer":
            raise self._no_token()
        try:
            token = tokens.read(rest.strip(b" "), self._max_bytes)
        except BadToken as error:
            raise self._bad_token(str(error)) from None
        if token.header.alg not in self._algorithms:
            raise self._bad_token("the token is signed by an algorithm that is not taken here")
        return token

    def _verified(self, token: Token, keys: Keys) -> Verified:
        """Raises HTTPError unless signature, claims and scopes are good."""
        header = token.header
        candidates = keys.candidates(header.alg, header.kid)
        if not candidates:
            raise self._bad_token("the token names no key that is known here")
        if not any(key.verifies(header.alg, token.signed, token.signature) for key in candidates):
            raise self._bad_token("the signature of the token is not good")
        try:
            claims = tokens.read_object(token.payload)
            ends = tokens.check(header, claims, self._rules, self._wall())
            fields = as_fields(self._names, claims)
        except BadToken as error:
            raise self._bad_token(str(error)) from None
        if not self._scopes <= tokens.scopes(claims):
            raise self._not_enough()
        nested = tuple(name for name, value in claims.items() if type(value) in (list, dict))
        return Verified(claims, nested, claims.get("sub"), fields, ends)

    def _check_bearer(self, req: Request, verified: Verified) -> None:
        """A token that is bound to a certificate is good only from its holder (RFC 8705 section 3)."""
        if "cnf" in verified.claims:
            certificate = req.client.certificate
            wanted = tokens.thumbprint(verified.claims)
            if certificate is None or wanted is None or certificate.fingerprint != wanted.hex():
                raise self._bad_token("the token is bound to a certificate that is not the client's")

    def _pass(self, req: Request, value: bytes, verified: Verified) -> None:
        self._check_bearer(req, verified)
        if self._memory.version != self._holder.version:
            self._memory.start_anew(self._holder.version)
        # One that is bound to a certificate is judged anew each time: only its holder may bear it.
        if value.startswith(_SPELLED) and "cnf" not in verified.claims:
            self._memory.keep(value, verified)
        _accept(req, verified)

    def _no_token(self) -> HTTPError:
        """RFC 6750 section 3.1: without a token there is no error code."""
        challenge = f'Bearer realm="{self._realm}"'
        return HTTPError(401, "This needs a bearer token.", {"WWW-Authenticate": challenge}, "unauthenticated")

    def _bad_token(self, why: str) -> HTTPError:
        challenge = f'Bearer realm="{self._realm}", error="invalid_token", error_description="{why}"'
        detail = f"The bearer token is refused: {why}."
        return HTTPError(401, detail, {"WWW-Authenticate": challenge}, "unauthenticated")

    def _not_enough(self) -> HTTPError:
        wanted = " ".join(sorted(self._scopes))
        challenge = f'Bearer realm="{self._realm}", error="insufficient_scope", scope="{wanted}"'
        return HTTPError(403, f"The token needs the scope {wanted}.", {"WWW-Authenticate": challenge}, "forbidden")


def verify(settings: Settings, bundle: BundleFiles, environ: Mapping[str, str], dev: bool, signed: bool) -> None:
    """Raises OptionError for a set-up by which no token could be judged, or some would be judged wrongly."""
    development = "d" * 64 if dev else None
    source = _source(settings, environ, signed, development)
    _keys(settings, source, bundle, signed)
    try:
        field_names(settings.claims_to_headers)
    except ValueError as error:
        raise OptionError(str(error), "claims_to_headers") from None
    for word in settings.scopes:
        if not _SCOPE.fullmatch(word):
            raise OptionError(f"{word!r} is not a scope (RFC 6749 section 3.3)", "scopes")
    if settings.realm is not None and not settings.realm.isprintable():
        raise OptionError("realm has to be printable", "realm")


def build(settings: Settings, tools: Tools, use: UseInfo) -> Jwt:
    source = _source(settings, tools.environ, tools.signed, tools.dev_secret)
    keys = _keys(settings, source, tools.bundle, tools.signed)
    asymmetric = source.option != "secret"
    return Jwt(
        settings,
        tools.key_set(source.value) if keys is None else AtHand(keys),
        frozenset(settings.algorithms or (ASYMMETRIC if asymmetric else ("HS256",))),
        Rules(
            may_be_bound=True,
            issuers=frozenset(() if source.development else settings.issuer),
            audiences=frozenset(() if source.development else settings.audience),
            leeway_s=settings.leeway,
            require_exp=settings.require_exp,
            types=frozenset(word.lower().removeprefix("application/") for word in settings.typ),
        ),
        key_url=source.value if keys is None else None,
        realm=settings.realm or tools.realm,
        wall=tools.wall,
    )


def _source(settings: Settings, environ: Mapping[str, str], signed: bool, dev_secret: str | None) -> Source:
    said = {"jwks": settings.jwks, "public_key": settings.public_key, "secret": settings.secret}
    try:
        return choose(said, environ, signed=signed, dev_secret=dev_secret)
    except BadSource as error:
        raise OptionError(str(error), error.option) from None


def _keys(settings: Settings, source: Source, bundle: BundleFiles, signed: bool) -> Keys | None:
    try:
        return local_keys(source, bundle.read, settings.algorithms, signed=signed)
    except BadSource as error:
        raise OptionError(str(error), error.option) from None


def _accept(req: Request, verified: Verified) -> None:
    """The claims are a copy: what a plugin does to them must not come back with the next request."""
    claims = verified.claims.copy()
    for name in verified.nested:
        claims[name] = _copy(claims[name])
    req.claims = claims
    req.user = verified.user
    if verified.fields:
        req.fields = [*req.fields, *verified.fields]


def _copy(value: Any) -> Any:
    if type(value) is list:
        return [_copy(one) for one in value]
    if type(value) is dict:
        return {name: _copy(one) for name, one in value.items()}
    return value
