"""Candles of every length are the same trades, put together by the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import numpy as np
import pytest

from deploy.simulator.market.bars import rolled
from deploy.simulator.market.clock import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    PathClock,
    path_start,
)
from deploy.simulator.market.periods import DAYS, MONTHS, WEEKS, YEARS, Period, minutes
from deploy.simulator.market.synthetic import SyntheticMarket
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.candle_views import (
    day_candles,
    period_candles,
    second_candles,
)
from tests.unit.simulator_world import START_MINUTE, START_MS, Script, tape

ALL = 10**9
NOW = START_MS + 3 * HOUR_MS + 34_567


def _live(market: str = "KRW-BTC", *, speed: float = 5) -> Tape:
    clock = PathClock(
        start_ms=START_MS,
        path_start_ms=path_start(wanted_ms=0, start_ms=START_MS, step_ms=MINUTE_MS),
        speed=speed,
    )
    return Tape(market=market, source=SyntheticMarket(seed=6), clock=clock)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@pytest.mark.parametrize(
    ("period", "first_day"),
    [
        (WEEKS, _monday),
        (MONTHS, lambda day: day.replace(day=1)),
        (YEARS, lambda day: day.replace(month=1, day=1)),
    ],
    ids=["weeks", "months", "years"],
)
def test_long_candles_follow_the_calendar(period: Period, first_day: object) -> None:
    market = _live()
    days = market.history.candles(period=DAYS, before=ALL, count=200, now_ms=NOW)
    assert callable(first_day)

    bars = market.history.candles(period=period, before=ALL, count=200, now_ms=NOW)

    dates = [datetime.fromtimestamp(m * 60, UTC).date() for m in days.minute.tolist()]
    wanted = []
    for begin, group in groupby(range(len(dates)), lambda i: first_day(dates[i])):
        part = list(group)
        wanted.append(
            (
                str(begin),
                days.open[part[0]],
                days.high[part].max(),
                days.low[part].min(),
                days.close[part[-1]],
            )
        )
    rows = period_candles(market="KRW-BTC", bars=bars)
    names = ("opening_price", "high_price", "low_price", "trade_price")
    seen = [(r["first_day_of_period"], *(r[n] for n in names)) for r in rows]
    assert seen[::-1] == wanted
    assert rows[0]["candle_date_time_utc"].endswith("T00:00:00")


def test_a_page_of_weeks_ends_before_the_asked_instant() -> None:
    market = _live()
    every = market.history.candles(period=WEEKS, before=ALL, count=200, now_ms=NOW)
    edge = int(every.minute[-2])

    on, after = (
        market.history.candles(period=WEEKS, before=edge + more, count=3, now_ms=NOW)
        for more in (0, 1)
    )

    assert on.minute.tolist() == every.minute[-5:-2].tolist()
    assert after.minute.tolist() == every.minute[-4:-1].tolist()


@pytest.mark.parametrize("speed", [1, 300])
def test_second_candles_make_the_minute_candles(speed: float) -> None:
    market = _live("KRW-XRP", speed=speed)
    seconds = market.history.seconds(before_ms=NOW, count=10**5, now_ms=NOW)
    fine = market.history.candles(period=minutes(1), before=ALL, count=30, now_ms=NOW)

    made = rolled(seconds, unit=60)

    count = min(len(made) - 1, len(fine))
    assert count > 20
    assert np.array_equal(made.minute[-count:] // 60, fine.minute[-count:])
    for name in ("open", "high", "low", "close", "last_ms"):
        assert np.array_equal(
            getattr(made, name)[-count:], getattr(fine, name)[-count:]
        )


def test_seconds_are_the_newest_before_the_asked_instant() -> None:
    market = tape(Script((-400, 7, 7, 7, 7), (-2, 8, 8, 8, 8)))

    bars = market.history.seconds(
        before_ms=START_MS - 120_000 + 15_000, count=3, now_ms=NOW
    )

    begins = [
        row["candle_date_time_utc"][-5:]
        for row in second_candles(market="KRW-BTC", bars=bars)
    ]
    assert begins == ["18:00", "40:45", "40:30"]


def test_seconds_reach_back_three_months() -> None:
    market = tape(Script((-93 * 1440, 7, 7, 7, 7), (-80 * 1440, 8, 8, 8, 8)))

    bars = market.history.seconds(before_ms=NOW, count=200, now_ms=NOW)

    assert set(bars.close.tolist()) == {8.0}


def test_minutes_of_long_ago_are_computed_again_alike() -> None:
    market = _live("KRW-XRP", speed=3)
    early = START_MS + 20 * MINUTE_MS
    before = market.history.minutes(
        first=START_MINUTE - 5, last=START_MINUTE + 15, now_ms=early
    )
    for days in range(1, 8):
        market.history.minutes(
            first=START_MINUTE, last=ALL, now_ms=START_MS + days * DAY_MS
        )

    again = market.history.minutes(
        first=START_MINUTE - 5, last=START_MINUTE + 15, now_ms=START_MS + 8 * DAY_MS
    )

    assert len(before) > 15
    assert np.array_equal(again.minute, before.minute)
    assert np.array_equal(again.close, before.close)


def test_candles_prepared_ahead_of_time_are_not_shown() -> None:
    market = _live(speed=600)
    now = START_MS + HOUR_MS + 34_567
    market.look_ahead(now_ms=START_MS + 7 * HOUR_MS)  # the next day

    for period in (minutes(1), minutes(60), DAYS):
        seen, fresh = (
            one.history.candles(period=period, before=ALL, count=5, now_ms=now)
            for one in (market, _live(speed=600))
        )
        assert seen.last_ms[-1] <= now
        assert seen.minute[-1] == period.floor(now // MINUTE_MS)
        assert seen.high.tolist() == fresh.high.tolist()
        assert seen.quote.tolist() == pytest.approx(fresh.quote.tolist())


def test_day_candles_change_against_the_day_before() -> None:
    market = tape(
        Script((-2881, 50, 50, 50, 50), (-1440, 60, 60, 60, 60), (0, 45, 45, 45, 45))
    )
    bars = market.history.candles(
        period=DAYS, before=ALL, count=3, now_ms=START_MS + MINUTE_MS
    )

    rows = day_candles(
        market="KRW-BTC", bars=bars.part(1, 3), before=bars.part(0, 1), converted="KRW"
    )

    assert [row["prev_closing_price"] for row in rows] == [60, 50]
    assert [row["change_price"] for row in rows] == [-15, 10]
    assert [row["change_rate"] for row in rows] == [-0.25, 0.2]
    assert [row["converted_trade_price"] for row in rows] == [45, 60]
