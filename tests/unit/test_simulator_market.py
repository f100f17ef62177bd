"""The synthetic market is the same for a seed, however and whenever it is asked."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from common.money import KRW_TICKS, STABLE_TICKS, ticks_of
from deploy.simulator.market.liveliness import suggested_speed
from deploy.simulator.market.names import COINS, MOST
from deploy.simulator.market.path import NO_EXTREMES, Cells
from deploy.simulator.market.synthetic import BLOCK, HISTORY_DAYS, SyntheticMarket
from deploy.simulator.market.ticks import TickGrid, exact

DAY = 1440


def _same(left: Cells, right: Cells) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("minute", "open", "high", "low", "close", "volume", "quote")
    )


def test_the_path_does_not_depend_on_how_it_is_asked() -> None:
    whole = SyntheticMarket(seed=5).cells("KRW-XRP", -3 * DAY, 3 * DAY)
    pieces = SyntheticMarket(seed=5)

    late = pieces.cells("KRW-XRP", DAY + 7, 2 * DAY - 3)
    early = pieces.cells("KRW-XRP", -2 * DAY - 11, -DAY)
    pieces.cells("KRW-ETH", -9 * DAY, 9 * DAY)

    assert _same(late, whole.between(DAY + 7, 2 * DAY - 3))
    assert _same(early, whole.between(-2 * DAY - 11, -DAY))
    assert _same(pieces.cells("KRW-XRP", -3 * DAY, 3 * DAY), whole)


def test_another_seed_is_another_market() -> None:
    one = SyntheticMarket(seed=1).cells("KRW-BTC", 0, 100)
    two = SyntheticMarket(seed=2).cells("KRW-BTC", 0, 100)

    assert not _same(one, two)


def test_the_path_is_continuous_over_midnight_and_the_start() -> None:
    cells = SyntheticMarket(seed=3).cells("KRW-BTC", -3 * DAY, 3 * DAY)
    gap = np.abs(np.log(cells.open[1:] / cells.close[:-1]))
    neighbours = np.diff(cells.minute) == 1

    assert gap[neighbours].max() < 1e-4  # a tick of a 150 million won coin


def test_every_price_lies_on_the_grid_and_every_cell_encloses_its_ends() -> None:
    market = SyntheticMarket(seed=4)

    for name in ("KRW-BTC", "KRW-USDT", "KRW-BTT", "KRW-PEPE", "KRW-ARK"):
        cells = market.cells(name, -DAY, DAY)
        ends = np.stack((cells.open, cells.close))
        assert (cells.high >= ends.max(axis=0)).all()
        assert (cells.low <= ends.min(axis=0)).all()
        ticks = ticks_of(market=name)
        for price in np.unique(np.concatenate((cells.high, cells.low))):
            assert ticks.is_on_tick(price=exact(float(price)))


def test_the_universe_is_as_wide_as_the_real_one() -> None:
    market = SyntheticMarket(seed=7)
    prices, turnover, silent = [], [], 0
    for listing in market.listings:
        cells = market.cells(listing.market, -2 * DAY, 0)
        prices.append(float(cells.close[-1]) if len(cells) else 1.0)
        turnover.append(cells.quote.sum() / 2)
        silent += len(cells) < DAY

    assert len(market.listings) >= 120
    assert min(prices) < 1
    assert max(prices) > 100_000_000
    assert min(turnover) < 5e8
    assert max(turnover) > 1e11
    assert silent > 20
    assert sum(one.warning for one in market.listings) >= 1
    assert sum(bool(one.caution) for one in market.listings) >= 1


def test_coins_move_together() -> None:
    market = SyntheticMarket(seed=11)

    def hourly(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        cells = market.cells(name, -30 * DAY, 0)
        at = np.searchsorted(cells.minute, np.arange(-30 * DAY + 60, 0, 60)) - 1
        return np.diff(np.log(cells.close[at]))

    correlation = np.corrcoef(hourly("KRW-BTC"), hourly("KRW-ETH"))[0, 1]
    pegged = np.corrcoef(hourly("KRW-BTC"), hourly("KRW-USDT"))[0, 1]

    assert correlation > 0.4
    assert abs(pegged) < 0.4


def test_crashes_happen_and_are_partly_made_good() -> None:
    market = SyntheticMarket(seed=2)

    worst = []
    for block in range(-60, 0):
        cells = market.cells("KRW-ETH", block * BLOCK, (block + 1) * BLOCK)
        at = np.searchsorted(cells.minute, np.arange(block * BLOCK + 60, 0)[:1380]) - 1
        logs = np.log(cells.close[np.clip(at, 0, len(cells) - 1)])
        worst.append(float((logs[60:] - logs[:-60]).min()))

    assert min(worst) < -0.05
    assert float(np.median(worst)) > -0.03


def test_history_reaches_back_ninety_days_except_for_young_coins() -> None:
    market = SyntheticMarket(seed=1)

    first = market.cells("KRW-BTC", -10_000 * DAY, -90 * DAY)
    young = market.cells("KRW-TAIKO", -10_000 * DAY, -10 * DAY)

    assert HISTORY_DAYS >= 90
    assert len(first) > DAY
    assert len(young) == 0


@pytest.mark.parametrize("ticks", [KRW_TICKS, STABLE_TICKS])
def test_array_rounding_agrees_with_the_tick_table(ticks: object) -> None:
    table = KRW_TICKS if ticks is KRW_TICKS else STABLE_TICKS
    prices = 10.0 ** np.linspace(-7, 8.3, 4000)

    rounded = TickGrid(ticks=table).round(prices)

    for raw, price in zip(prices, rounded, strict=True):
        value, wanted = exact(float(price)), Decimal(float(raw))
        assert table.is_on_tick(price=value)
        tick = table.tick_size(price=wanted)
        assert abs(value - wanted) <= tick / 2 * (1 + Decimal("1e-9")) or value == tick


def test_the_suggested_speed_moves_a_typical_coin_as_wanted() -> None:
    market = SyntheticMarket(seed=9)

    speed = round(suggested_speed(market_source=market, path_start_minute=0))
    moves = []
    for listing in market.listings:
        cells = market.cells(listing.market, 0, 20 * speed)
        at = np.searchsorted(cells.minute, np.arange(0, 20 * speed), side="right") - 1
        logs = np.log(cells.close[np.maximum(at, 0)])
        moves.append(float(np.sqrt(np.mean((logs[speed:] - logs[:-speed]) ** 2))))

    assert 0.021 < float(np.median(moves)) < 0.032


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        SyntheticMarket(seed=-1)


def test_more_markets_leave_the_others_paths_alone() -> None:
    usual, many = SyntheticMarket(seed=5), SyntheticMarket(seed=5, markets=250)

    names = [listing.market for listing in many.listings]

    assert names[: len(COINS)] == [one.market for one in usual.listings]
    for name in ("KRW-BTC", names[len(COINS) - 1]):
        assert _same(usual.cells(name, -100, 100), many.cells(name, -100, 100))


def test_markets_beyond_the_known_coins_are_made_up() -> None:
    market = SyntheticMarket(seed=5, markets=250)

    last = market.listings[-1]
    names = {one.market for one in market.listings}
    cells = [market.cells(one.market, 0, DAY) for one in market.listings[len(COINS) :]]

    assert (last.market, last.korean_name) == ("KRW-SIM250", "가상코인250")
    assert last.english_name == "Simulated 250"
    assert f"KRW-SIM{len(COINS) + 1}" in names
    assert len(names) == 250
    prices = [float(part.close[0]) for part in cells]
    assert min(prices) < 1 < 10_000 < max(prices)
    for part in cells:
        for price in np.unique(part.high):
            assert KRW_TICKS.is_on_tick(price=exact(float(price)))


def test_fewer_markets_are_the_best_known() -> None:
    names = [one.market for one in SyntheticMarket(seed=5, markets=3).listings]

    assert names == ["KRW-BTC", "KRW-ETH", "KRW-XRP"]


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_there_are_only_so_many_markets(count: int) -> None:
    with pytest.raises(ValueError, match=str(MOST)):
        SyntheticMarket(seed=1, markets=count)


@pytest.mark.parametrize("name", ["KRW-BTC", "KRW-NCT", "KRW-USDT", "KRW-TAIKO"])
@pytest.mark.parametrize(
    ("first", "last"), [(-10_000 * DAY, 0), (-20 * DAY - 77, -3 * DAY + 5), (-9, 9)]
)
def test_extremes_are_those_of_the_cells(name: str, first: int, last: int) -> None:
    market = SyntheticMarket(seed=6)
    cells = SyntheticMarket(seed=6).cells(name, first, last)

    found = market.extremes(name, first, last)

    if not len(cells):
        assert found == NO_EXTREMES
        return
    assert (found.high, found.low) == (cells.high.max(), cells.low.min())
    assert cells.high[cells.minute == found.high_minute].tolist() == [found.high]
    assert cells.low[cells.minute == found.low_minute].tolist() == [found.low]


def test_no_day_with_an_extreme_is_left_out() -> None:
    market = SyntheticMarket(seed=6)
    for name in [one.market for one in market.listings][::2]:
        for last in (-3 * DAY, -DAY, 0):
            found = market.extremes(name, last - 4 * DAY, last)

            cells = market.cells(name, last - 4 * DAY, last)
            assert (found.high, found.low) == (cells.high.max(), cells.low.min())


def test_most_days_are_not_computed_for_the_extremes() -> None:
    market = SyntheticMarket(seed=6)

    market.extremes("KRW-BTC", -90 * DAY, 0)

    assert market._block.cache_info().currsize < 20


def test_a_time_before_the_listing_has_no_extremes() -> None:
    found = SyntheticMarket(seed=6).extremes("KRW-BTC", -9999 * DAY, -9000 * DAY)

    assert found == NO_EXTREMES
