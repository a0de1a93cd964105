"""The model: every key can be read, defaults are those of the contract."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config import model
from hmsgw.config.model import Config
from hmsgw.config.records import record_of


class ModelTests(SynchronousTestCase):
    def test_readable(self) -> None:
        """Each class is frozen and each of its annotations is one that a file can be read by."""
        classes = [cls for cls in vars(model).values() if isinstance(cls, type) and is_dataclass(cls)]
        self.assertGreater(len(classes), 15)
        for cls in classes:
            self.assertTrue(cls.__dataclass_params__.frozen, cls)  # type: ignore[attr-defined]
            if cls is not model.PluginUse:
                keys = {field.name for field in fields(cls) if not field.name.endswith("where")}
                self.assertEqual(set(record_of(cls).keys), keys)

    def test_defaults(self) -> None:
        """The numbers that the contract states."""
        config = Config()
        self.assertEqual((config.admin.address, config.admin.port), ("127.0.0.1", 9180))
        self.assertEqual((config.limits.head, config.limits.field, config.limits.buffer), (65536, 16384, 262144))
        self.assertEqual((config.deadlines.head, config.deadlines.keep_alive), (10.0, 75.0))
        service = model.Service()
        self.assertEqual(
            (service.timeouts.connect, service.timeouts.first_byte, service.timeouts.total), (2.0, 30.0, None)
        )
        self.assertEqual(
            (service.retries.attempts, service.retries.budget, service.balance), (1, 0.2, "least-requests")
        )
        self.assertEqual([use.name for use in config.defaults.plugins], ["rate-60ip"])
