"""The tests. `tests/run` runs all of them; `PYTHONPATH=. python -m twisted.trial tests.wire` runs a room's."""

from hypothesis import settings

# No test depends on how fast the machine is, and none writes into the checkout.
settings.register_profile("house", deadline=None, database=None)
settings.load_profile("house")
