"""Addresses of documents that trust rests on.

Knows: which URLs can be fetched, and which of those nobody in between can answer. Refuses to know: how to fetch.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def names_a_host(url: str) -> bool:
    """Whether `url` is one that can be fetched: http or https, a host, no password, nothing unprintable."""
    try:
        parts = urlsplit(url)
        fetchable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return fetchable and parts.username is None and url.isascii() and url.isprintable() and " " not in url


def is_private_enough(url: str) -> bool:
    """Whether nobody on the network can change what `url` answers: https, or http to this host itself."""
    if not names_a_host(url):
        return False
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
