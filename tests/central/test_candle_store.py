"""Reading candles by COPY: exact, in order, no more than was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from central_project.analysis.candles import COLUMNS
from central_project.market.models import Candle, Unit
from central_project.market.services.candles import (
    read_frames,
    silent_hours,
    store_candles,
)
from central_project.market.sources import CandleRow

pytestmark = pytest.mark.django_db

FIRST = datetime(2026, 3, 1, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = ("0.00000001", "0.2992", "152340000", "99999999999999999999.999999999999")


def candle(hour: int, price: str = "1000") -> CandleRow:
    value = Decimal(price)
    return CandleRow(
        started_at=FIRST + hour * HOUR,
        open=value,
        high=value,
        low=value,
        close=value,
        volume=Decimal("0.1") + hour,
        quote_volume=value / 3,
    )


def store(market: str, *rows: CandleRow) -> None:
    store_candles(market=market, unit=Unit.HOUR, rows=rows)


def read(**asked: object) -> dict[str, pd.DataFrame]:
    window = {"since": FIRST, "until": FIRST + 10 * HOUR} | asked
    return read_frames(unit=Unit.HOUR, **window)  # type: ignore[arg-type]


def test_every_value_is_the_float_nearest_to_what_is_stored() -> None:
    store("KRW-A", *(candle(hour, text) for hour, text in enumerate(PRICES)))

    frame = read()["KRW-A"]

    stored = Candle.objects.filter(market="KRW-A").order_by("started_at")
    for name in COLUMNS:
        assert frame[name].tolist() == [float(getattr(row, name)) for row in stored]
    assert frame["started_at"].tolist() == [row.started_at for row in stored]
    assert frame.columns.tolist() == ["started_at", *COLUMNS]


def test_rows_are_in_order_and_within_the_window() -> None:
    for hour in (5, 2, 9, -1, 3, 10):
        store("KRW-A", candle(hour))
    store_candles(market="KRW-A", unit=Unit.FIVE, rows=[candle(4)])

    started = read()["KRW-A"]["started_at"]

    assert started.tolist() == [FIRST + hour * HOUR for hour in (2, 3, 5, 9)]


def test_only_the_markets_asked_for_are_read() -> None:
    for market in ("KRW-B", "KRW-A", "KRW-C"):
        store(market, candle(1))

    assert list(read()) == ["KRW-A", "KRW-B", "KRW-C"]
    assert list(read(markets=("KRW-C", "KRW-A", "KRW-NONE"))) == ["KRW-A", "KRW-C"]
    assert read(markets=()) == {}
    assert read(since=FIRST + 2 * HOUR) == {}


def test_hours_without_any_market_are_silent() -> None:
    store("KRW-A", candle(1), candle(4))
    store("KRW-B", candle(2))
    window = {"since": FIRST, "until": FIRST + 7 * HOUR}

    silent = silent_hours(frames=read().values(), **window)

    assert silent == [FIRST + hour * HOUR for hour in (3, 5, 6)]
    assert silent_hours(frames=[], **window) == []
