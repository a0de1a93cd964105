"""Where a registry can't aim the gateway."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.registry.guards import Guard


class GuardTests(SynchronousTestCase):
    def refused(self, guard: Guard, *hosts: str, port: int = 80) -> None:
        for host in hosts:
            self.assertIsNotNone(guard.refusal(host, port), host)

    def allowed(self, guard: Guard, *hosts: str, port: int = 80) -> None:
        for host in hosts:
            self.assertIsNone(guard.refusal(host, port), host)

    def test_usual(self) -> None:
        """Private, public and loopback addresses, and names."""
        self.allowed(Guard(), "10.0.5.9", "192.168.1.1", "8.8.8.8", "127.0.0.1", "::1", "2001:db8::1", "fd00::1",
                     "clinics.internal", "localhost", "a.1b.c2", "0xcafe.example")  # fmt: skip

    def test_never(self) -> None:
        """Metadata, link-local, multicast, unspecified: refused in every form, whatever is allowed."""
        for guard in (Guard(), Guard(["0.0.0.0/0", "::/0"])):
            self.refused(
                guard,
                "169.254.169.254", "169.254.1.1", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
                "224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "0.0.0.0", "0.1.2.3", "::",
                "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
                "::169.254.169.254",
                "::ffff:0.0.0.0", "metadata.google.internal", "Metadata.Google.Internal.",
            )  # fmt: skip

    def test_unusual_forms(self) -> None:
        """What a resolver would read as an address though it does not look like one."""
        self.refused(
            Guard(), "0xa9fea9fe", "0xA9FEA9FE", "2852039166", "169.254.43518", "0251.0376.0251.0376", "a9.0xfe"
        )

    def test_allow_networks(self) -> None:
        """With a list, only what is in it; loopback and names too."""
        guard = Guard(["10.0.0.0/8", "2001:db8::/32"])
        self.allowed(guard, "10.0.5.9", "::ffff:10.0.5.9", "2001:db8::1")
        self.refused(guard, "127.0.0.1", "::1", "192.168.1.1", "localhost", "clinics.internal", "2001:db9::1")
        self.allowed(Guard(["127.0.0.0/8"]), "localhost", "127.0.0.1")

    def test_own_listeners(self) -> None:
        """The gateway does not become its own upstream; other ports of this host may."""
        guard = Guard(own=lambda: [("10.0.0.1", 8443), ("::1", 9180)])
        self.refused(guard, "10.0.0.1", "::ffff:10.0.0.1", port=8443)
        self.refused(guard, "::1", port=9180)
        self.allowed(guard, "10.0.0.1", "10.0.0.2", port=8080)
        self.allowed(guard, "10.0.0.2", port=8443)

    def test_own_wildcard(self) -> None:
        """A listener on all addresses is reached by every address of this host."""
        for wildcard in ("::", "0.0.0.0"):
            guard = Guard(
                own=lambda address=wildcard: [(address, 8443)], is_own_address=lambda host: host == "10.0.0.1"
            )
            self.refused(guard, "127.0.0.1", "127.1.2.3", "::1", "localhost", "10.0.0.1", port=8443)
            self.allowed(guard, "10.0.0.2", port=8443)
            self.allowed(guard, "127.0.0.1", "10.0.0.1", port=8080)

    def test_own_now(self) -> None:
        """A listener that a reload brings is refused from then on."""
        own: list[tuple[str, int]] = []
        guard = Guard(own=lambda: own)
        self.allowed(guard, "127.0.0.1", port=8443)
        own.append(("0.0.0.0", 8443))
        self.refused(guard, "127.0.0.1", port=8443)

    @given(st.ip_addresses(v=4, network="169.254.0.0/16"))
    def test_wrapped(self, address: object) -> None:
        """A link-local address is refused however it is wrapped into IPv6."""
        value = int(address)  # type: ignore[call-overload]
        high, low = f"{value >> 16:x}", f"{value & 0xFFFF:x}"
        self.refused(
            Guard(), f"::ffff:{high}:{low}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::1", f"::{high}:{low}"
        )
