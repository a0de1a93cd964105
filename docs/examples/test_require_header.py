from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.testing import FakeRequest, load_plugin, run_step

PLUGIN = Path(__file__).with_name("plugins") / "require_header.py"


class RequireHeaderTests(SynchronousTestCase):
    def test_without(self):
        plugin = load_plugin(str(PLUGIN), {"name": "x-agency"})
        self.assertEqual(run_step(plugin, FakeRequest()).status, 403)

    def test_with(self):
        plugin = load_plugin(str(PLUGIN), {"name": "x-agency", "values": ["cdc"]})
        self.assertIsNone(run_step(plugin, FakeRequest(headers={"X-Agency": "cdc"})))
        self.assertEqual(run_step(plugin, FakeRequest(headers={"X-Agency": "other"})).status, 403)
