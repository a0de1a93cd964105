"""A snapshot survives being sent: everything in it, to the last place and spelling."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Config, Listener, PluginUse, Route, Service, Timeouts
from hmsgw.config.places import Where
from hmsgw.config.snapshot import Snapshot, decode, encode
from tests.config.arrange import good

_WORDS = st.text(max_size=8)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)
_WHERE = st.builds(Where, _WORDS, st.integers(0, 10**6), st.integers(0, 10**6))
_USES = st.builds(PluginUse, name=_WORDS, options=st.none() | st.dictionaries(_WORDS, _PLAIN, max_size=3), where=_WHERE,
                  option_where=st.dictionaries(_WORDS, _WHERE, max_size=2))  # fmt: skip
_CONFIGS = st.builds(
    Config,
    serial=st.none() | st.integers(1, 2**53),
    listeners=st.lists(st.builds(Listener, name=_WORDS, tls=st.none(), where=_WHERE), max_size=2).map(tuple),
    services=st.dictionaries(_WORDS, st.builds(Service, timeouts=st.builds(Timeouts, total=st.none() | st.just(1.5)))),
    plugins=st.dictionaries(_WORDS, _USES, max_size=2),
    routes=st.lists(
        st.builds(
            Route, path=_WORDS, service=st.none() | _WORDS, plugins=st.lists(_USES, max_size=2).map(tuple),
            methods=st.lists(_WORDS, max_size=2).map(tuple), where=_WHERE,
            headers=st.dictionaries(_WORDS, _WORDS, max_size=2),
        ), max_size=2,
    ).map(tuple),
)  # fmt: skip


class SnapshotTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(
        _CONFIGS,
        st.dictionaries(_WORDS, st.binary(max_size=20), max_size=3),
        st.dictionaries(_WORDS, _PLAIN, max_size=3),
    )
    def test_round_trip(self, config: Config, files: dict[str, bytes], options: dict[str, Any]) -> None:
        """What comes out is what went in, types included."""
        before = Snapshot(
            config=config, bundle_files=files, root_file="r", digest="sha256:0", dev=True, options=options
        )
        after = decode(encode(before))
        self.assertEqual(after, before)
        self.assertEqual(repr(after), repr(before))

    def test_spelling(self) -> None:
        """Numbers in plugin options keep the form that they were written in."""
        config = good("routes: [{path: /, plugins: [{headers: {set: {X-V: 1.10, X-N: 007, X-H: 0xFf}}}]}]")
        sent = decode(encode(Snapshot(config=config, bundle_files={}, root_file="r", digest="", dev=False))).config
        options = sent.routes[0].plugins[0].options
        assert options is not None
        self.assertEqual([value.text for value in options["set"].values()], ["1.10", "007", "0xFf"])
        self.assertEqual(sent, config)

    def test_no_handles(self) -> None:
        """What can't be sent can't be put in."""
        snapshot = Snapshot(
            config=Config(), bundle_files={}, root_file="r", digest="", dev=False, options={"a": object()}
        )
        self.assertRaises(TypeError, encode, snapshot)

    @given(st.binary(max_size=50))
    def test_garbage(self, data: bytes) -> None:
        """Anything else is no snapshot."""
        self.assertRaises((msgspec.DecodeError, ValueError), decode, data)
