"""Every figure against its definition: `ta` on pandas, and exact numbers where `ta` errs."""

from __future__ import annotations

import dataclasses
import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ta.volume import MFIIndicator

from central_project.analysis.audit import audit_coin
from central_project.analysis.candles import (
    COLUMNS,
    CandleSeries,
    NotEnoughHistory,
    daily_bars,
)
from central_project.analysis.indicators import Figures, figures_of
from tests.unit.analysis_builders import THIS_HOUR, series

NAMES = tuple(field.name for field in dataclasses.fields(Figures))


def of(close: list[float] | np.ndarray, **columns: object) -> CandleSeries:
    """Return hourly candles with these closes; other prices equal them, volume is 1."""
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, close) | {"volume": 1.0} | columns)
    frame["quote_volume"] = frame["close"] * frame["volume"]
    frame.index = pd.date_range(
        end=THIS_HOUR, periods=len(frame), freq="h", name="started_at"
    )
    return CandleSeries(
        market="KRW-AAA",
        frame=frame.astype("float64"),
        missing_share=0.0,
        provisional=False,
    )


def with_frame(one: CandleSeries, frame: pd.DataFrame) -> CandleSeries:
    return dataclasses.replace(one, frame=frame)


def on_ticks(one: CandleSeries, tick: float) -> CandleSeries:
    """Return the series with all prices on a coarse tick, so that many are equal."""
    frame = one.frame.copy()
    prices = ["open", "high", "low", "close"]
    frame[prices] = (frame[prices] / tick).round().clip(lower=1) * tick
    return with_frame(one, frame)


def gapped(one: CandleSeries, seed: int) -> CandleSeries:
    """Return the series without the hours of two stretches and some single hours."""
    rng, count = np.random.default_rng(seed), len(one.frame)
    keep = rng.random(count) > 0.02
    for start in rng.integers(0, count, 2):
        keep[start : start + 30] = False
    keep[-1] = True
    return with_frame(one, one.frame[keep])


def hostile(
    *, count: int, seed: int, magnitude: int, volatility: float, trouble: str
) -> CandleSeries:
    one = series(
        count=count, seed=seed, start_price=10.0**magnitude, volatility=volatility
    )
    if trouble == "no volume":
        one.frame[["volume", "quote_volume"]] = 0.0
    if trouble == "still at the end":
        prices = ["open", "high", "low", "close"]
        one.frame.iloc[count // 2 :, :4] = one.frame[prices].iloc[count // 2].iloc[3]
    if trouble == "fractional ticks":
        return on_ticks(one, 10.0**magnitude / 300)
    return gapped(one, seed) if trouble == "gaps" else one


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    count=st.sampled_from([1, 2, 14, 15, 16, 24, 28, 34, 191, 192, 336, 500, 2160]),
    seed=st.integers(0, 2**32 - 1),
    magnitude=st.integers(-8, 8),
    volatility=st.sampled_from([0.0, 0.0005, 0.02]),
    trouble=st.sampled_from(
        ["none", "no volume", "still at the end", "fractional ticks", "gaps"]
    ),
)
def test_every_figure_agrees_with_ta_on_any_series(
    count: int, seed: int, magnitude: int, volatility: float, trouble: str
) -> None:
    one = hostile(
        count=count,
        seed=seed,
        magnitude=magnitude,
        volatility=volatility,
        trouble=trouble,
    )

    assert audit_coin(series=one, figures=figures_of(series=one)) == ()


def test_a_whole_history_leaves_no_figure_unknown() -> None:
    figures = dataclasses.asdict(figures_of(series=series(count=2160)))

    assert [name for name, value in figures.items() if value is None] == []


FIRST_ROWS = {
    "rsi": 15, "macd": 26, "macd_signal": 34, "macd_diff": 34, "band_mid": 20,
    "atr": 14, "adx": 28, "di_plus": 16, "ema_200": 200, "mfi": 15, "stoch_k": 14,
    "stoch_d": 16, "volume_z": 168, "low_7d": 168, "low_90d": 2160,
    "value_at_risk": 192, "band_position_20d": 480, "ema_gap_7d": 168, "trend_7d": 336,
    "change_24h": 25, "daily_atr": 72, "daily_adx": 672, "daily_mfi": 360,
    "turnover_7d": 24,
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST_ROWS)
def test_a_figure_begins_with_its_first_full_window(name: str) -> None:
    rows = FIRST_ROWS[name]

    before = figures_of(series=series(count=rows - 1))
    after = figures_of(series=series(count=rows))

    assert getattr(before, name) is None
    assert getattr(after, name) is not None


def test_a_series_without_a_row_is_refused() -> None:
    empty = series(count=1)

    with pytest.raises(NotEnoughHistory, match="KRW-AAA"):
        figures_of(series=with_frame(empty, empty.frame.iloc[:0]))


def test_equal_series_give_equal_bytes_however_they_lie_in_memory() -> None:
    one = series(count=2160)
    by_column = pd.DataFrame({name: one.frame[name].copy() for name in COLUMNS})
    by_row = pd.DataFrame(
        np.ascontiguousarray(one.frame.to_numpy()),
        index=one.frame.index,
        columns=one.frame.columns,
        copy=False,
    )

    answers = {
        pickle.dumps(figures_of(series=with_frame(one, frame)))
        for frame in (one.frame, by_column, by_row)
    }

    assert len(answers) == 1


def test_later_rows_change_nothing_about_earlier_ones() -> None:
    one = series(count=900)
    past = with_frame(one, one.frame.iloc[:700])

    before = figures_of(series=past)
    one.frame.iloc[700:] *= 5
    figures_of(series=one)

    assert figures_of(series=past) == before


def test_a_price_that_never_moved_has_no_oscillators() -> None:
    figures = figures_of(series=series(count=2160, volatility=0.0))

    unknown = {name for name in NAMES if getattr(figures, name) is None}
    assert unknown == {
        "rsi", "mfi", "stoch_k", "stoch_d", "band_position_20d", "one_way_share_14d",
        "daily_mfi",
    }  # fmt: skip
    assert figures.band_low == figures.band_high
    assert figures.max_drawdown == 0
    assert figures.daily_atr == 0


def test_drawdown_is_the_deepest_fall_from_an_earlier_high() -> None:
    def drawdown(*close: float) -> float | None:
        return figures_of(series=of(list(close))).max_drawdown

    assert drawdown(10, 20, 15, 18, 5, 30) == 0.75
    assert drawdown(1, 2, 3) == 0


def test_movement_is_one_way_on_a_straight_line_and_not_on_a_return() -> None:
    def share(*close: float) -> float | None:
        return figures_of(series=of(list(close))).one_way_share_14d

    assert share(1, 2, 3) == 1
    assert share(1, 2, 1) == 0
    assert share(1, 1, 1) is None


def test_value_at_risk_is_the_loss_of_the_twentieth_worst_day_share() -> None:
    # Every 24th-hour return is one of 0 to -0.99 %, in equal shares.
    close = np.ones(24 * 101)
    for hour in range(24, len(close)):
        close[hour] = close[hour - 24] * (1 - (hour % 100) / 10_000)

    figures = figures_of(series=of(close))

    assert figures.value_at_risk == pytest.approx(0.0095, abs=0.00001)
    # Beyond it lie 0.95 % to 0.99 %.
    assert figures.expected_shortfall == pytest.approx(0.0097, abs=0.00002)


def test_volatility_is_per_day() -> None:
    rng = np.random.default_rng(5)
    close = np.exp(np.cumsum(rng.normal(0, 0.01, 14 * 24)))

    figures = figures_of(series=of(close))

    assert figures.volatility_14d == pytest.approx(0.01 * math.sqrt(24), rel=0.1)


def test_turnover_is_a_median_of_days() -> None:
    volume = np.ones(24 * 7)
    volume[-3] = 1e6

    assert figures_of(series=of(np.ones(24 * 7), volume=volume)).turnover_7d == 24


def test_lows_reach_back_in_time_not_in_rows() -> None:
    one = of(np.full(24 * 10, 5.0), low=np.linspace(1, 4, 24 * 10))
    # Half a day less of rows within the week: still the week's own lowest low.
    frame = one.frame.drop(one.frame.index[-40:-28])

    figures = figures_of(series=with_frame(one, frame))

    assert figures.low_7d == one.frame["low"].iloc[-168]


def exact_money_flow(units: pd.DataFrame) -> float:
    """Compute the index in whole price units and whole volumes: exact integers."""
    typical = [int(h + lo + c) for h, lo, c in units[["high", "low", "close"]].values]
    gained = lost = 0
    for before, after, volume in zip(
        typical, typical[1:], units["volume"].iloc[1:], strict=False
    ):
        gained += after * int(volume) if after > before else 0
        lost += after * int(volume) if after < before else 0
    return 100 * gained / (gained + lost)


@pytest.mark.parametrize("tick", ["0.0001", "0.001", "0.01", "0.1", "0.00000001"])
def test_money_flow_takes_an_unchanged_price_as_unchanged(tick: str) -> None:
    rng = np.random.default_rng(11)
    error = 0.0
    for _ in range(40):
        # Same typical price from different parts most hours, one real move each way.
        centre = np.full(15, int(rng.integers(1_000, 9_999)))
        centre[[4, 9]] += [3, -3]
        part = rng.integers(0, 9, 15)
        units = pd.DataFrame(
            {"high": centre + part, "low": centre - part, "close": centre, "volume": 7}
        )
        units.loc[::2, ["high", "close"]] = units.loc[::2, ["close", "high"]].to_numpy()
        prices = units[["high", "low", "close"]].map(
            lambda unit: float(Decimal(int(unit)) * Decimal(tick))
        )
        one = of(prices["close"].to_numpy(), high=prices["high"].to_numpy(),
                 low=prices["low"].to_numpy(), volume=7.0)  # fmt: skip
        bars = one.frame

        exact = exact_money_flow(units)

        assert figures_of(series=one).mfi == pytest.approx(exact, abs=1e-9)
        plain = MFIIndicator(bars["high"], bars["low"], bars["close"], bars["volume"])
        error = max(error, abs(plain.money_flow_index().iloc[-1] - exact))
    # `ta` itself is off by whole points: float noise turns a bar's whole flow.
    assert error > 5, "float noise no longer matters: the exact way may go"


@pytest.mark.parametrize("days", [3, 5, 60])
def test_a_daily_average_range_of_a_young_coin_uses_the_days_there_are(
    days: int,
) -> None:
    one = series(count=24 * days)
    bars = daily_bars(one.frame)
    before = bars["close"].shift(1)
    sides = (bars["high"] - bars["low"], bars["high"] - before, before - bars["low"])
    ranges = pd.concat(sides, axis=1).max(axis=1)

    expected = ranges.iloc[:14].mean()
    for true_range in ranges.iloc[14:]:
        expected = (expected * 13 + true_range) / 14

    assert figures_of(series=one).daily_atr == pytest.approx(expected, rel=1e-12)
