"""`python -m hmsgw`: the same as `hms-gateway`.

Knows: nothing but where `main` is. Refuses to know: commands.
"""

from __future__ import annotations

import sys

from hmsgw.cli import main

if __name__ == "__main__":
    sys.exit(main())
