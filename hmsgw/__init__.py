"""hms-gateway: the one door in front of an agency's services, with one set of rules.

Knows: the version, and the two names that a drop-in plugin may import from here. Refuses to know: everything else, so
that `import hmsgw` installs no reactor and costs nothing.
"""

from __future__ import annotations

from hmsgw.chain.api import HTTPError as HTTPError
from hmsgw.chain.api import Response as Response

__version__ = "0.1.0"
