"""The methods that name a level: what each finds, and when it stays silent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from ta.volatility import AverageTrueRange, BollingerBands

from central_project.analysis import candidates
from central_project.analysis.candles import CandleSeries, daily_bars
from central_project.analysis.support_ground import Floats, ground_of
from tests.unit.analysis_builders import series

DIP, PRICE, ATR = 9_000.0, 10_000.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month of hours as arrays, at one price."""

    high: Floats
    low: Floats
    close: Floats
    traded: Floats
    price: float = PRICE

    def cluster(self) -> float:
        zone = candidates.ZONE_ATR * ATR / self.price
        return candidates.swing_cluster(sealed(self.low), self.price, zone)

    def peak(self) -> float:
        zone = candidates.ZONE_ATR * ATR / self.price
        low, traded = sealed(self.low), sealed(self.traded)
        return candidates.density_peak(low, traded, self.price, zone)

    def value_area(self) -> float:
        columns = (self.high, self.low, self.close, self.traded)
        return candidates.value_area_low(*map(sealed, columns))


def sealed(array: Floats) -> Floats:
    """Return a read-only view, the kind of array the product compiles for."""
    view = array.view()
    view.flags.writeable = False
    return view


def planted() -> Month:
    """Return a month in which most trading turned at DIP while the price is PRICE."""
    hour = np.arange(24 * 30)
    low = np.where(hour % 48 == 24, DIP, 9_900.0 + (hour * 7919) % 90)
    return Month(
        high=np.full(len(hour), 10_100.0),
        low=low,
        close=np.full(len(hour), PRICE),
        traded=np.where(low == DIP, 1e9, 1e6),
    )


def test_a_planted_level_is_found() -> None:
    month = planted()

    assert month.cluster() == pytest.approx(DIP, rel=0.005)
    assert month.peak() == pytest.approx(DIP, rel=0.005)


def test_a_cluster_above_the_price_is_no_support() -> None:
    month = planted()
    month.low[100] = 8_500.0

    assert dataclasses.replace(month, price=8_950.0).cluster() == pytest.approx(8_500)


@pytest.mark.parametrize("recent", [9_000.0, 9_400.0])
def test_of_two_equal_clusters_the_recent_one_is_stronger(recent: float) -> None:
    month, older = planted(), 18_400.0 - recent
    hour = np.arange(len(month.low))
    lows = np.where(hour < len(hour) / 2, older, recent)
    # Between two dips the lows rise and fall again: no further swing low.
    away = np.abs(hour % 48 - 24)
    month.low[:] = np.where(away == 0, lows, 9_900.0 + away)

    assert month.cluster() == pytest.approx(recent, rel=1e-6)


def test_the_value_area_holds_seventy_percent_of_the_turnover() -> None:
    month = planted()
    typical = (month.high + month.low + month.close) / 3

    inside = month.traded[typical >= month.value_area()].sum()

    assert inside / month.traded.sum() >= 0.70


def test_candidates_without_trades_stay_silent() -> None:
    month = planted()
    month.traded[:] = 0.0

    assert np.isnan(month.peak())
    assert np.isnan(month.value_area())


def test_plain_figures_equal_those_of_numpy_and_ta() -> None:
    walk = series(count=24 * 30, seed=5)
    ground, close = ground_of(series=walk), walk.frame["close"]

    band = candidates.lower_band(ground.close)
    quantile = candidates.low_quantile(ground.day_low)

    known = BollingerBands(close, window=len(close)).bollinger_lband().iloc[-1]
    assert band == pytest.approx(known, rel=1e-9)
    assert quantile == pytest.approx(np.quantile(ground.day_low, 0.10), rel=1e-12)


def test_touches_count_visits_not_hours() -> None:
    day = np.arange(30)
    # Three dips of two days each down to 9,500; a daily range of 100 elsewhere.
    lows = np.where(np.isin(day, [5, 6, 15, 16, 25, 26]), 9_500.0, 9_950.0)
    highs = np.full(30, 10_050.0)

    assert candidates.visits(lows, highs, 9_500.0, 50.0) == 3
    assert candidates.visits(lows, highs, 9_000.0, 50.0) == 0
    assert candidates.last_visit(lows, highs, 9_500.0, 50.0) == 26
    assert candidates.last_visit(lows, highs, 9_000.0, 50.0) == -1


@pytest.mark.parametrize("count", [30, 72, 100, 14 * 24, 2160])
def test_days_and_their_range_equal_those_of_the_daily_bars(count: int) -> None:
    walk = series(count=count, seed=6)
    with_gaps = walk.frame.drop(walk.frame.index[[3, 4, 5, 20]])
    walk = dataclasses.replace(walk, frame=with_gaps)

    ground, bars = ground_of(series=walk), daily_bars(walk.frame)

    assert ground.day_high.tolist() == bars["high"].tolist()
    assert ground.day_low.tolist() == bars["low"].tolist()
    assert_average_true_range(walk, bars)


def assert_average_true_range(walk: CandleSeries, bars: pd.DataFrame) -> None:
    mine, window = ground_of(series=walk).atr, min(14, len(bars))
    if window < 3:
        assert np.isnan(mine).all()
        return
    true = AverageTrueRange(bars["high"], bars["low"], bars["close"], window=window)
    known = true.average_true_range().to_numpy()
    assert mine[window - 1 :] == pytest.approx(known[window - 1 :], rel=1e-9)
