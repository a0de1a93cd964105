"""ip-filter: who may pass, against a model that asks every network in turn."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.plugins.ip_filter import IpFilter, Settings, verify
from hmsgw.testing import FakeRequest


def serves(host: str, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> bool:
    return IpFilter(Settings(allow=allow, deny=deny)).serves(host)


class IpFilterTests(SynchronousTestCase):
    def test_allow(self) -> None:
        """With `allow`, only these pass."""
        allow = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")
        for host in ("10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::"):
            self.assertTrue(serves(host, allow), host)
        for host in ("9.255.255.255", "11.0.0.0", "192.0.2.8", "2001:db9::"):
            self.assertFalse(serves(host, allow), host)

    def test_deny(self) -> None:
        """With `deny` alone, all others pass."""
        self.assertFalse(serves("10.1.2.3", deny=("10.0.0.0/8",)))
        self.assertTrue(serves("11.1.2.3", deny=("10.0.0.0/8",)))
        self.assertTrue(serves("::1", deny=("0.0.0.0/0",)))

    def test_deny_wins(self) -> None:
        """An address in both lists is refused, whichever network is narrower."""
        self.assertFalse(serves("10.1.2.3", ("10.1.2.3/32",), ("10.0.0.0/8",)))
        self.assertFalse(serves("10.1.2.3", ("10.0.0.0/8",), ("10.1.2.3/32",)))

    def test_mapped(self) -> None:
        """IPv4-mapped addresses and networks are IPv4."""
        self.assertFalse(serves("::ffff:10.1.2.3", deny=("10.0.0.0/8",)))
        self.assertFalse(serves("10.1.2.3", deny=("::ffff:10.0.0.0/104",)))
        self.assertFalse(serves("::ffff:10.1.2.3", ("::/0",)))

    def test_unreadable(self) -> None:
        """What is no address is refused, also where only some are denied."""
        arabic = "\N{ARABIC-INDIC DIGIT ONE}0.0.0.1"
        for host in ("", "unix", "10.0.0.1.5", "999.1.1.1", "10.0.0.1/8", "010.0.0.1", arabic):
            self.assertFalse(serves(host, deny=("192.0.2.0/24",)), host)

    def test_zone(self) -> None:
        """A zone does not hide an address."""
        self.assertFalse(serves("fe80::1%eth0", deny=("fe80::/10",)))

    def test_refusal(self) -> None:
        """A refusal is 403 forbidden and does not say why."""
        error = self.assertRaises(HTTPError, IpFilter(Settings(deny=("0.0.0.0/0",))).run, FakeRequest())
        self.assertEqual((error.status, error.reason), (403, "forbidden"))
        self.assertNotIn("192.0.2.1", error.message or "")

    def test_explain(self) -> None:
        """It says what would become of the address."""
        step = IpFilter(Settings(deny=("192.0.2.0/24",)))
        self.assertEqual(step.explain(FakeRequest()), "192.0.2.1 would be refused: 403 forbidden")
        self.assertEqual(step.explain(FakeRequest(client="10.0.0.1")), "10.0.0.1 would pass")

    def test_empty(self) -> None:
        """Two empty lists refuse to load: an access list with a slip in it must not let everybody in."""
        self.assertRaises(OptionError, verify, Settings())
        verify(Settings(allow=("10.0.0.0/8",)))

    @given(
        st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32), st.booleans()), max_size=12),
        st.integers(0, 255),
    )
    def test_model(self, networks: list[tuple[int, int, bool]], last: int) -> None:
        """However lists overlap, the answer is that of asking each network in turn."""
        spelled = [(str(ipaddress.ip_network(f"10.0.0.{at}/{bits}", strict=False)), yes) for at, bits, yes in networks]
        allow = tuple(text for text, yes in spelled if yes)
        deny = tuple(text for text, yes in spelled if not yes)
        address = ipaddress.ip_address(f"10.0.0.{last}")
        inside = [any(address in ipaddress.ip_network(text) for text in texts) for texts in (allow, deny)]
        self.assertEqual(serves(str(address), allow, deny), not inside[1] and (not allow or inside[0]))
