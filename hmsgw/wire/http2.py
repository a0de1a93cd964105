"""HTTP/2 as bytes (RFC 9113): the one file that imports ngh2 (libnghttp2).

Knows: how a session is set up, what bounds it has of its own, and how it ends. Refuses to know: sockets, requests
(`wire.http2_heads`), what a stream is for. Strategy: framing, HPACK, flow control and the order of answers by priority
(RFC 9218) are the library's; it hands over events and takes answers. It gives no window back by itself: that is done
when the far side has taken the bytes.
"""

from __future__ import annotations

from ngh2 import Connection as Session
from ngh2.config import Configuration, Role
from ngh2.enums import ErrorCode, Setting
from ngh2.events import (
    AltSvcReceived,
    DataReceived,
    GoAwayReceived,
    InformationalResponseReceived,
    OriginReceived,
    PingReceived,
    PriorityUpdateReceived,
    RequestReceived,
    ResponseReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from ngh2.exceptions import DenialOfServiceError, NGH2Error

from hmsgw.wire.http2_heads import FIELD_OVERHEAD_BYTES

__all__ = [
    "ENABLE_CONNECT_PROTOCOL", "MAX_CONCURRENT_STREAMS", "PREFACE_HEAD", "AltSvcReceived", "DataReceived",
    "DenialOfServiceError", "ErrorCode", "GoAwayReceived", "InformationalResponseReceived", "NGH2Error",
    "OriginReceived", "PingReceived", "PriorityUpdateReceived", "RequestReceived", "ResponseReceived", "Session",
    "SettingsReceived", "StreamClosed", "StreamReset", "TrailersReceived", "WindowUpdated", "client_session",
    "goaway", "other_protocol", "server_session",
]  # fmt: skip

#: What a client with prior knowledge begins with (RFC 9113 section 3.4); to an HTTP/1 reader it is a head.
PREFACE_HEAD = b"PRI * HTTP/2.0\r\n\r\n"

_MAX_STREAM_ID = 2**31 - 1
_TYPE_AT, _SETTINGS = 3, 4
MAX_CONCURRENT_STREAMS: int = Setting.MAX_CONCURRENT_STREAMS
ENABLE_CONNECT_PROTOCOL: int = Setting.ENABLE_CONNECT_PROTOCOL


def server_session(*, streams: int, head_bytes: int, fields: int, window_bytes: int) -> Session:
    """A server's side of one connection. streams: most at once. head_bytes, fields: of one head. window_bytes: what a
    client may send of one stream's body before any of it was taken; four times that for the connection.

    A head up to twice the bounds is still handed over, so that it can be answered; beyond that the connection ends.
    """
    session = Session(
        Role.SERVER,
        Configuration(
            auto_window_update=False,
            max_inbound_header_count=2 * fields + 8,
            max_inbound_header_list_size=2 * head_bytes + 2 * fields * FIELD_OVERHEAD_BYTES,
            max_continuations=2 + head_bytes // 8192,
            max_outbound_ack=256,
        ),
    )
    session.initiate_connection(
        {
            Setting.MAX_CONCURRENT_STREAMS: streams,
            Setting.INITIAL_WINDOW_SIZE: window_bytes,
            Setting.MAX_HEADER_LIST_SIZE: head_bytes,
            Setting.NO_RFC7540_PRIORITIES: 1,
            Setting.ENABLE_CONNECT_PROTOCOL: 1,
        }
    )
    session.set_local_window_size(4 * window_bytes)
    return session


def client_session(*, streams: int, head_bytes: int, fields: int, window_bytes: int) -> Session:
    """A client's side of one connection. streams: most at once, if the server lets us. head_bytes, fields: of one
    answer's head. window_bytes: what may come of one answer before any of it was taken. The connection's own window
    holds that for every stream: a slow taker of one answer must not hold up the others."""
    session = Session(
        Role.CLIENT,
        Configuration(
            auto_window_update=False,
            max_inbound_header_count=fields,
            max_inbound_header_list_size=head_bytes,
            max_continuations=2 + head_bytes // 8192,
            max_outbound_ack=256,
            max_reserved_remote_streams=0,
            peer_max_concurrent_streams=streams,
        ),
    )
    session.initiate_connection(
        {
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: window_bytes,
            Setting.MAX_HEADER_LIST_SIZE: head_bytes,
        }
    )
    session.set_local_window_size(streams * window_bytes)
    return session


def other_protocol(data: bytes) -> str | None:
    """What a server speaks whose first bytes are these; None for HTTP/2, which begins with SETTINGS (RFC 9113 section
    3.4), and for too few of them."""
    if data.startswith(b"HTTP/1."):
        return "HTTP/1.1"
    return "something else" if len(data) > _TYPE_AT and data[_TYPE_AT] != _SETTINGS else None


def goaway(last_stream_id: int, code: int) -> bytes:
    """A GOAWAY frame (RFC 9113 section 6.8), for a session that has failed and writes no more itself."""
    payload = (last_stream_id & _MAX_STREAM_ID).to_bytes(4, "big") + code.to_bytes(4, "big")
    return len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload
