"""One message as its subscribers get it: encoded once per format, shared by all.

Frames are binary WebSocket frames that hold UTF-8 JSON, as the exchange sends. A packed
frame (permessage-deflate) refers to nothing before it, so that one serves everybody
who negotiated compression.
"""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any, Final

from common.money import plain
from deploy.simulator.faults.clock import skewed
from deploy.simulator.rest.order_views import Json
from deploy.simulator.streams.asked import Format
from deploy.simulator.streams.fields import shortened

_WORTH_PACKING: Final = 1024
_BINARY: Final = 0x82
_PACKED: Final = 0x40
_TAIL: Final = b"\x00\x00\xff\xff"


class Message:
    """What goes out to any number of connections, and the frames made of it so far."""

    __slots__ = ("_frames", "data")

    def __init__(self, data: Json) -> None:
        self.data = data
        self._frames: dict[tuple[Format, bool, int], bytes] = {}

    @property
    def stream(self) -> str:
        """Return the kind of data: ``ticker``, ``candle``, ``myOrder``, ..."""
        return str(self.data["type"]).partition(".")[0]

    def frame(self, *, form: Format, packed: bool, offset_ms: int = 0) -> bytes:
        """Return the frame in one format; *packed* where the connection allows it.

        *offset_ms* = how far the clock that writes the timestamps is wrong.
        """
        made = self._frames.get((form, packed, offset_ms))
        if made is None:
            payload = written(self.data, form)
            if offset_ms:
                payload = skewed(payload, offset_ms=offset_ms)
            made = self._frames[form, packed, offset_ms] = _frame(payload, packed)
        return made


def written(data: Json, form: Format, /) -> bytes:
    """Return a message in a format as UTF-8 JSON."""
    message = shortened(data) if form.short else data
    return to_json([message] if form.listed else message).encode()


def to_json(value: Any, /) -> str:
    """Return JSON; Decimals become numbers that show exactly their digits."""
    try:
        return _ENCODER.encode(value)
    except _HasDecimal:
        return _exact(value)


class _HasDecimal(Exception):
    """The fast encoder met a Decimal."""


def _refuse(value: object) -> Any:
    if isinstance(value, Decimal):
        raise _HasDecimal
    raise TypeError(f"{type(value).__name__} is no JSON")


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse
)


def _exact(value: Any) -> str:
    match value:
        case Decimal():
            return plain(value)
        case dict():
            pairs = (f"{_ENCODER.encode(k)}:{_exact(v)}" for k, v in value.items())
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(map(_exact, value)) + "]"
        case _:
            return _ENCODER.encode(value)


def _frame(payload: bytes, packed: bool) -> bytes:
    first = _BINARY
    if packed and len(payload) >= _WORTH_PACKING:
        first |= _PACKED
        packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
        payload = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
        payload = payload.removesuffix(_TAIL)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
