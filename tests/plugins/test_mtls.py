"""mtls: who passes by which certificate, and what the upstream is told."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.limits.callers import caller
from hmsgw.plugins.mtls import Mtls, Settings, build, verify
from hmsgw.testing import FakeRequest
from hmsgw.transport.client_certificate import ClientCertificate, read_client_certificate
from tests.transport.minting import authority, mint

CLERK = read_client_certificate(mint("clerk", ["desk.example.gov", "192.0.2.7"], authority()).der)


def plugin(**options: Any) -> Mtls:
    settings = Settings(**options)
    verify(settings)
    return build(settings, None, None)  # type: ignore[arg-type]


class MtlsCase(SynchronousTestCase):
    def passes(self, certificate: Any = CLERK, **options: Any) -> bool:
        try:
            plugin(**options).run(FakeRequest(certificate=certificate))
        except HTTPError as error:
            self.assertEqual((403, "forbidden"), (error.status, error.reason))
            return False
        return True


class ListTests(MtlsCase):
    """Who may pass."""

    def test_none_shown(self) -> None:
        """Without a certificate, or behind a proxy that ends TLS: 401, with a challenge as RFC 9110 wants one."""
        error = self.assertRaises(HTTPError, plugin().run, FakeRequest())
        self.assertEqual((401, "unauthenticated"), (error.status, error.reason))
        self.assertIn("WWW-Authenticate", error.headers)

    def test_no_list(self) -> None:
        """Without a list, whoever the authorities vouch for."""
        self.assertTrue(self.passes())

    def test_lists(self) -> None:
        """One match in any list is enough; a name counts only as the kind that it is."""
        self.assertTrue(self.passes(subjects=("CN=other", "CN=clerk")))
        self.assertTrue(self.passes(subjects=("CN=other",), sans=("DNS:Desk.example.gov",)))
        self.assertTrue(self.passes(sans=("IP:192.0.2.7",)))
        self.assertTrue(self.passes(fingerprints=(CLERK.fingerprint.upper(),)))
        colons = ":".join(CLERK.fingerprint[n : n + 2] for n in range(0, 64, 2))
        self.assertTrue(self.passes(fingerprints=(colons,)))
        for lists in (
            {"subjects": ("CN=clerk,O=x",)}, {"subjects": ("CN=CLERK",)}, {"sans": ("URI:desk.example.gov",)},
            {"sans": ("DNS:example.gov",)}, {"sans": ("DNS:192.0.2.7",)}, {"fingerprints": ("0" * 64,)},
            {"sans": ("email:desk.example.gov",)},
        ):  # fmt: skip
            self.assertFalse(self.passes(**lists), lists)

    def test_wildcards(self) -> None:
        """`DNS:*.` is one label of ours; a client's own wildcard is a name like any other."""
        self.assertTrue(self.passes(sans=("DNS:*.example.gov",)))
        deep = read_client_certificate(mint("x", ["a.desk.example.gov", "example.gov", "*.gov"], authority()).der)
        self.assertFalse(self.passes(deep, sans=("DNS:*.example.gov",)))
        wild = read_client_certificate(mint("x", ["*.example.gov"], authority()).der)
        self.assertFalse(self.passes(wild, sans=("DNS:desk.example.gov",)))
        self.assertTrue(self.passes(wild, sans=("DNS:*.example.gov",)))

    def test_many(self) -> None:
        """What is kept of certificates does not grow without bound."""
        step = plugin()
        self.patch(__import__("hmsgw.plugins.mtls", fromlist=["x"]), "_MAX_KEPT", 3)
        for n in range(10):
            shown = ClientCertificate(f"CN={n}", "CN=ca", "1", f"{n:064}", (), CLERK.not_before, CLERK.not_after, b"")
            step.run(FakeRequest(certificate=shown))
        self.assertLessEqual(len(step._judged), 3)


class TellTests(MtlsCase):
    """What of the certificate is told, and to whom."""

    def test_fields(self) -> None:
        """The upstream is told what was asked for; what a client sent in these fields is gone."""
        what = ("subject", "issuer", "serial", "fingerprint", "sans", "not_after", "certificate")
        step = plugin(headers={name: f"X-{name.replace('_', '-')}" for name in what})
        req = FakeRequest(headers=[("x-subject", "CN=root"), ("X-SANS", "DNS:root"), ("A", "1")], certificate=CLERK)
        step.run(req)
        told = {name.lower(): value for name, value in req.headers.items()}
        self.assertEqual(("CN=clerk", "1"), (told["x-subject"], told["a"]))
        self.assertEqual("DNS:desk.example.gov,IP:192.0.2.7", told["x-sans"])
        self.assertEqual(CLERK.fingerprint, told["x-fingerprint"])
        self.assertRegex(told["x-not-after"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(told["x-certificate"], r"^:[A-Za-z0-9+/]+=*:$")
        self.assertEqual(1, len(req.headers.get_all("x-subject")))

    def test_forged(self) -> None:
        """They are gone also where the step then refuses: in shadow mode the request goes on."""
        step = plugin(headers={"subject": "X-Subject"})
        req = FakeRequest(headers={"X-Subject": "CN=root"})
        self.assertRaises(HTTPError, step.run, req)
        self.assertIsNone(req.headers.get("x-subject"))
        self.assertEqual(frozenset({b"x-subject"}), step.owned_fields)

    def test_commas(self) -> None:
        """A name with a comma in it does not look like two."""
        sans = ("URI:http://x,DNS:alice.test", "email:100%,y")
        many = ClientCertificate("CN=a", "CN=ca", "1", "f" * 64, sans, CLERK.not_before, CLERK.not_after, b"")
        req = FakeRequest(certificate=many)
        plugin(headers={"sans": "X-Sans"}).run(req)
        self.assertEqual("URI:http://x%2CDNS:alice.test,email:100%25%2Cy", req.headers["X-Sans"])

    def test_blank_at_the_end(self) -> None:
        """A field can't carry it, and without it the name would be another."""
        blank = ClientCertificate("CN=x\\ ", "CN=ca", "1", "f" * 64, (), CLERK.not_before, CLERK.not_after, b"")
        self.assertFalse(self.passes(blank, headers={"subject": "X-Subject"}))

    def test_hostile_name(self) -> None:
        """A name with a line break in it passes nobody: it would be a field of its own."""
        hostile = ClientCertificate("CN=a\r\nX-Admin: 1", "CN=ca", "1", "f" * 64, (), CLERK.not_before, CLERK.not_after, b"")
        self.assertFalse(self.passes(hostile, headers={"subject": "X-Subject"}))

    def test_user(self) -> None:
        """The holder is the user, under its issuer; who is a user already stays that one."""
        req = FakeRequest(certificate=CLERK)
        plugin().run(req)
        self.assertEqual("CN=clerk", req.user)
        self.assertEqual(("x509:CN=test authority", "CN=clerk"), caller(("user",), 64)(req))
        for known in (FakeRequest(certificate=CLERK, user="jane"), FakeRequest(certificate=CLERK, claims={"iss": "i"})):
            user = known.user
            plugin().run(known)
            self.assertEqual(user, known.user)

    def test_nameless(self) -> None:
        """Two holders without a subject are two users."""
        users = []
        for mark in "ab":
            req = FakeRequest(
                certificate=ClientCertificate("", "CN=ca", "1", mark * 64, (), CLERK.not_before, CLERK.not_after, b"")
            )
            plugin().run(req)
            users.append(req.user)
        self.assertNotEqual(*users)

    def test_explain(self) -> None:
        """`explain` says what would happen."""
        step = plugin(subjects=("CN=clerk",))
        self.assertIn("401", step.explain(FakeRequest()))
        self.assertIn("would pass as user CN=clerk", step.explain(FakeRequest(certificate=CLERK)))
        self.assertIn("403", plugin(subjects=("CN=x",)).explain(FakeRequest(certificate=CLERK)))


class OptionTests(SynchronousTestCase):
    """Options that can't be meant."""

    def test_refused(self) -> None:
        """Each is told with what to write instead."""
        for options, words in (
            ({"sans": ("desk.example.gov",)}, "does not say its kind"),
            ({"sans": ("FASC-N:1",)}, "does not say its kind"),
            ({"sans": ("DNS:",)}, "does not say its kind"),
            ({"sans": ("DNS:a.*.gov",)}, "not its first label"),
            ({"subjects": ("clerk",)}, "distinguished name"),
            ({"fingerprints": ("ab:cd",)}, "64 hexadecimal digits"),
            ({"headers": {"name": "X-Name"}}, "nothing of a certificate"),
            ({"headers": {"subject": "Authorization"}}, "choose a name of your own"),
            ({"headers": {"subject": "X-A", "serial": "x-a"}}, "two claims"),
        ):
            error = self.assertRaises(OptionError, verify, Settings(**options))  # type: ignore[arg-type]
            self.assertIn(words, str(error))

    def test_all_at_once(self) -> None:
        """Every fault is told, each at its own option."""
        error = self.assertRaises(OptionError, verify, Settings(
            sans=("DNS:a.example.gov", "b", "c"), subjects=("clerk",), fingerprints=("ab",),
            headers={"name": "X-Name", "subject": "Authorization"},
        ))  # fmt: skip
        told = [one.option for one in (error, *error.others)]
        self.assertEqual(["sans[1]", "sans[2]", "fingerprints", "subjects", "headers.name", "headers"], told)
