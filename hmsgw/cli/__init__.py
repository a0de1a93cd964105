"""`hms-gateway`: one file a command.

Knows: where `main` is. Refuses to know: commands.
"""

from __future__ import annotations

from hmsgw.cli.dispatch import main as main
