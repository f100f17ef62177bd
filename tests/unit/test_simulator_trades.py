"""Trades, injected ones among them, and what a market shows at once because of them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from deploy.simulator.market.clock import DAY_MS, MINUTE_MS, PathClock, path_start
from deploy.simulator.market.periods import minutes
from deploy.simulator.market.synthetic import SyntheticMarket
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.quotation_views import trade_rows
from deploy.simulator.rest.ticker_views import ticker_text, ticker_view
from tests.unit.simulator_world import START_MS, Script, tape

ALL = 10**9
D = Decimal
MIDNIGHT = (START_MS // DAY_MS + 1) * DAY_MS
QUIET = Script(
    (-30, 100, 100, 100, 100), (-1, 100, 110, 90, 105), (9, 106, 106, 106, 106)
)


def _live(*, speed: float = 40, market: str = "KRW-XRP") -> Tape:
    clock = PathClock(
        start_ms=START_MS,
        path_start_ms=path_start(wanted_ms=0, start_ms=START_MS, step_ms=MINUTE_MS),
        speed=speed,
    )
    return Tape(market=market, source=SyntheticMarket(seed=8), clock=clock)


def test_an_injected_trade_shows_everywhere_until_the_next_one() -> None:
    market = tape(QUIET)
    at = START_MS + 2 * MINUTE_MS + 500
    market.moment(now_ms=at)
    market.history.minutes(first=0, last=ALL, now_ms=at + MINUTE_MS)

    market.inject(price=D(250), volume=D("0.5"), at_ms=at)

    view = ticker_view(market, now_ms=at)
    bars = market.history.candles(period=minutes(1), before=ALL, count=1, now_ms=at)
    rows = trade_rows(market, after_ms=at - 1, until_ms=at)
    later = market.history.candles(
        period=minutes(1), before=ALL, count=1, now_ms=at + 3 * MINUTE_MS
    )
    assert (later.open.tolist(), later.volume.tolist()) == ([250], [0.5])
    assert market.price(at_ms=at - 1) == 105
    assert market.price(at_ms=at) == 250
    assert market.trades(after_ms=at - 1, until_ms=at).price.tolist() == [250]
    assert view is not None
    assert (view["trade_price"], view["high_price"]) == (250, 250)
    assert view["trade_volume"] == 0.5
    assert (bars.open.tolist(), bars.volume.tolist()) == ([250], [0.5])
    assert [row["ask_bid"] for row in rows] == ["BID"]
    assert market.book(at_ms=at).asks[0].price == 250
    assert market.price(at_ms=START_MS + 9 * MINUTE_MS) == 106


def test_an_injected_trade_counts_in_the_sums_of_the_day() -> None:
    before, market = tape(QUIET), tape(QUIET)
    at, later = START_MS + 500, START_MS + 20 * MINUTE_MS

    market.inject(price=D(250), volume=D(2), at_ms=at)

    old, new = ticker_view(before, now_ms=later), ticker_view(market, now_ms=later)
    assert old is not None
    assert new is not None
    for name in ("acc_trade_price", "acc_trade_price_24h"):
        assert new[name] - old[name] == 500
    assert new["high_price"] == 250


@pytest.mark.parametrize("at", [START_MS + 95_000, MIDNIGHT - 100_000])
def test_a_restored_injection_tells_the_same_story(at: int) -> None:
    asked, restored = _live(), _live()
    for now in range(at - 90_000, at, 5_000):
        ticker_text(asked, now_ms=now)
    asked.inject(price=D(9000), volume=D(3), at_ms=at)
    for now in range(at, at + 400_000, 5_000):
        ticker_text(asked, now_ms=now)
    end = at + 400_000
    late = ticker_text(restored, now_ms=end)

    restored.inject(price=D(9000), volume=D(3), at_ms=at)

    assert late != ticker_text(restored, now_ms=end)
    assert ticker_text(asked, now_ms=end) == ticker_text(restored, now_ms=end)
    assert _candles(asked, end) == _candles(restored, end)


def _candles(market: Tape, now: int) -> list[tuple[float, ...]]:
    bars = market.history.candles(period=minutes(3), before=ALL, count=9, now_ms=now)
    return list(zip(bars.high.tolist(), bars.close.tolist(), bars.quote, strict=True))


def test_nothing_can_be_injected_into_history() -> None:
    with pytest.raises(ValueError, match="start"):
        tape(QUIET).inject(price=D(1), volume=D(1), at_ms=START_MS - 1)


def test_a_halted_market_stands_still_and_opens_at_the_paths_price() -> None:
    free, halted = _live(), _live()
    begin, end = START_MS + 61_000, START_MS + 300_500
    halted.look_ahead(now_ms=begin)
    halted.set_halted(on=True, at_ms=begin)
    during = [ticker_view(halted, now_ms=now) for now in range(begin, end, 10_000)]
    price = halted.price(at_ms=end)

    halted.set_halted(on=False, at_ms=end)

    gap = halted.trades(after_ms=begin, until_ms=end)
    bars = halted.history.minutes(first=0, last=ALL, now_ms=end + 60_000)
    assert len({(view or {})["trade_timestamp"] for view in during}) == 1
    assert price == free.price(at_ms=begin)
    assert gap.at_ms.tolist() == [end]
    assert halted.price(at_ms=end) == free.price(at_ms=end)
    assert halted.price(at_ms=end + 60_000) == free.price(at_ms=end + 60_000)
    minute = START_MS // MINUTE_MS
    assert set(range(minute + 2, minute + 5)).isdisjoint(bars.minute.tolist())
    assert {minute + 1, minute + 5} <= set(bars.minute.tolist())


def test_halting_twice_is_halting_once() -> None:
    market = _live()
    for on, at in ((True, 1_000), (True, 9_000), (False, 20_000), (False, 90_000)):
        market.set_halted(on=on, at_ms=START_MS + at)

    trades = market.trades(after_ms=START_MS + 1_000, until_ms=START_MS + 21_000)

    assert trades.at_ms[0] == START_MS + 20_000
    assert len(market.trades(after_ms=START_MS, until_ms=START_MS + 200_000)) > 50


def test_nothing_happens_at_the_end_of_a_halt_of_a_silent_market() -> None:
    market = tape(QUIET)
    market.set_halted(on=True, at_ms=START_MS + 5)

    market.set_halted(on=False, at_ms=START_MS + 90_000)

    assert len(market.trades(after_ms=START_MS, until_ms=START_MS + 100_000)) == 0


def test_a_trade_belongs_to_who_moved_the_price() -> None:
    # The walk inside a cell: open, nearer wick, other wick, close.
    market = tape(Script((0, 10, 12, 9, 9), (1, 9, 9, 9, 9), (2, 11, 11, 11, 11)))
    end = START_MS + 3 * MINUTE_MS

    rows = trade_rows(market, after_ms=START_MS - 1, until_ms=end)

    prices = [row["trade_price"] for row in rows]
    assert prices == [10, 9, 12, 9, 9, 9, 9, 9, 11, 11, 11, 11]
    sides = "".join(row["ask_bid"][0] for row in rows)
    assert sides == "BAB" + "AAAAA" + "BBBB"


def test_a_side_is_kept_however_long_the_price_has_stood_still() -> None:
    still = [(minute, 5, 5, 5, 5) for minute in range(-3000, 0, 30)]
    market = tape(Script((-9000, 7, 7, 7, 7), (-8000, 5, 5, 5, 5), *still))

    rows = trade_rows(market, after_ms=START_MS - 31 * MINUTE_MS, until_ms=START_MS)

    assert {row["ask_bid"] for row in rows} == {"ASK"}


def test_sides_and_numbers_do_not_depend_on_the_pages_they_are_read_in() -> None:
    market = _live(speed=2000)
    begin, end = START_MS - 90_000, START_MS + 45_000
    whole = trade_rows(_live(speed=2000), after_ms=begin, until_ms=end)

    pages = [
        trade_rows(market, after_ms=at, until_ms=min(at + 313, end))
        for at in range(begin, end, 313)
    ]

    assert [row for page in pages for row in page] == whole
    numbers = np.array([row["sequential_id"] for row in whole])
    assert (np.diff(numbers) > 0).all()
    assert len(whole) > 4000


def test_many_trades_of_a_millisecond_have_places_of_their_own() -> None:
    market = tape(QUIET)
    prices = [200 + (7 * n) % 31 for n in range(31)]
    for price in prices:
        market.inject(price=D(price), volume=D(1), at_ms=START_MS + 7)

    rows = trade_rows(market, after_ms=START_MS + 6, until_ms=START_MS + 7)

    assert [row["trade_price"] for row in rows] == prices
    first = rows[0]["sequential_id"]
    assert [row["sequential_id"] - first for row in rows] == list(range(31))


def test_changes_are_counted_from_the_close_of_the_day_before_each_trade() -> None:
    minute = (MIDNIGHT - START_MS) // MINUTE_MS
    market = tape(
        Script(
            (minute - 9, 50, 50, 50, 50),
            (minute - 1, 60, 60, 60, 60),
            (minute, 66, 66, 66, 66),
        )
    )

    rows = trade_rows(market, after_ms=MIDNIGHT - 100_000, until_ms=MIDNIGHT)

    assert rows[0]["prev_closing_price"] == 50  # the first day: its first price
    assert (rows[-1]["prev_closing_price"], rows[-1]["change_price"]) == (60, 6)
    assert rows[-1]["trade_date_utc"] > rows[0]["trade_date_utc"]


def test_no_trade_is_stamped_before_the_path_has_made_it() -> None:
    clock = PathClock(start_ms=START_MS, path_start_ms=0, speed=7.3)
    market = Tape(market="KRW-BTC", source=SyntheticMarket(seed=8), clock=clock)

    trades = market.trades(after_ms=START_MS, until_ms=START_MS + 60_000)

    late = [clock.path_at(at) % 15_000 for at in trades.at_ms.tolist()]
    assert len(late) > 20
    assert all(after < 7.4 for after in late)
