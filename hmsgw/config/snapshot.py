"""A configuration as one value without a handle in it: what a worker starts from, and what a test can start it from.

Knows: the model, the bytes of its files, and how both are encoded. Refuses to know: sockets, modules, connections:
whatever cannot be sent. Strategy: MessagePack by the types of the dataclasses; numbers that a person spelled in a form
of their own (1.10) keep that form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from hmsgw.config.model import Config
from hmsgw.config.values import SpelledFloat, SpelledInt, number

_SPELLED_INT, _SPELLED_FLOAT = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """config: with every default. bundle_files: name -> content (`Bundle.files`). root_file: the name of the YAML file.

    digest: `Bundle.digest()`. dev: whether it runs unsigned under --dev. options: what the command line adds to it,
    plain data.
    """

    config: Config
    bundle_files: dict[str, bytes]
    root_file: str
    digest: str
    dev: bool
    options: dict[str, Any] = field(default_factory=dict)


def encode(snapshot: Snapshot) -> bytes:
    """Raises TypeError when `options` are not plain data."""
    return _ENCODER.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """What was encoded. Raises msgspec.DecodeError when `data` is something else."""
    return _DECODER.decode(data)


def _spelled(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, SpelledInt):
        return msgspec.msgpack.Ext(_SPELLED_INT, value.text.encode())
    if isinstance(value, SpelledFloat):
        return msgspec.msgpack.Ext(_SPELLED_FLOAT, value.text.encode())
    raise TypeError(f"a snapshot can't hold a {type(value).__name__}")


def _unspelled(code: int, data: memoryview) -> Any:
    if code not in (_SPELLED_INT, _SPELLED_FLOAT):
        raise ValueError(f"a snapshot holds nothing of type {code}")
    return number(bytes(data).decode())


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_spelled)
_DECODER = msgspec.msgpack.Decoder(Snapshot, ext_hook=_unspelled)
