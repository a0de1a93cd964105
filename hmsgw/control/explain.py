"""Why a request would be answered as it would: the routes considered, and what each plugin would say.

Knows: how a request line becomes what a route and a chain look at. Refuses to know: how routes are matched and what
plugins do (the plane's own router and chains are asked). Strategy: nothing is counted, run or sent; plugins `explain`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import urlsplit

from hmsgw.control.socket import Refusal
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.headers import Field, Headers, checked_field
from hmsgw.wire.target import AUTHORITY, checked_path, host_of

MAX_CONSIDERED = 20
_CLIENT = "192.0.2.1"


class Serving(Protocol):
    """What runs now (`proxy.plane.Plane`)."""

    @property
    def router(self) -> Any: ...
    @property
    def entries(self) -> Sequence[Any]: ...


@dataclass(slots=True)
class AskedRequest:
    """A request that nobody sent, as plugins look at one (`chain.api.Request`)."""

    method: str
    path: str
    query: str
    host: str
    scheme: str
    headers: Headers
    client: Any
    route: str = ""
    service: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "http/1.1"
    id: str = "explained"
    user: Any = None
    claims: dict[str, Any] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    limits: list[Any] | None = None
    body_limit: int | None = None
    api_key: str | None = None

    @property
    def fields(self) -> list[Field]:
        """As the hot path has them."""
        return self.headers.fields


def explain(serving: Serving, method: str, url: str, headers: Iterable[tuple[str, str]], client: str) -> dict[str, Any]:
    """In plain data: `answer` in one sentence, `considered` routes, `route`, `plugins`, `upstream`.

    url: absolute, or a path. client: IP address, "" for a made-up one. Raises Refusal.
    """
    try:
        asked = _asked(method, url, headers, client)
    except EdgeFault as fault:
        return {"answer": f"400 {fault.reason.word}: {fault}", "considered": [], "route": None, "plugins": []}
    found = serving.router.match(asked.host, asked.path, asked.method, asked.fields)
    considered = _considered(serving.entries, asked, found)
    if not hasattr(found, "chain"):
        allowed = ", ".join(sorted(found.allowed))
        answer = f"405 method: allowed are {allowed}" if allowed else "404 no-route: no route matches"
        return {"answer": answer, "considered": considered, "route": None, "plugins": []}
    asked.route, asked.service, asked.params = found.name, found.service, found.params(asked.path)
    said = found.chain.explain(asked) if found.chain is not None else []
    refusing = next((plugin for plugin, _, words in said if words.startswith("would be refused")), None)
    upstream = None
    if found.service:
        upstream = {
            "service": found.service,
            "path": found.upstream_path(asked.path, dict(asked.params)),
            "endpoints": [member.endpoint.url for member in found.cluster.members],
        }
    if refusing is not None:
        answer = f"{refusing} would refuse it"
    elif upstream is None:
        answer = "a plugin answers it"
    elif not upstream["endpoints"]:
        answer = f"503 no-endpoint: {found.service} has none"
    else:
        answer = f"it would go to {found.service}"
    return {
        "answer": answer,
        "client": asked.client.host,
        "considered": considered,
        "route": {"name": found.name, "path": found.path, "where": _place(found.route.where)},
        "plugins": [
            {"plugin": plugin, "where": where.removesuffix(":0:0"), "says": words} for plugin, where, words in said
        ],
        "upstream": upstream,
    }


def _asked(method: str, url: str, headers: Iterable[tuple[str, str]], client: str) -> AskedRequest:
    try:
        parts = urlsplit(url)
        fields = [checked_field(name, value) for name, value in headers]
        named = next((value for lower, _, value in fields if lower == b"host"), None)
        authority = parts.netloc.rpartition("@")[2].encode() if named is None else named
        if authority and AUTHORITY.fullmatch(authority) is None:
            raise ValueError(f"{authority.decode('utf-8', 'replace')!r} is not a host with an optional port")
    except ValueError as error:
        how = "give a URL such as https://api.example.gov/clinics/1, and headers as `Name: value`"
        raise Refusal(f"{error}; {how}") from None
    try:
        ipaddress.ip_address(client or _CLIENT)
    except ValueError:
        raise Refusal(f"{client} is not an IP address; give the client's with --client") from None
    path = checked_path((parts.path or "/").encode("utf-8", "surrogateescape")).decode("ascii")
    return AskedRequest(
        method=method,
        path=path,
        query=parts.query,
        host=host_of(authority.lower()),
        scheme=parts.scheme or "https",
        headers=Headers(fields),
        client=SimpleNamespace(host=client or _CLIENT, port=0, certificate=None),
    )


def _place(where: Any) -> str:
    return str(where).removesuffix(":0:0")


def _considered(entries: Sequence[Any], asked: AskedRequest, found: Any) -> list[dict[str, str]]:
    """Every route whose path fits, and what kept it from being taken; the first MAX_CONSIDERED."""
    segments = asked.path.split("/")
    considered = []
    for entry in entries:
        if _path_fits(entry.path, segments):
            says = _why(entry, asked, found)
            considered.append({"route": entry.name, "where": _place(entry.route.where), "says": says})
            if len(considered) == MAX_CONSIDERED:
                break
    return considered


def _path_fits(pattern: str, segments: list[str]) -> bool:
    wanted = pattern.split("/")
    if wanted[-1] == "*":
        if len(segments) < len(wanted):
            return False
        wanted = wanted[:-1]
    elif len(wanted) != len(segments):
        return False
    return all(want == got or (want.startswith("{") and got != "") for want, got in zip(wanted, segments, strict=False))


def _why(entry: Any, asked: AskedRequest, found: Any) -> str:
    if entry is found:
        return "taken"
    if entry.hosts and not any(_host_fits(host, asked.host) for host in entry.hosts):
        return f"not for the host {asked.host or '(none)'}"
    for name, value in entry.headers.items():
        if asked.headers.get(name) != value:
            return f"wants the header {name}: {value}"
    if entry.methods and asked.method not in entry.methods:
        return f"not for the method {asked.method}"
    return "matches too, but another is more specific"


def _host_fits(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
