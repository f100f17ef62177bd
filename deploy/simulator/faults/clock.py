"""A wrong clock: the timestamps that are written differ from those that are true.

Only what is written is shifted, never matching, nonces, rate limits or the labels of
candles.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

FURTHEST_MS: Final = 600_000
_NUMBERS: Final = re.compile(rb'("(?:\w*timestamp|\w*tms)": ?)(\d{13})\b')
_TEXTS: Final = re.compile(rb'("created_at": ?")([^"]+)(")')
_PAIRS: Final = re.compile(
    rb'("(?:trade_date(?:_utc|_kst)?|td|tdt)": ?")([\d-]{8,10})'
    rb'(", ?"(?:trade_time(?:_utc|_kst)?|ttm)": ?")([\d:]{6,8})(")'
)


def skewed(body: bytes, /, *, offset_ms: int) -> bytes:
    """Return JSON with its timestamps shifted; all other bytes stay as they are."""
    shift = timedelta(milliseconds=offset_ms)

    def number(match: re.Match[bytes]) -> bytes:
        return match[1] + b"%d" % (int(match[2]) + offset_ms)

    body = _NUMBERS.sub(number, body)
    body = _TEXTS.sub(_text_by(shift), body)
    return _PAIRS.sub(_pair_by(shift), body)


def skewed_date(*, offset_ms: int, now_ms: int) -> str:
    """Return the present for a `Date` header."""
    at = datetime.fromtimestamp((now_ms + offset_ms) / 1000, UTC)
    return format_datetime(at, usegmt=True)


def _text_by(shift: timedelta) -> Callable[[re.Match[bytes]], bytes]:
    def text(match: re.Match[bytes]) -> bytes:
        written = match[2].decode()
        precision = "microseconds" if "." in written else "seconds"
        at = datetime.fromisoformat(written) + shift
        return match[1] + at.isoformat(timespec=precision).encode() + match[3]

    return text


def _pair_by(shift: timedelta) -> Callable[[re.Match[bytes]], bytes]:
    def pair(match: re.Match[bytes]) -> bytes:
        day, time = _moved(match[2].decode(), match[4].decode(), shift)
        return match[1] + day.encode() + match[3] + time.encode() + match[5]

    return pair


def _moved(day: str, time: str, shift: timedelta) -> tuple[str, str]:
    """Return a day and a time of day, each in the form it had."""
    form = (
        "%Y-%m-%d" if "-" in day else "%Y%m%d",
        "%H:%M:%S" if ":" in time else "%H%M%S",
    )
    at = datetime.strptime(f"{day} {time}", " ".join(form)).replace(tzinfo=UTC) + shift
    return at.strftime(form[0]), at.strftime(form[1])
