"""How many endpoints there are, and how many fail."""

from __future__ import annotations

from types import SimpleNamespace as Of

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.upstream.states import endpoint_states


class StatesTests(SynchronousTestCase):
    def test_counted(self) -> None:
        """One that is passed over fails until its time is over; a service without endpoints has 0 of each."""
        members = [Of(passed_over_until=until) for until in (0.0, 10.0, 11.0)]
        clusters = {"a": Of(members=members), "b": Of(members=[])}
        self.assertEqual(
            {("a", "healthy"): 2, ("a", "unhealthy"): 1, ("b", "healthy"): 0, ("b", "unhealthy"): 0},
            endpoint_states(clusters, 10.0),  # type: ignore[arg-type]
        )
