"""Real servers beside the gateway: nginx, HAProxy.

Knows: where they are installed, that one ends with its test, when it listens. Refuses to know: how any is configured.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.running import eventually


def installed(case: SynchronousTestCase, name: str) -> str:
    """The program's path. Skips the test where there is none."""
    path = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if path is None:
        case.skipTest(f"{name} is not installed")
    return str(path)


def run(case: SynchronousTestCase, name: str, folder: str, text: str, port: int) -> None:
    """Run it on this configuration until the test ends. Returns when the port accepts. folder: it works there, and what
    it says is in the file `said`."""
    path = installed(case, name)
    config = os.path.join(folder, "config")
    with open(config, "w", encoding="ascii") as file:
        file.write(text)
    words = ["-p", folder, "-c", config] if name == "nginx" else ["-db", "-f", config]
    with open(os.path.join(folder, "said"), "wb") as said:
        child = subprocess.Popen([path, *words], stdout=said, stderr=said, cwd=folder)
    case.addCleanup(child.wait)
    case.addCleanup(child.kill)

    def listens() -> bool:
        assert child.poll() is None, f"{name} ended; see {folder}/said"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    eventually(f"{name} listens", listens)
