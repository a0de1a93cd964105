"""`hms-gateway token`."""

from __future__ import annotations

import os
import tempfile
from typing import Any
from unittest import mock

import jwt
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.cli.token import mint
from hmsgw.control.state import StateFolder
from tests.cli.running import Ran, run


class TokenTests(SynchronousTestCase):
    """The development key's tokens."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = StateFolder(scratch.name)

    def token(self, *words: str) -> Ran:
        return run("token", "--state-dir", self.folder.path, *words)

    def claims(self, ran: Ran) -> dict[str, Any]:
        self.assertEqual((ran.code, ran.err), (0, ""))
        found: dict[str, Any] = jwt.decode(ran.out.strip(), self.folder.dev_secret(), algorithms=["HS256"])
        return found

    def test_token(self) -> None:
        """It is signed with the key of that directory, and carries subject, scopes and its end."""
        self.folder.dev_secret()
        claims = self.claims(self.token("--sub", "jo", "--scope", "a", "--scope", "b", "--ttl", "5m"))
        self.assertEqual((claims["sub"], claims["scope"], claims["exp"] - claims["iat"]), ("jo", "a b", 300))
        self.assertEqual(set(self.claims(self.token())), {"sub", "iat", "exp"})

    def test_outside_dev(self) -> None:
        """Where the gateway runs without --dev there is none, even if a key was left from an earlier start."""
        self.assertIn("--dev", self.token().err)
        self.folder.dev_secret()
        self.folder.keep_accepted({"dev": False})
        self.assertEqual(self.token().code, 1)
        self.folder.keep_accepted({"dev": True})
        self.assertEqual(self.token().code, 0)

    def test_no_gateway(self) -> None:
        """Where none ever ran, that is what is said."""
        ran = run("token", "--state-dir", "/nonexistent")
        self.assertEqual(ran.code, 1)
        self.assertIn("no gateway has run with the state directory /nonexistent", ran.err)

    def test_variable(self) -> None:
        """Where $HMSGW_JWT_SECRET takes the development key's place it signs, or it is said that it has to be set."""
        self.folder.dev_secret()
        self.folder.keep_accepted({"dev": True, "key": "HMSGW_JWT_SECRET"})
        with mock.patch.dict(os.environ):
            os.environ.pop("HMSGW_JWT_SECRET", None)
            ran = self.token()
            self.assertEqual((ran.code, "set the same here" in ran.err), (1, True))
            os.environ["HMSGW_JWT_SECRET"] = "v" * 32
            jwt.decode(self.token().out.strip(), "v" * 32, algorithms=["HS256"])
            self.folder.keep_accepted({"dev": True, "key": "HMSGW_JWT_PUBLIC_KEY"})
            ran = self.token()
            self.assertEqual((ran.code, "start it without $HMSGW_JWT_PUBLIC_KEY" in ran.err), (1, True))

    def test_ttl(self) -> None:
        """A duration that is none is a usage error."""
        self.folder.dev_secret()
        for word in ("", "5", "0s", "-1h", "1w", "m", "1.5h"):
            with self.subTest(word=word):
                self.assertEqual(self.token(f"--ttl={word}").code, 2)

    def test_mint(self) -> None:
        """Times are whole seconds."""
        token = mint("s" * 32, "jo", [], 1000.9, 60)
        claims = jwt.decode(token, "s" * 32, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
        self.assertEqual(claims, {"sub": "jo", "iat": 1000, "exp": 1060})
