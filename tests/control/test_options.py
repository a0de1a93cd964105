"""The options that both doors share."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.options import START_OPTIONS, StartOptions, UsageFault, start_options

NOTHING: dict[str, Any] = {option.name: None for option in START_OPTIONS}


def made(**said: object) -> StartOptions:
    """Options from words, with underscores for dashes."""
    words = {name.replace("_", "-"): value for name, value in said.items()}
    return start_options({**NOTHING, **words}, {"STATE_DIRECTORY": "/var/lib/x"})


class StartOptionsTests(SynchronousTestCase):
    """`start_options`."""

    def test_nothing_said(self) -> None:
        """Without a word, everything is at its default and nothing unsigned may run."""
        self.assertEqual(made(), StartOptions(config=None, state_dir="/var/lib/x"))
        self.assertFalse(made().dev)

    def test_all_said(self) -> None:
        """Each word gets to its place, and paths are absolute, because twistd changes its folder."""
        found = made(
            port="0", config="routes.yaml", admin_port="9180", workers="0", state_dir="s", dev=1, environment="e"
        )
        here = os.getcwd()
        self.assertEqual(
            found,
            StartOptions(
                config=f"{here}/routes.yaml", state_dir=f"{here}/s", port=0, admin_port=9180, environment="e", dev=True
            ),
        )

    def test_later_names_are_refused(self) -> None:
        """What a later version delivers is refused by name, never accepted and ignored."""
        for said in ({"trust": "root.yaml"}, {"workers": "auto"}, {"workers": "2"}):
            with self.subTest(said=said):
                fault = self.assertRaises(UsageFault, made, **said)
                self.assertIn("not in this version", str(fault))

    def test_workers_in_words(self) -> None:
        """What is no number of processes is not said to be a later version's."""
        for word in ("x", "-1", "", "1.5"):
            fault = self.assertRaises(UsageFault, made, workers=word)
            self.assertIn(f"--workers {word} is no number of processes", str(fault))

    def test_workers_0_and_1(self) -> None:
        """Both are this version's one process."""
        self.assertEqual(made(workers="0"), made(workers="1"))

    @given(st.text(max_size=8))
    def test_ports(self, word: str) -> None:
        """A port is a decimal number from 0 to 65535; anything else is a fault that names the option."""
        try:
            port = made(port=word).port
        except UsageFault as fault:
            self.assertIn("--port", str(fault))
        else:
            self.assertIsNotNone(port)
            self.assertEqual(int(word), port)
            self.assertLess(int(word), 65536)

    def test_bad_ports(self) -> None:
        """Signs, fractions, other digits and too large numbers are no ports."""
        for word in ("", "-1", "65536", "8080 ", "0x50", "80.0", "٣", "9" * 40):
            with self.subTest(word=word):
                self.assertRaises(UsageFault, made, admin_port=word)
