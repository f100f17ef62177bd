"""How far a price is from the last one of the UTC day before, as Upbit counts days."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from user_project.trading.orders import PriceQuote

KOREA = ZoneInfo("Asia/Seoul")


def change(
    close: str | None, *, at: str = "2026-11-23T10:00", now: str = "2026-11-23T10:00"
) -> Decimal | None:
    """Return the change of a price of 102 won; both times are Korean."""
    quote = PriceQuote(
        market="KRW-BTC",
        price=Decimal(102),
        received_at=datetime.fromisoformat(at).replace(tzinfo=KOREA),
        previous_close=None if close is None else Decimal(close),
    )
    return quote.day_change(now=datetime.fromisoformat(now).replace(tzinfo=KOREA))


@pytest.mark.parametrize(
    ("close", "expected"),
    [("100", "0.02"), ("102", "0"), ("120", "-0.15"), (None, None), ("0", None)],
)
def test_it_is_a_share_of_the_last_close(
    close: str | None, expected: str | None
) -> None:
    assert change(close) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("at", "now", "known"),
    [
        ("2026-11-23T09:00", "2026-11-24T08:59", True),
        ("2026-11-23T23:59", "2026-11-24T00:01", True),
        ("2026-11-23T08:59", "2026-11-23T09:00", False),
        ("2026-11-22T10:00", "2026-11-23T10:00", False),
    ],
)
def test_at_nine_in_korea_another_close_counts(at: str, now: str, known: bool) -> None:
    assert (change("100", at=at, now=now) is not None) is known
