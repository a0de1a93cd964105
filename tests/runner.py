"""Run test modules under trial, on the reactor that a gateway would choose, and write down how it went.

`python -m tests.runner RESULT NAME...`: RESULT is a file that gets `{"passed": n, "failed": n, "skipped": n}`, counted
from trial's own result object. Exit code 0 when nothing failed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from hmsgw.tap import choose_reactor

choose_reactor(os.environ)

from twisted.trial.reporter import TextReporter  # noqa: E402
from twisted.trial.runner import TestLoader, TestSuite, TrialRunner  # noqa: E402


def counts(result: Any) -> dict[str, int]:
    """A test that failed and then failed to clean up is one that failed."""
    unexpected = [test for test, *_ in result.unexpectedSuccesses]
    failed = {test.id() for test in (*(test for test, _ in (*result.failures, *result.errors)), *unexpected)}
    return {"passed": result.successes, "failed": len(failed), "skipped": len(result.skips)}


def main(result_file: str, names: list[str]) -> int:
    """Run the modules and packages of these names."""
    loader = TestLoader()
    suite = TestSuite([loader.loadByName(name, recurse=True) for name in names])
    runner = TrialRunner(TextReporter, workingDirectory="_trial_temp", realTimeErrors=True)
    counted = counts(runner.run(suite))
    with open(result_file, "w", encoding="utf-8") as file:
        json.dump(counted, file)
    return 1 if counted["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
