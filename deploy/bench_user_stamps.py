"""When which bot started: a file that the workers of all shards write into."""

from __future__ import annotations

import os
import struct
import time
import uuid
from pathlib import Path
from typing import Final

FILE: Final = "DANTARO_BENCH_STAMPS"
"""Names the file, in the workers' environment."""
_STAMP: Final = struct.Struct("<q16s")
"""Nanoseconds of the monotonic clock, the bot's id."""
_descriptors: dict[int, int] = {}


def write(bot_id: uuid.UUID) -> None:
    """Note that a bot starts now."""
    os.write(_descriptor(), _STAMP.pack(time.monotonic_ns(), bot_id.bytes))


def read(file: Path, *, skip: int = 0) -> list[tuple[int, uuid.UUID]]:
    """Return the stamps after the first *skip*, in the order of their writing."""
    data = file.read_bytes()[skip * _STAMP.size :]
    whole = len(data) - len(data) % _STAMP.size
    return [(at, uuid.UUID(bytes=bot)) for at, bot in _STAMP.iter_unpack(data[:whole])]


def count(file: Path) -> int:
    """Return how many stamps there are."""
    return file.stat().st_size // _STAMP.size


def _descriptor() -> int:
    process = os.getpid()
    if process not in _descriptors:
        # For appending: several processes write.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        _descriptors[process] = os.open(os.environ[FILE], flags, 0o600)
    return _descriptors[process]
