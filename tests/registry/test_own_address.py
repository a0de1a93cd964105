"""Which addresses are this host's."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.registry.own_address import is_own_address


class OwnAddressTests(SynchronousTestCase):
    def test_loopback(self) -> None:
        """Every loopback address is."""
        self.assertTrue(is_own_address("127.0.0.1"))

    def test_others(self) -> None:
        """Addresses for documentation belong to nobody; what is no address is not ours either."""
        for address in ("192.0.2.1", "2001:db8::1", "999.1.1.1"):
            self.assertFalse(is_own_address(address), address)
