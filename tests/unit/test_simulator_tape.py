"""What a market shows agrees with itself: candles, last trades, day figures."""

from __future__ import annotations

import numpy as np
import pytest

from common.money import ticks_of
from deploy.simulator.market.bars import rolled
from deploy.simulator.market.clock import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    PathClock,
    path_start,
)
from deploy.simulator.market.periods import DAYS, minutes
from deploy.simulator.market.synthetic import SyntheticMarket
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.ticker_views import ticker_view
from tests.unit.simulator_world import START_MINUTE, START_MS, Script, tape

ALL = 10**9


def _live(market: str = "KRW-BTC", *, speed: float = 7.3, seed: int = 6) -> Tape:
    start = START_MS + 23_456
    clock = PathClock(
        start_ms=start,
        path_start_ms=path_start(wanted_ms=0, start_ms=start, step_ms=MINUTE_MS),
        speed=speed,
    )
    return Tape(market=market, source=SyntheticMarket(seed=seed), clock=clock)


@pytest.mark.parametrize("market", ["KRW-BTC", "KRW-NCT"])
@pytest.mark.parametrize("unit", [3, 5, 15, 60, 240, 1440])
def test_coarser_candles_are_finer_ones_put_together(market: str, unit: int) -> None:
    now = START_MS + 2 * HOUR_MS + 34_567
    live = _live(market)
    fine = live.history.candles(period=minutes(1), before=ALL, count=4000, now_ms=now)

    coarse = _live(market).history.candles(
        period=minutes(unit), before=ALL, count=200, now_ms=now
    )

    wanted = rolled(fine, unit=unit)
    count = min(len(coarse), len(wanted) - 1)  # the oldest may lack its first minutes
    assert count > 0
    for name in ("minute", "open", "high", "low", "close", "last_ms"):
        assert np.array_equal(
            getattr(coarse, name)[-count:], getattr(wanted, name)[-count:]
        )
    assert np.allclose(coarse.volume[-count:], wanted.volume[-count:], rtol=1e-9)


def test_candles_do_not_depend_on_when_they_were_asked_for() -> None:
    now = START_MS + 40 * MINUTE_MS
    often = _live()
    for second in range(0, 40 * 60, 17):
        often.history.candles(
            period=minutes(1),
            before=ALL,
            count=3,
            now_ms=START_MS + 30_000 + second * 1000,
        )

    seen = often.history.candles(period=minutes(5), before=ALL, count=50, now_ms=now)
    fresh = _live().history.candles(period=minutes(5), before=ALL, count=50, now_ms=now)

    assert np.array_equal(seen.close, fresh.close)
    assert np.array_equal(seen.high, fresh.high)
    assert np.allclose(seen.volume, fresh.volume)


def test_a_faster_market_puts_more_of_its_path_into_a_minute() -> None:
    script = Script(*((i, 100 + i, 100 + i, 100 + i, 100 + i) for i in range(100)))
    now = START_MS + 2 * MINUTE_MS

    bars = tape(script, speed=10).history.candles(
        period=minutes(1), before=ALL, count=9, now_ms=now - 1
    )

    assert bars.minute.tolist() == [START_MINUTE, START_MINUTE + 1]
    assert bars.open.tolist() == [100, 110]
    assert bars.close.tolist() == [109, 119]
    assert bars.volume.tolist() == [40, 40]


def test_history_before_the_start_is_the_path_at_its_own_pace() -> None:
    script = Script((-2, 5, 9, 4, 6), (-1, 6, 7, 6, 7), (0, 7, 8, 7, 8))

    bars = tape(script, speed=50).history.candles(
        period=minutes(1), before=ALL, count=9, now_ms=START_MS
    )

    assert (bars.minute - START_MINUTE).tolist() == [-2, -1, 0]
    assert bars.high.tolist()[:2] == [9, 7]


def test_silent_minutes_have_no_candle_and_to_is_exclusive() -> None:
    script = Script((-9, 5, 5, 5, 5), (-4, 6, 6, 6, 6), (-1, 7, 7, 7, 7))
    market = tape(script)

    bars = market.history.candles(
        period=minutes(1), before=START_MINUTE - 1, count=200, now_ms=START_MS + 1
    )

    assert (bars.minute - START_MINUTE).tolist() == [-9, -4]


def test_quiet_coins_still_fill_a_page() -> None:
    market = _live("KRW-NCT", speed=1)

    bars = market.history.candles(
        period=minutes(1), before=ALL, count=200, now_ms=START_MS + MINUTE_MS
    )

    assert len(bars) == 200
    assert (np.diff(bars.minute) > 0).all()
    assert np.diff(bars.minute).max() > 10


def test_nothing_is_shown_before_the_path_reaches_it() -> None:
    market = _live(speed=3)
    moments = range(START_MS + 30_000, START_MS + 90_000, 777)

    for now in moments:
        market.look_ahead(now_ms=now)
        moment = market.moment(now_ms=now)
        assert moment is not None
        assert moment.at_ms <= now
        bars = market.history.candles(
            period=minutes(1), before=ALL, count=5, now_ms=now
        )
        assert (bars.last_ms <= now).all()


def test_the_last_price_is_held_while_nothing_trades() -> None:
    market = tape(Script((-5000, 42, 42, 42, 42), (-3000, 43, 43, 43, 43)))

    price = market.price(at_ms=START_MS + DAY_MS)

    assert price == 43
    assert tape(Script((10, 1, 1, 1, 1))).price(at_ms=START_MS) is None


def test_trades_arrive_once_whatever_the_asking_rhythm() -> None:
    market = _live(speed=11)
    begin, end = START_MS - 90_000, START_MS + 200_000
    whole = market.trades(after_ms=begin, until_ms=end)

    pieces, at = [], begin
    while at < end:
        step = min(at + 613, end)
        pieces.append(market.trades(after_ms=at, until_ms=step))
        at = step

    assert np.array_equal(np.concatenate([p.at_ms for p in pieces]), whole.at_ms)
    assert np.array_equal(np.concatenate([p.price for p in pieces]), whole.price)


def test_the_ticker_agrees_with_the_candles() -> None:
    now = START_MS + 3 * MINUTE_MS + 21_000
    market = _live()
    view = ticker_view(market, now_ms=now)
    assert view is not None

    days = market.history.candles(period=DAYS, before=ALL, count=2, now_ms=now)
    fine = market.history.candles(period=minutes(1), before=ALL, count=1441, now_ms=now)

    assert view["trade_price"] == fine.close[-1]
    assert view["opening_price"] == days.open[-1]
    assert view["high_price"] == days.high[-1]
    assert view["low_price"] == days.low[-1]
    assert view["prev_closing_price"] == days.close[-2]
    assert view["acc_trade_price"] == pytest.approx(days.quote[-1])
    last_day = fine.between(now // MINUTE_MS - 1440, ALL)
    assert view["acc_trade_price_24h"] == pytest.approx(last_day.quote.sum())
    assert view["highest_52_week_price"] >= view["high_price"]
    assert view["change"] in ("RISE", "FALL", "EVEN")


@pytest.mark.parametrize("market", ["KRW-BTC", "KRW-BTT", "KRW-OBSR", "KRW-USDT"])
def test_the_book_stands_around_the_last_price(market: str) -> None:
    now = START_MS + MINUTE_MS
    live = _live(market, speed=1)
    ticks = ticks_of(market=market)

    book = live.book(at_ms=now)

    asks, bids = ([level.price for level in side] for side in (book.asks, book.bids))
    price = live.price(at_ms=now)
    assert price is not None
    assert bids[0] < price <= asks[0]
    assert (len(asks), len(bids)) == (30, 30)
    assert asks == sorted(set(asks))
    assert bids == sorted(set(bids), reverse=True)
    assert all(ticks.is_on_tick(price=one) for one in (*asks, *bids))
    assert all(level.size > 0 for level in (*book.asks, *book.bids))
