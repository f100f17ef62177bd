"""Made-up markets for the analysis tests: seeded walks, coins and their facts."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np
import pandas as pd

from central_project.analysis.analyzers import CoinFacts
from central_project.analysis.candles import COLUMNS, CandleSeries
from central_project.analysis.indicators import figures_of
from central_project.analysis.support import calculate_support_levels
from common.money import KRW_TICKS

NOW = datetime(2026, 3, 2, 12, 3, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)


def rows(
    *,
    count: int,
    seed: int = 1,
    start_price: float = 10_000.0,
    volatility: float = 0.01,
    end: datetime = THIS_HOUR,
    step: timedelta = timedelta(hours=1),
) -> pd.DataFrame:
    """Return *count* candle rows of a seeded walk; the last one ends at *end*."""
    rng = np.random.default_rng(seed)
    close = start_price * np.exp(np.cumsum(rng.normal(0, volatility, count)))
    opened = np.concatenate(([start_price], close[:-1]))
    spread = np.exp(np.abs(rng.normal(0, volatility / 2, (2, count))))
    high, low = (
        np.maximum(opened, close) * spread[0],
        np.minimum(opened, close) / spread[1],
    )
    volume = rng.uniform(1, 10, count) * 1e9 / start_price
    frame = pd.DataFrame(
        dict(
            zip(
                COLUMNS, (opened, high, low, close, volume, volume * close), strict=True
            )
        )
    )
    frame["started_at"] = pd.date_range(end=end - step, periods=count, freq=step)
    return frame


def no_rows() -> pd.DataFrame:
    """Return a frame of candles without a row."""
    return rows(count=1).iloc[:0]


def series(
    *, market: str = "KRW-AAA", missing_share: float = 0.0, **walk: Any
) -> CandleSeries:
    """Return a complete series of a seeded walk."""
    frame = rows(**walk).set_index("started_at")[list(COLUMNS)]
    return CandleSeries(
        market=market, frame=frame, missing_share=missing_share, provisional=False
    )


def on_tick(value: float) -> Decimal:
    """Return *value* rounded down to a valid price, at least one tick."""
    price = KRW_TICKS.floor(price=max(Decimal(repr(float(value))), Decimal("1e-8")))
    return price.quantize(Decimal("1e-8"), rounding=ROUND_DOWN)


def coin(*, market: str = "KRW-AAA", **changes: Any) -> CoinFacts:
    """Return a coin that passes every gate, with *changes* to its facts."""
    candles = changes.pop("series", None) or series(
        market=market, count=2160, seed=sum(map(ord, market))
    )
    price = on_tick(float(candles.frame["close"].iloc[-1]))
    facts = CoinFacts(
        market=market,
        korean_name=f"{market} 코인",
        english_name=f"{market} coin",
        price=price,
        series=candles,
        figures=figures_of(series=candles),
        support=calculate_support_levels(series=candles, price=price, ticks=KRW_TICKS),
        turnover_24h=Decimal(120_000_000_000),
        spread=0.001,
        spread_ticks=1.0,
        depth_krw=500_000_000.0,
        tick_share=0.001,
        warning=False,
        cautions=(),
        first_hour_at=NOW - timedelta(days=400),
        as_of=NOW,
    )
    return dataclasses.replace(facts, **changes)
