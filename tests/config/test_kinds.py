"""Each kind: what it takes, what it becomes, what it refuses."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config import kinds
from hmsgw.config.kinds import Kind, Unfit
from hmsgw.config.places import Where
from hmsgw.config.values import Scalar, plain
from tests.config.arrange import value


class KindCase(SynchronousTestCase):
    def takes(self, kind: Kind, written: dict[str, Any]) -> None:
        """Each text becomes its value, and the schema takes it too (as an editor sees it)."""
        for source, becomes in written.items():
            found = value(source)
            self.assertEqual(kind.parse(found), becomes, source)
            Draft202012Validator(kind.schema()).validate(plain(found, lambda *_: None))

    def refuses(self, kind: Kind, *written: str, words: str = "") -> None:
        for source in written:
            with self.assertRaisesRegex(Unfit, words, msg=source):
                kind.parse(value(source))


class DurationTests(KindCase):
    def test_units(self) -> None:
        """ms, s, m, h, d; whole or broken."""
        self.takes(kinds.Duration(), {"250ms": 0.25, "2s": 2.0, "5m": 300.0, "1h": 3600.0, "1d": 86400.0, "1.5s": 1.5})

    def test_unit_is_needed(self) -> None:
        """A bare number could be seconds or milliseconds, so the message says how to say it."""
        self.refuses(kinds.Duration(), "30", "1.5", words="for example")
        self.refuses(kinds.Duration(), "2 s", "2S", "-2s", "1h30m", "s", "1e3s", "2min", "٢s", "off", "true")

    def test_zero(self) -> None:
        """No time at all is taken only where it makes sense."""
        self.refuses(kinds.Duration(), "0s", "0ms", "0")
        self.takes(kinds.Duration(zero=True), {"0s": 0.0})
        self.assertEqual(kinds.Duration(zero=True).parse(value("0")), 0.0)

    def test_bounded(self) -> None:
        """Nothing waits longer than a year."""
        self.refuses(kinds.Duration(), "400d", "999999999h", words="year")

    def test_words(self) -> None:
        """A subclass may know words for some durations."""

        class Period(kinds.Duration):
            words = {"minute": 60.0}

        self.takes(Period(), {"minute": 60.0, "5s": 5.0})
        self.refuses(Period(), "hour", words="one of minute")


class SizeTests(KindCase):
    def test_units(self) -> None:
        """B, KiB, MiB, GiB, TiB, or a plain number of bytes."""
        self.takes(kinds.Size(), {"512B": 512, "64KiB": 65536, "10MiB": 10485760, "1GiB": 2**30, "7": 7, "0": 0})

    def test_refused(self) -> None:
        """No decimal units that two people read differently, nothing below the minimum."""
        self.refuses(kinds.Size(), "64KB", "64k", "64kb", "1.5MiB", "-1", "1 MiB", "off", "9999999999TiB")
        self.refuses(kinds.Size(1024), "1023B", words="at least 1024 bytes")

    @given(st.integers(0, 2**33), st.sampled_from(["B", "KiB", "MiB"]))
    def test_exact(self, number: int, unit: str) -> None:
        """A size is exactly its number times its unit."""
        self.assertEqual(kinds.Size().of_text(f"{number}{unit}"), number * 1024 ** ["B", "KiB", "MiB"].index(unit))


class NumberTests(KindCase):
    def test_count(self) -> None:
        """Whole numbers of YAML, from the least to the most, quoted or not."""
        self.takes(kinds.Count(1, 20), {"1": 1, "20": 20, "0x10": 16, "0o7": 7})
        self.assertEqual(kinds.Count().parse(value("'5'")), 5)
        self.refuses(kinds.Count(1, 20), "0", "21", "-1", words="from 1 to 20")
        self.refuses(kinds.Count(1), "0", words="1 or more")
        self.refuses(kinds.Count(), "1.0", "1e3", "true", "many", "[1]", "~", "9" * 30, "1_000")

    def test_port(self) -> None:
        """0 to 65535."""
        self.takes(kinds.Port(), {"0": 0, "65535": 65535})
        self.refuses(kinds.Port(), "65536", "-1", "http")

    def test_percent(self) -> None:
        """20% is a fifth; a bare number is not guessed at."""
        self.takes(kinds.Percent(), {"20%": 0.2, "0%": 0.0, "100%": 1.0, "12.5%": 0.125})
        self.refuses(kinds.Percent(), "20", "0.2", "101%", "-1%", "'%'")


class WordTests(KindCase):
    def test_choice(self) -> None:
        """One of the words; numbers by the way they are written."""
        self.takes(kinds.Choice("a", "b"), {"a": "a"})
        self.assertEqual(kinds.Choice("1.2", "1.3").parse(value("1.2")), "1.2")
        self.refuses(kinds.Choice("a", "b"), "c", "A", words="write a or b")
        self.refuses(kinds.Choice("a"), "c", words="write a$")

    def test_choice_later(self) -> None:
        """A word of another version is refused as such, not as unknown."""
        self.refuses(kinds.Choice("consul", later=("dns",)), "dns", words="`dns` is not in this version; write consul")

    def test_off(self) -> None:
        """false stands for the word off where off is one of the words, and nowhere else."""
        self.takes(kinds.Choice("off", "required"), {"off": "off", "false": "off", "'off'": "off"})
        self.refuses(kinds.Choice("a"), "false", "off")

    def test_word(self) -> None:
        """Names are letters, digits, dot, dash, underscore."""
        self.takes(kinds.Word(), {"clinic-registry": "clinic-registry", "a.b_c": "a.b_c"})
        self.assertEqual(kinds.Word().parse(value("42")), "42")
        self.refuses(kinds.Word(), "a b", "-a", "''", "a/b", "é", "'a\n'", "x" * 129)

    def test_text(self) -> None:
        """A text is what is written, be it a number elsewhere."""
        self.takes(kinds.Text(), {"1.10": "1.10", "true": "true", "''": "", "a b": "a b"})
        self.refuses(kinds.Text(), "~", "[]", "{}")
        self.refuses(kinds.Text(), "a" * 1_100_000, words="a million")

    def test_secret(self) -> None:
        """A secret is a text, and its schema says that it is one."""
        self.takes(kinds.Secret(), {"hunter2": "hunter2"})
        self.assertTrue(kinds.Secret().schema()["writeOnly"])


class FieldTests(KindCase):
    def test_names(self) -> None:
        """Tokens, in the case that is wanted."""
        self.takes(kinds.FieldName(), {"X-Served-By": "X-Served-By"})
        self.takes(kinds.FieldName(lower=True), {"X-Served-By": "x-served-by"})
        self.takes(kinds.FieldName(upper=True), {"get": "GET", "M-SEARCH": "M-SEARCH"})
        self.refuses(kinds.FieldName(), "a b", "'a:'", "''", "é", "'a\n'", words="no name of a header field")
        self.refuses(kinds.FieldName(upper=True), "G T", words="no HTTP method")

    def test_values(self) -> None:
        """No control character gets into a field; blanks around it are not part of it."""
        self.takes(kinds.FieldValue(), {"' a\tb '": "a\tb", "2": "2", "é": "é"})
        self.refuses(kinds.FieldValue(), '"a\\r\\nX: y"', '"\\0"', '"a\\nb"', words="control character")


class FileTests(KindCase):
    def test_path(self) -> None:
        """A path is not empty and holds no NUL."""
        self.takes(kinds.FilePath(), {"tls/a.pem": "tls/a.pem"})
        self.refuses(kinds.FilePath(), "''", '"a\\0b"', "[a]", "x" * 5000)

    def test_secrets_are_not_governed(self) -> None:
        """Signatures never cover a secret file."""
        self.assertFalse(kinds.FilePath(secret=True).governed)
        self.assertTrue(kinds.FilePath().governed)


class PlainDictTests(KindCase):
    def test_plain(self) -> None:
        """A mapping as it is; a number in it that can't be held is told at its own place."""
        self.takes(kinds.PlainDict(), {"{a: 1, b: [x]}": {"a": 1, "b": ["x"]}})
        self.refuses(kinds.PlainDict(), "a", "[a]")
        with self.assertRaises(Unfit) as caught:
            kinds.PlainDict().parse(value("{a: 1, b: 1e999}"))
        self.assertEqual(caught.exception.where, Where("f.yaml", 1, 11))


class AnyTextTests(SynchronousTestCase):
    @given(st.text(max_size=30), st.booleans())
    def test_unfit_or_parsed(self, text: str, is_plain: bool) -> None:
        """No kind does anything else with a text than take it or say what is wrong, on one line."""
        found = Scalar(text, Where("f", 1, 1), is_plain)
        for kind in (
            kinds.Address(), kinds.Cidr(), kinds.Count(), kinds.Duration(), kinds.FieldName(), kinds.FilePath(),
            kinds.FieldValue(), kinds.HostPattern(), kinds.Percent(), kinds.Port(), kinds.RoutePath(), kinds.Secret(),
            kinds.Size(), kinds.Text(), kinds.Url("http"), kinds.Url("http", "https", bare=True), kinds.Word(),
            kinds.Choice("a"), kinds.PlainDict(),
        ):  # fmt: skip
            try:
                kind.parse(found)
            except Unfit as unfit:
                self.assertNotIn("\n", str(unfit))
