"""Hourly series: only closed candles, silence filled, maintenance left open."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from central_project.analysis.candles import (
    COLUMNS,
    CandleSeries,
    NotEnoughHistory,
    daily_bars,
    hourly_series,
    last_days,
    span_days,
)
from tests.unit.analysis_builders import NOW, THIS_HOUR, no_rows, rows, series

HOUR = timedelta(hours=1)
FIVE = timedelta(minutes=5)


def build(
    hours: pd.DataFrame,
    *,
    five: pd.DataFrame | None = None,
    now: datetime = NOW,
    maintenance: tuple[datetime, ...] = (),
    days: int = 90,
) -> CandleSeries:
    return hourly_series(
        market="KRW-AAA",
        hours=hours,
        five_minutes=no_rows() if five is None else five,
        now=now,
        maintenance=maintenance,
        days=days,
    )


def five_minutes(*, count: int, end: datetime) -> pd.DataFrame:
    return rows(count=count, end=end, step=FIVE, seed=5)


def drop_hours(frame: pd.DataFrame, *starts: datetime) -> pd.DataFrame:
    return frame[~frame["started_at"].isin(starts)]


def test_a_full_window_holds_90_days_of_closed_hours() -> None:
    built = build(rows(count=2400))

    assert len(built.frame) == 2160
    assert built.frame.index[-1] == THIS_HOUR - HOUR
    assert built.missing_share == 0
    assert not built.provisional
    assert tuple(built.frame.columns) == COLUMNS
    assert set(built.frame.dtypes.astype(str)) == {"float64"}
    assert str(pd.DatetimeIndex(built.frame.index).tz) == "UTC"


def test_the_order_of_the_rows_does_not_matter() -> None:
    hours = rows(count=300)
    five = five_minutes(count=30, end=NOW.replace(minute=0))
    mixed = build(hours.sample(frac=1, random_state=3), five=five[::-1])

    pd.testing.assert_frame_equal(mixed.frame, build(hours, five=five).frame)


def test_an_unclosed_hour_changes_nothing() -> None:
    hours = rows(count=300)
    unclosed = rows(count=1, end=THIS_HOUR + HOUR, seed=9)

    with_it = build(pd.concat([hours, unclosed]))

    pd.testing.assert_frame_equal(with_it.frame, build(hours).frame)
    assert not with_it.provisional


def test_an_unclosed_five_minute_candle_changes_nothing() -> None:
    hours = rows(count=300)
    # 12:03: the candle of 12:00 is still open.
    unclosed = rows(count=1, end=THIS_HOUR + FIVE, step=FIVE, seed=9)

    built = build(hours, five=unclosed)

    pd.testing.assert_frame_equal(built.frame, build(hours).frame)
    assert not built.provisional


def test_the_future_changes_nothing() -> None:
    hours, now = rows(count=300), NOW - timedelta(hours=50)
    past = hours[hours["started_at"] < now.replace(minute=0)]

    pd.testing.assert_frame_equal(
        build(hours, now=now).frame, build(past, now=now).frame
    )


def test_closed_five_minute_candles_make_the_provisional_hour() -> None:
    now = THIS_HOUR + timedelta(minutes=16)
    five = five_minutes(count=3, end=THIS_HOUR + timedelta(minutes=15))

    built = build(rows(count=300), five=five, now=now)

    last = built.frame.iloc[-1]
    assert built.provisional
    assert built.frame.index[-1] == THIS_HOUR
    assert last["open"] == five["open"].iloc[0]
    assert last["high"] == five["high"].max()
    assert last["low"] == five["low"].min()
    assert last["close"] == five["close"].iloc[-1]
    assert last["volume"] == pytest.approx(five["volume"].sum())


def test_an_hour_not_delivered_yet_is_rolled_up_from_its_minutes() -> None:
    hours = drop_hours(rows(count=300), THIS_HOUR - HOUR)
    five = five_minutes(count=12, end=THIS_HOUR)

    built = build(hours, five=five)

    assert built.frame["high"].iloc[-1] == five["high"].max()
    assert built.missing_share == 0


def test_the_exchanges_own_hour_wins_over_its_minutes() -> None:
    hours = rows(count=300)

    built = build(hours, five=five_minutes(count=12, end=THIS_HOUR))

    assert built.frame["high"].iloc[-1] == hours["high"].iloc[-1]


def test_a_silent_hour_repeats_the_close_without_volume() -> None:
    hours = rows(count=300)
    silent = THIS_HOUR - 10 * HOUR

    built = build(drop_hours(hours, silent))

    row = built.frame.loc[silent]
    close = built.frame["close"].loc[silent - HOUR]
    assert [row["open"], row["high"], row["low"], row["close"]] == [close] * 4
    assert row["volume"] == 0
    assert row["quote_volume"] == 0
    assert built.missing_share == pytest.approx(1 / 300)


def test_silence_at_the_windows_edges_is_filled_too() -> None:
    hours = rows(count=500)
    edge = THIS_HOUR - timedelta(days=10)

    built = build(drop_hours(hours, edge, THIS_HOUR - HOUR), days=10)

    assert built.frame.index[0] == edge
    assert built.frame["close"].iloc[0] == hours["close"].iloc[500 - 241]
    assert built.frame.index[-1] == THIS_HOUR - HOUR
    assert built.missing_share == pytest.approx(2 / 240)


def test_a_maintenance_hour_stays_a_gap() -> None:
    hours = rows(count=300)
    away = (THIS_HOUR - 20 * HOUR, THIS_HOUR - 19 * HOUR)

    built = build(drop_hours(hours, *away), maintenance=away)

    assert len(built.frame) == 298
    assert not built.frame.index.isin(away).any()
    assert built.missing_share == 0


def test_a_row_inside_maintenance_is_kept() -> None:
    built = build(rows(count=300), maintenance=(THIS_HOUR - 20 * HOUR,))

    assert len(built.frame) == 300


def test_nothing_is_invented_before_the_first_row() -> None:
    built = build(rows(count=300))

    assert built.frame.index[0] == THIS_HOUR - 300 * HOUR
    assert built.missing_share == 0


@pytest.mark.parametrize("count", [0, 1, 23])
def test_less_than_a_day_of_hours_is_refused(count: int) -> None:
    hours = rows(count=count) if count else no_rows()

    with pytest.raises(NotEnoughHistory, match=f"KRW-AAA: {count} closed hours"):
        build(hours)


def test_24_hours_are_enough() -> None:
    assert len(build(rows(count=24)).frame) == 24


def test_a_missing_quote_volume_is_volume_times_typical_price() -> None:
    hours = rows(count=48)
    hours["quote_volume"] = np.nan

    row = build(hours).frame.iloc[-1]

    typical = (row["high"] + row["low"] + row["close"]) / 3
    assert row["quote_volume"] == pytest.approx(row["volume"] * typical)


def test_decimals_from_a_database_are_read() -> None:
    hours = rows(count=48)
    exact = hours.assign(
        **{c: hours[c].map(lambda v: Decimal(repr(v))) for c in COLUMNS}
    )

    pd.testing.assert_frame_equal(build(exact).frame, build(hours).frame)


@pytest.mark.parametrize(
    "broken",
    [{"low": 0.0}, {"close": np.nan}, {"high": np.inf}, {"high": 1.0}, {"low": 1e12}],
)
def test_a_row_that_cannot_be_true_counts_as_missing(broken: dict[str, float]) -> None:
    hours = rows(count=100)
    column, value = next(iter(broken.items()))
    hours.loc[50, column] = value

    built = build(hours)

    assert built.missing_share == pytest.approx(0.01)
    assert built.frame["volume"].iloc[50] == 0


def test_naive_times_are_refused() -> None:
    hours = rows(count=48)
    naive = hours.assign(started_at=hours["started_at"].dt.tz_localize(None))

    with pytest.raises(ValueError, match="aware"):
        build(naive)
    with pytest.raises(ValueError, match="aware"):
        build(hours, now=NOW.replace(tzinfo=None))


def test_times_of_another_zone_are_the_same_instants() -> None:
    hours = rows(count=48)
    seoul = hours.assign(started_at=hours["started_at"].dt.tz_convert("Asia/Seoul"))

    pd.testing.assert_frame_equal(build(seoul).frame, build(hours).frame)


def test_daily_bars_are_whole_days_that_end_with_the_last_row() -> None:
    frame = series(count=24 * 3 + 5).frame

    bars = daily_bars(frame)

    last = frame.iloc[-24:]
    assert len(bars) == 3
    assert bars["open"].iloc[-1] == last["open"].iloc[0]
    assert bars["high"].iloc[-1] == last["high"].max()
    assert bars["low"].iloc[-1] == last["low"].min()
    assert bars["close"].iloc[-1] == last["close"].iloc[-1]
    assert bars["quote_volume"].iloc[-1] == pytest.approx(last["quote_volume"].sum())
    assert bars.index[0] == frame.index[5]


def test_daily_bars_keep_their_hours_across_a_gap() -> None:
    frame = series(count=24 * 4).frame
    gapped = frame.drop(frame.index[26:44])

    bars = daily_bars(gapped)

    assert len(bars) == 4
    assert bars["high"].iloc[2:].tolist() == daily_bars(frame)["high"].iloc[2:].tolist()


def test_less_than_a_day_has_no_daily_bar() -> None:
    assert daily_bars(series(count=23).frame).empty


def test_last_days_and_span_count_whole_hours() -> None:
    frame = series(count=2160).frame

    week = last_days(frame, days=7)

    assert len(week) == 168
    assert span_days(week) == 7
    assert week.index[-1] == pd.Timestamp(THIS_HOUR - HOUR)
