"""The lists of fields that are not like others: what one of them lacks, a client can smuggle."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.verdict import _NOT_A_PLUGINS
from hmsgw.identity.claimed import _NOT_FOR_CLAIMS
from hmsgw.proxy.forwarding import _NEVER_NOMINATED, _NOT_FORWARDED
from hmsgw.wire.bodies import _NOT_IN_TRAILERS
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, MANAGED, NOT_SENDABLE, WRITTEN
from hmsgw.wire.http1 import _MARKED_IN_REQUESTS, _MARKED_IN_RESPONSES

OF_A_HOP = {
    b"connection", b"proxy-connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"trailer",
    b"http2-settings", b"proxy-authenticate", b"proxy-authorization",
}  # fmt: skip
ABOUT_THE_CLIENT = {
    b"via", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port",
    b"x-real-ip", b"x-request-id", b"traceparent",
}  # fmt: skip


class FieldNamesTests(SynchronousTestCase):
    def test_members(self) -> None:
        """Each list by its names, so that none is lost unseen."""
        self.assertEqual(HOP_BY_HOP, OF_A_HOP)
        self.assertEqual(FRAMING, {b"content-length", b"transfer-encoding", b"host"})
        self.assertEqual(NOT_SENDABLE, OF_A_HOP | {b"content-length", b"host"})
        self.assertEqual(MANAGED, ABOUT_THE_CLIENT)
        self.assertEqual(MANAGED - WRITTEN, {b"x-forwarded-port", b"x-real-ip"})

    def test_readers(self) -> None:
        """Whoever drops, refuses or looks at fields does so with all of them."""
        self.assertEqual(_MARKED_IN_REQUESTS, OF_A_HOP | FRAMING | ABOUT_THE_CLIENT | {b"expect"})
        self.assertEqual(_MARKED_IN_RESPONSES, OF_A_HOP | {b"content-length", b"date"})
        self.assertEqual(_NOT_FORWARDED, OF_A_HOP | ABOUT_THE_CLIENT)
        for names in (_NOT_IN_TRAILERS, _NOT_FOR_CLAIMS):
            self.assertLessEqual(OF_A_HOP | FRAMING | ABOUT_THE_CLIENT, names)
        self.assertLessEqual(FRAMING | ABOUT_THE_CLIENT, _NEVER_NOMINATED)
        self.assertEqual(_NOT_A_PLUGINS, NOT_SENDABLE - {b"proxy-authenticate"})
