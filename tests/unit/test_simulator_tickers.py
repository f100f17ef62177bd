"""The ticker: one day's figures, the same whenever and however often it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.simulator.market.clock import DAY_MS, MINUTE_MS, PathClock, path_start
from deploy.simulator.market.periods import DAYS
from deploy.simulator.market.synthetic import SyntheticMarket
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.ticker_views import ticker_text, ticker_view
from tests.unit.simulator_world import START_MINUTE, START_MS, Script, tape

SOURCE = SyntheticMarket(seed=4)
MIDNIGHT = (START_MS // DAY_MS + 1) * DAY_MS
LAST_MINUTE = (MIDNIGHT - START_MS) // MINUTE_MS - 1


def _live(market: str, *, speed: float, start: int = START_MS) -> Tape:
    clock = PathClock(
        start_ms=start,
        path_start_ms=path_start(wanted_ms=0, start_ms=start, step_ms=MINUTE_MS),
        speed=speed,
    )
    return Tape(market=market, source=SOURCE, clock=clock)


def _view(market: Tape, now_ms: int) -> dict[str, Any]:
    view = ticker_view(market, now_ms=now_ms)
    assert view is not None
    return view


@pytest.mark.parametrize("market", ["KRW-ETH", "KRW-NCT"])
@pytest.mark.parametrize("speed", [0.5, 1, 90, 700])
def test_a_ticker_does_not_depend_on_earlier_asking(market: str, speed: float) -> None:
    start = MIDNIGHT - 7 * MINUTE_MS + 12_345
    often = _live(market, speed=speed, start=start)
    moments = range(start - 60_000, start + 15 * MINUTE_MS, 101_777)

    for now in moments:
        often.look_ahead(now_ms=now)
        seen = ticker_text(often, now_ms=now)

        fresh = _live(market, speed=speed, start=start)
        assert seen == ticker_text(fresh, now_ms=now)


def test_a_new_day_starts_its_own_figures() -> None:
    market = tape(
        Script(
            (LAST_MINUTE, 100, 130, 80, 110),
            (LAST_MINUTE + 3, 120, 120, 120, 120),
        )
    )

    evening = _view(market, MIDNIGHT - 1)
    night = _view(market, MIDNIGHT)
    morning = _view(market, MIDNIGHT + 5 * MINUTE_MS)

    assert (evening["opening_price"], evening["high_price"]) == (100, 130)
    assert (evening["low_price"], evening["acc_trade_volume"]) == (80, 4)
    assert (evening["prev_closing_price"], evening["change"]) == (100, "RISE")
    # Nothing has traded yet today: the last price all over.
    assert night["prev_closing_price"] == 110
    assert {night[f"{name}_price"] for name in ("opening", "high", "low")} == {110}
    assert (night["acc_trade_price"], night["change"]) == (0, "EVEN")
    assert night["acc_trade_price_24h"] == 400
    assert (morning["opening_price"], morning["low_price"]) == (120, 120)
    assert (morning["signed_change_price"], morning["change"]) == (10, "RISE")
    assert morning["signed_change_rate"] == pytest.approx(10 / 110)
    assert (morning["acc_trade_price"], morning["acc_trade_price_24h"]) == (400, 800)


def test_a_trade_on_the_stroke_of_midnight_belongs_to_the_new_day_once() -> None:
    market = tape(Script((-5, 9, 9, 9, 9), (LAST_MINUTE + 1, 7, 7, 7, 7)))

    view = _view(market, MIDNIGHT + MINUTE_MS)

    assert (view["opening_price"], view["prev_closing_price"]) == (7, 9)
    assert (view["acc_trade_volume"], view["acc_trade_volume_24h"]) == (4, 8)


def test_a_fall_has_a_sign_only_where_it_is_asked_for() -> None:
    market = tape(Script((-1440, 200, 200, 200, 200), (1, 150, 150, 150, 150)))

    view = _view(market, START_MS + 2 * MINUTE_MS)

    assert view["change"] == "FALL"
    assert (view["change_price"], view["signed_change_price"]) == (50, -50)
    assert (view["change_rate"], view["signed_change_rate"]) == (0.25, -0.25)


def test_what_is_a_day_old_falls_out_of_24_hours_by_the_minute() -> None:
    market = tape(Script((-30, 5, 5, 5, 5), (10, 6, 6, 6, 6)))
    out = START_MS + (1440 - 29) * MINUTE_MS

    assert _view(market, out - 1)["acc_trade_volume_24h"] == 8
    assert _view(market, out)["acc_trade_volume_24h"] == 4
    assert _view(market, out + DAY_MS)["acc_trade_volume_24h"] == 0


def test_the_year_remembers_the_days_of_its_extremes() -> None:
    day = 1440
    market = tape(
        Script(
            (-363 * day, 50, 90, 40, 50),
            (-30 * day, 50, 80, 45, 50),
            (0, 60, 60, 60, 60),
        )
    )

    view, later = _view(market, START_MS), _view(market, START_MS + 2 * DAY_MS)

    assert (view["highest_52_week_price"], view["lowest_52_week_price"]) == (90, 40)
    assert view["highest_52_week_date"] == view["lowest_52_week_date"]
    assert view["highest_52_week_date"] == _date((START_MINUTE - 363 * day) * MINUTE_MS)
    assert (later["highest_52_week_price"], later["lowest_52_week_price"]) == (80, 45)
    assert later["highest_52_week_date"] == _date((START_MINUTE - 30 * day) * MINUTE_MS)


def _date(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def test_a_record_of_today_is_the_years() -> None:
    market = tape(Script((-9000, 50, 90, 40, 50), (0, 60, 95, 60, 60)))

    view = _view(market, START_MS + MINUTE_MS)

    assert (view["highest_52_week_price"], view["lowest_52_week_price"]) == (95, 40)
    assert view["highest_52_week_date"] == _date(START_MS)


@pytest.mark.parametrize("coin", ["XRP", "PEPE", "SOL"])
@pytest.mark.parametrize("passed_days", [0, 3])
def test_the_years_extremes_are_those_of_its_candles(
    passed_days: int, coin: str
) -> None:
    market = _live(f"KRW-{coin}", speed=40)
    now = START_MS + passed_days * DAY_MS

    known = market.look_back(now_ms=now), market.look_back(now_ms=now)

    view = _view(market, now)
    days = market.history.candles(period=DAYS, before=10**9, count=200, now_ms=now)
    assert known == (True, False)
    assert len(days) > 90
    assert view["highest_52_week_price"] == days.high.max()
    assert view["lowest_52_week_price"] == days.low.min()
    best = int(days.minute[days.high.argmax()])
    assert view["highest_52_week_date"] == _date(best * MINUTE_MS)
    worst = int(days.minute[days.low.argmin()])
    assert view["lowest_52_week_date"] == _date(worst * MINUTE_MS)


def test_a_quiet_market_is_worded_once() -> None:
    market = tape(Script((-5, 5, 5, 5, 5), (10, 6, 6, 6, 6)))

    first = ticker_text(market, now_ms=START_MS)

    assert ticker_text(market, now_ms=START_MS + 59_000) is first
    assert ticker_text(market, now_ms=START_MS + 10 * MINUTE_MS) != first
