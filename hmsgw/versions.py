"""What this gateway is made of, for people and for `gateway_build_info`.

Knows: where versions are found. Refuses to know: whether they are new enough (the installer sees to that).
"""

from __future__ import annotations

import platform
import ssl

import twisted

from hmsgw import __version__
from hmsgw.telemetry.exposition import Build


def build_info() -> Build:
    """For the metric."""
    return Build(__version__, twisted.__version__, ssl.OPENSSL_VERSION)


def version_line() -> str:
    """For `hms-gateway --version`."""
    return (
        f"hms-gateway {__version__} (Python {platform.python_version()}, Twisted {twisted.__version__}, "
        f"{ssl.OPENSSL_VERSION})"
    )
