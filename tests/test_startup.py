"""What may run here at all, before anything is started."""

from __future__ import annotations

import os
from typing import Any

from hmsgw.config.faults import Refused
from hmsgw.control.options import StartOptions, UsageFault
from hmsgw.startup import check_policy, read
from tests.assembled import LISTEN, GatewayCase


class PolicyTests(GatewayCase):
    """`check_policy`, `read`."""

    def options(self, **how: Any) -> StartOptions:
        return StartOptions(**{"config": None, "state_dir": self.folder, "dev": True, **how})

    def test_environment(self) -> None:
        """A file for another environment is refused with its name; one that names none runs anywhere."""
        staging = self.read("environment: staging\n")
        error = self.assertRaises(Refused, check_policy, staging, self.options(environment="prod"))
        self.assertIn("routes.yaml:4:14: ", str(error.faults[0]))
        check_policy(staging, self.options(environment="staging"))
        check_policy(staging, self.options())
        check_policy(self.read("routes: []\n"), self.options(environment="prod"))

    def test_port_beside_listeners(self) -> None:
        """--port beside `listeners:` is a mistake that is told, not a silent choice."""
        candidate = self.read("routes: []\n")
        self.assertRaises(UsageFault, check_policy, candidate, self.options(port=8443))
        check_policy(candidate, self.options())

    def test_read(self) -> None:
        """--port is the built-in listener's; without it 8080."""
        for port, expected in ((8443, 8443), (0, 0), (None, 8080)):
            (listener,) = read(None, self.options(port=port), {}, None).listeners
            self.assertEqual(expected, listener.port)

    def test_faults_of_all_rooms(self) -> None:
        """A file's faults are told with their places, whichever room finds them."""
        path = os.path.join(self.folder, "bad.yaml")
        with open(path, "w") as file:
            file.write(LISTEN + "routes:\n  - {path: /a, service: s, plugins: [nothing-such]}\n")
        error = self.assertRaises(Refused, read, path, self.options(), {}, None)
        self.assertIn("bad.yaml:5:", str(error.faults[0]))
