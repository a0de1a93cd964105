"""mtls: who is asking, by the certificate of the connection (RFC 8446 section 4.4.2, RFC 9440).

Knows: lists of subjects, SANs and fingerprints, and which fields tell the upstream. Refuses to know: how a certificate
is verified: the listener has done that (`client_auth`, `client_ca`). Strategy: a certificate is judged once and the
verdict kept with it, so that a connection's next request costs one look in a table; with no list, whoever the
authorities vouch for may pass. Behind a trusted proxy there is no certificate of the client's own, and nobody passes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from hmsgw.chain.api import HTTPError, OptionError, Request
from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.kinds import Choice, PlainDict, Text
from hmsgw.identity.claimed import field_names
from hmsgw.wire.headers import Field, checked_field

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_KINDS = ("DNS", "email", "URI", "IP", "UPN")
_MAX_KEPT = 10_000


class Certificate(Protocol):
    """As much of `req.client.certificate` as is read here."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    sans: tuple[str, ...]
    not_after: Any
    der: bytes


_TOLD: dict[str, Callable[[Certificate], str]] = {
    "subject": lambda found: found.subject,
    "issuer": lambda found: found.issuer,
    "serial": lambda found: found.serial,
    "fingerprint": lambda found: found.fingerprint,
    # A comma may stand in a URI or an address, and must not look like the next name.
    "sans": lambda found: ",".join([san.replace("%", "%25").replace(",", "%2C") for san in found.sans]),
    "not_after": lambda found: found.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
    # RFC 9440 section 2.1: a byte sequence of RFC 8941.
    "certificate": lambda found: f":{b64encode(found.der).decode('ascii')}:",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    subjects: Annotated[tuple[str, ...], Text()] = ()
    """Distinguished names as RFC 4514 writes them: `CN=billing,O=HHS,C=US`."""
    sans: Annotated[tuple[str, ...], Text()] = ()
    """With their kind: `DNS:a.example.gov`, `DNS:*.example.gov` (one label), `email:`, `URI:`, `IP:`, `UPN:`."""
    fingerprints: Annotated[tuple[str, ...], Text()] = ()
    """SHA-256 of the certificate, hexadecimal, with or without colons."""
    headers: Annotated[dict[str, Any], PlainDict()] = field(default_factory=dict)
    """What of the certificate goes to the upstream -> in which field. What a client sends in these is removed."""
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"


class Mtls:
    """The step. owned_fields: those that tell the upstream."""

    def __init__(self, settings: Settings) -> None:
        self._subjects = frozenset(settings.subjects)
        self._sans = frozenset(_san(text) for text in settings.sans)
        self._fingerprints = frozenset(_fingerprint(text) for text in settings.fingerprints)
        self._open = not (self._subjects or self._sans or self._fingerprints)
        self._names = field_names(settings.headers)
        self.owned_fields = frozenset(name.lower() for name in self._names.values())
        self._judged: dict[str, tuple[Field, ...] | None] = {}

    def run(self, req: Request) -> None:
        if self.owned_fields:
            ours = self.owned_fields
            req.fields = [line for line in req.fields if line[0] not in ours]
        certificate = req.client.certificate
        if certificate is None:
            challenge = {"WWW-Authenticate": 'TLS-Client-Certificate realm="hmsgw"'}
            raise HTTPError(401, "This needs a client certificate.", challenge, "unauthenticated")
        fields = self._judge(certificate)
        if fields is None:
            raise HTTPError(403, "This client certificate may not do this.", reason="forbidden")
        if fields:
            req.fields = [*req.fields, *fields]
        if req.user is None and req.claims is None:
            # An issuer may leave the subject empty and name the holder in SANs only.
            req.user = user = certificate.subject or certificate.fingerprint
            req.claims = {"iss": f"x509:{certificate.issuer}", "sub": user}

    def explain(self, req: Request) -> str:
        certificate = req.client.certificate
        if certificate is None:
            return "would be refused: 401, there is no client certificate"
        if self._judge(certificate) is None:
            return f"would be refused: 403, {certificate.subject} is on no list"
        return f"would pass as user {certificate.subject}"

    def _judge(self, certificate: Certificate) -> tuple[Field, ...] | None:
        """The fields for the upstream, None for one that may not pass. Bounded: a connection's verdict is asked for
        again and again, a certificate's that is gone never."""
        key = certificate.fingerprint
        try:
            return self._judged[key]
        except KeyError:
            pass
        if len(self._judged) >= _MAX_KEPT:
            self._judged.clear()
        verdict = self._judged[key] = self._fields(certificate) if self._is_listed(certificate) else None
        return verdict

    def _is_listed(self, certificate: Certificate) -> bool:
        if self._open or certificate.subject in self._subjects or certificate.fingerprint in self._fingerprints:
            return True
        return any(san in self._sans or _wildcard(san) in self._sans for san in certificate.sans)

    def _fields(self, certificate: Certificate) -> tuple[Field, ...] | None:
        """None where a name can't stand in a field: an upstream that misses it, or reads two, decides wrongly."""
        try:
            fields = [(name, _TOLD[what](certificate)) for what, name in self._names.items()]
            if any(value != value.strip() for _, value in fields):
                return None  # on the wire it would be another name
            return tuple(checked_field(name, value) for name, value in fields)
        except ValueError:
            return None


def verify(settings: Settings, *_: object) -> None:
    """Raises OptionError for lists that could never match, and for fields that can't carry what is asked."""
    faults = [*_faults_of_lists(settings), *_faults_of_headers(settings.headers)]
    if faults:
        raise OptionError(str(faults[0]), faults[0].option, others=faults[1:])


def _faults_of_lists(settings: Settings) -> Iterator[OptionError]:
    for option, read, texts in (
        ("sans", _san, settings.sans),
        ("fingerprints", _fingerprint, settings.fingerprints),
        ("subjects", _subject, settings.subjects),
    ):
        for n, text in enumerate(texts):
            try:
                read(text)
            except ValueError as error:
                yield OptionError(str(error), f"{option}[{n}]" if len(texts) > 1 else option)


def _faults_of_headers(headers: Mapping[str, Any]) -> Iterator[OptionError]:
    for what in headers:
        if what not in _TOLD:
            yield OptionError(f"{what!r} is nothing of a certificate; there are {', '.join(_TOLD)}", f"headers.{what}")
    try:
        field_names(headers)
    except ValueError as error:
        yield OptionError(str(error), "headers")


def build(settings: Settings, tools: Tools, use: UseInfo) -> Mtls:
    return Mtls(settings)


def _subject(text: str) -> str:
    if "=" not in text:
        raise ValueError(f"{text!r} is no distinguished name; write CN=billing,O=HHS,C=US as `openssl x509 -subject "
                         "-nameopt RFC2253` does")  # fmt: skip
    return text


def _san(text: str) -> str:
    kind, colon, value = text.partition(":")
    if not colon or not value or kind not in _KINDS:
        raise ValueError(f"{text!r} does not say its kind; write {', '.join(f'{word}:' for word in _KINDS)} before it")
    if "*" in value.removeprefix("*.") and kind == "DNS":
        raise ValueError(f"{text!r} has a `*` that is not its first label")
    return f"DNS:{value.lower()}" if kind == "DNS" else text


def _wildcard(san: str) -> str:
    """The entry that stands for all names beside this one: one label (RFC 9525 section 6.3)."""
    return f"DNS:*.{san.partition('.')[2]}" if san.startswith("DNS:") and not san.startswith("DNS:*") else ""


def _fingerprint(text: str) -> str:
    bare = text.replace(":", "").lower()
    if _FINGERPRINT.fullmatch(bare) is None:
        raise ValueError(f"{text!r} is no SHA-256 fingerprint: 64 hexadecimal digits")
    return bare
