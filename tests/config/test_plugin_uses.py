"""How plugins are named in routes and set up under `plugins:`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import PluginUse
from tests.config.arrange import faults_of, good


def uses(plugins: str) -> tuple[PluginUse, ...]:
    return good(f"routes: [{{path: /, plugins: {plugins}}}]").routes[0].plugins


class UseTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """A name, a name with options, a name with none; a single name may stand for a list of one."""
        found = uses("[jwt, {rate: {limit: 5, per: second}}, {body-limit: }]")
        self.assertEqual([(use.name, use.options) for use in found],
                         [("jwt", None), ("rate", {"limit": 5, "per": "second"}), ("body-limit", None)])  # fmt: skip
        self.assertEqual([use.name for use in uses("jwt")], ["jwt"])
        self.assertEqual(uses("[]"), ())

    def test_places(self) -> None:
        """A use stands where its name stands, and each option where its value stands."""
        (use,) = (
            good("routes:\n- path: /\n  plugins:\n  - rate:\n      limit: 5\n      key: [ip, user]").routes[0].plugins
        )
        self.assertEqual((use.where.line, use.where.column), (4, 5))
        places = {option: (where.line, where.column) for option, where in use.option_where.items()}
        self.assertEqual(places, {"limit": (5, 14), "key": (6, 12), "key[0]": (6, 13), "key[1]": (6, 17)})

    def test_not_indented(self) -> None:
        """The usual slip, options beside the name, is told with what is meant."""
        (fault,) = faults_of("routes:\n- path: /\n  plugins:\n  - rate:\n    limit: 5")
        self.assertRegex(fault, r"^4:5: routes\[0\].plugins\[0\]: a plugin with options is a mapping of one key")

    def test_refused(self) -> None:
        """What is no name and what are no options, each at its place."""
        for plugins, start in {
            "[[a]]": "1:30: routes[0].plugins[0]: here is a list", "['a b']": "1:30: ", "[{'a b': {}}]": "1:31: ",
            "[{a: 5}]": "1:34: routes[0].plugins[0].a: the options", "[{}]": "1:30: ", "{a: {}}": "1:29: ",
            "[~]": "1:30: ",
            "[{a: {b: 1e999}}]": "1:38: routes[0].plugins[0].a: this number",
        }.items():  # fmt: skip
            (fault,) = faults_of(f"routes: [{{path: /, plugins: {plugins}}}]")
            self.assertTrue(fault.startswith(start), fault)


class SetUpTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """A name and its options, `plugin:` among them; no options at all."""
        found = good("plugins:\n  partners: {plugin: quota, limit: 10}\n  jwt:").plugins
        self.assertEqual(found["partners"].options, {"plugin": "quota", "limit": 10})
        self.assertEqual((found["jwt"].options, found["jwt"].where.line), (None, 3))

    def test_refused(self) -> None:
        """A set-up is a name and a mapping."""
        self.assertEqual([fault.partition(" ")[0] for fault in faults_of("plugins:\n  'a b': {}\n  b: off\n  c: [d]")],
                         ["2:3:", "3:6:", "4:6:"])  # fmt: skip
        self.assertEqual(len(faults_of("plugins: [jwt]")), 1)
