"""What may run."""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.governance.policy import (
    check_command,
    list_command,
    next_command,
    notice_of_dev,
    refusal_of_environment,
    refusal_of_unsigned,
    reload_command,
)


class PolicyTests(SynchronousTestCase):
    """The rules of this version."""

    def test_unsigned(self) -> None:
        """Nothing unsigned runs, but under --dev."""
        self.assertIn("routes.yaml is not signed", refusal_of_unsigned("/etc/x/routes.yaml", dev=False) or "")
        self.assertIsNone(refusal_of_unsigned("/etc/x/routes.yaml", dev=True))

    def test_next_command(self) -> None:
        """The command can be pasted into a shell as it is, whatever the file's name."""
        command = next_command("/tmp/it's mine/routes.yaml", state_dir="/s t", port=None)
        self.assertEqual(
            shlex.split(command),
            ["hms-gateway", "start", "--dev", "--config", "/tmp/it's mine/routes.yaml", "--state-dir", "/s t"],
        )
        self.assertEqual(next_command("r.yaml"), "hms-gateway start --dev --config r.yaml")

    def test_next_command_is_like_the_first(self) -> None:
        """It keeps what the gateway was started with; `check` is asked as the host it is for."""
        self.assertEqual(
            next_command("r.yaml", state_dir="/s", port=0, admin_port=9181, environment="prod"),
            "hms-gateway start --dev --config r.yaml --state-dir /s --port 0 --admin-port 9181 --environment prod",
        )
        self.assertEqual(check_command("r.yaml", "prod"), "hms-gateway check r.yaml --environment prod")
        self.assertEqual(check_command("r.yaml", None), "hms-gateway check r.yaml")
        self.assertEqual(list_command("/s t/r.yaml"), "ls '/s t'")
        self.assertEqual(list_command("r.yaml"), "ls .")
        self.assertEqual(reload_command("r.yaml", "/s"), "hms-gateway reload r.yaml --state-dir /s")

    def test_environment(self) -> None:
        """A configuration for another environment is refused; one that names none, or a host without a name, is not."""
        self.assertIn("prod", refusal_of_environment("prod", "test") or "")
        for named, of_host in ((None, "test"), ("prod", None), ("prod", "prod"), (None, None)):
            self.assertIsNone(refusal_of_environment(named, of_host))

    def test_notice(self) -> None:
        """--dev says what it does, with a file and without."""
        self.assertIn("routes.yaml runs unsigned", notice_of_dev("/x/routes.yaml", None))
        self.assertIn("configurations run unsigned, and tokens of the development key", notice_of_dev(None, None))
        with_a_variable = notice_of_dev(None, "HMSGW_JWT_SECRET")
        self.assertIn("$HMSGW_JWT_SECRET is the key of tokens", with_a_variable)
        self.assertNotIn("development key", with_a_variable)
