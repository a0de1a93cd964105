"""Shorthand: what the tutorial writes, and what is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.shorthand import expand


class ExpandTests(SynchronousTestCase):
    def test_tutorial(self) -> None:
        """rate is per minute, quota per day."""
        self.assertEqual(expand("rate-60ip"), ("rate", {"limit": 60, "per": "minute", "key": "ip"}))
        self.assertEqual(expand("quota-1000user"), ("quota", {"limit": 1000, "per": "day", "key": "user"}))

    @given(st.sampled_from(["rate", "quota"]), st.integers(1, 999_999_999),
           st.sampled_from(["ip", "user", "key", "route", "all"]))  # fmt: skip
    def test_all_of_them(self, plugin: str, limit: int, key: str) -> None:
        """Each plugin takes each limit and each key."""
        found = expand(f"{plugin}-{limit}{key}")
        assert found is not None
        self.assertEqual((found[0], found[1]["limit"], found[1]["key"]), (plugin, limit, key))

    def test_none(self) -> None:
        """Near misses are not guessed at."""
        for name in ("rate", "rate-ip", "rate-0ip", "rate-060ip", "rate-60", "rate-60IP", "rate-60 ip", "rate-60host",
                     "burst-60ip", "rate--1ip", "rate-60ip\n", "rate-9999999999ip", "rate-٦٠ip"):  # fmt: skip
            self.assertIsNone(expand(name), name)
