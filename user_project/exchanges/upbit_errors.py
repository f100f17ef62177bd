"""What Upbit's failures mean: refused, key trouble, too fast, unknown outcome.

Upbit developer guide, "REST API guide" (errors) and "Rate limits"; the name decides,
not the status, and whatever is not listed as definite counts as ambiguous.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

import upbit

from common.upbit import DEFINITE_REFUSALS, KEY_REFUSALS
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeError,
    KeyRefused,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
)

TOO_FAST: Final = 429
PENALTY: Final = 418
REFUSING: Final = frozenset({400, 401, 403, 404})
"""Statuses whose error name is believed; in a 409 or 5xx it may be a proxy's echo."""
MAX_RETRY_AFTER: Final = 60
_LONGEST_TEXT: Final = 200
_STATED_TIME: Final = re.compile(
    r"(\d+)\s*(?:(?P<second>초|s\b|sec)|(?P<minute>분|m\b|min)|(?P<hour>시간|h\b|hour))",
    re.IGNORECASE,
)
_UNKNOWN_MARKET: Final = frozenset({"notfoundmarket", "404"})


class Call(Enum):
    """What was asked decides what a failure leaves open."""

    ORDER = "order"  # may have created an order
    CANCEL = "cancel"
    READ = "read"
    MARKET = "market"  # a read about one named market


def classify(error: Exception, /, *, call: Call) -> ExchangeError:
    """Translate what the SDK (or anything below it) raised during *call*."""
    if not isinstance(error, upbit.APIStatusError):
        return _open_question(_sentence(error), "", call)
    name, text = _name(error), _text(error)
    if error.status_code in (TOO_FAST, PENALTY):
        return RateLimited(text, name=name, retry_after=_retry_after(error))
    if error.status_code in REFUSING:
        definite = _definite(name, text, call)
        if definite is not None:
            return definite
    return _open_question(text, name, call)


def is_penalty(error: Exception, /) -> bool:
    """Tell whether Upbit has blocked us for a while (418)."""
    return isinstance(error, upbit.RateLimitPenaltyError)


def is_too_fast(error: Exception, /) -> bool:
    """Tell whether this second's calls are used up (429)."""
    return isinstance(error, upbit.RateLimitError)


def stated_seconds(error: Exception, /) -> int | None:
    """Return the block time that a 418 states, None when it states none."""
    if not isinstance(error, upbit.APIStatusError):
        return None
    header = error.response.headers.get("retry-after", "").strip()
    if header:
        return int(header) if header.isdecimal() else _seconds_until(header)
    # Decoded first: JSON may write the Korean unit as escapes.
    found = _STATED_TIME.search(f"{_message(error.body)} {error.response.text}")
    if found is None:
        return None
    unit = 1 if found["second"] else 60 if found["minute"] else 3600
    return int(found[1]) * unit


def _definite(name: str, text: str, call: Call) -> ExchangeError | None:
    """Return what a named refusal says for certain, None when nothing is certain."""
    if name in KEY_REFUSALS:
        return KeyRefused(text, name=name)
    if call is Call.MARKET:
        unknown = name in _UNKNOWN_MARKET
        return Refused(text, name="notfoundmarket") if unknown else None
    if call is not Call.ORDER and name == "order_not_found":
        return NotFound(text, name=name)
    # A refused read tells nothing about any order, whatever its name.
    refused = call is not Call.READ and name in DEFINITE_REFUSALS
    return Refused(text, name=name) if refused else None


def _open_question(text: str, name: str, call: Call) -> ExchangeError:
    if call in (Call.ORDER, Call.CANCEL):
        return Ambiguous(text, name=name)
    return Unavailable(text, name=name)


def _retry_after(error: upbit.APIStatusError) -> int:
    """Seconds to wait; a rate is counted per second, so one when nothing is said."""
    return min(stated_seconds(error) or 1, MAX_RETRY_AFTER)


def _seconds_until(http_date: str) -> int | None:
    try:
        at = parsedate_to_datetime(http_date)
    except ValueError:
        return None
    return max(1, int((at.astimezone(UTC) - datetime.now(UTC)).total_seconds()) + 1)


def _name(error: upbit.APIStatusError) -> str:
    return "" if error.name is None else str(error.name)


def _text(error: upbit.APIStatusError) -> str:
    words = _message(error.body)
    return words or f"HTTP {error.status_code} without a readable reason"


def _message(body: object) -> str:
    """Return the reason in an error body: nested, flat or plain text; no HTML."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    words = inner.get("message") if isinstance(inner, dict) else inner
    text = words.strip() if isinstance(words, str) else ""
    return "" if text.startswith("<") else text[:_LONGEST_TEXT]


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_TEXT]
