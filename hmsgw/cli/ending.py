"""How a command ends when it can't do what it was asked to.

Knows: the exit codes of the contract (section 2); 78, of a start that is refused, is the doors' own (`tap`). Refuses to
know: commands.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class Failed(Exception):
    """str() is one sentence that says what to do next."""

    def __init__(self, sentence: str, code: int = EXIT_FAILED) -> None:
        super().__init__(sentence)
        self.code = code
