"""The book: one for an instant, exact, on the grid in force."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from common.money import KRW_TICKS, STABLE_TICKS, TickTable
from deploy.simulator.market.books import book
from deploy.simulator.market.clock import PathClock
from deploy.simulator.market.feed import Book
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.book_views import orderbook_view, supported_levels
from tests.unit.simulator_world import START_MS, Script

D = Decimal
FLAT = Script((-5, 1000, 1000, 1000, 1000))
COARSE = TickTable(effective_at=date(2030, 1, 1), bands=((D(0), D(7)),))


def _book(price: str, *, turnover: float = 1e11, ticks: TickTable = KRW_TICKS) -> Book:
    return book(
        market="KRW-X", price=D(price), turnover=turnover, ticks=ticks, second=7
    )


def _tape(ticks: TickTable = KRW_TICKS) -> Tape:
    clock = PathClock(start_ms=START_MS, path_start_ms=0, speed=1)
    return Tape(market="KRW-BTC", source=FLAT, clock=clock, ticks=lambda: ticks)


@pytest.mark.parametrize(
    ("price", "ask", "bid"),
    [
        ("1000000", "1001000", "999500"),
        ("500", "501", "499"),
        ("100", "101", "99.9"),
        ("99.9", "100", "99.8"),
        ("10", "10.1", "9.99"),
        ("0.00001", "0.0000101", "0.00000999"),
    ],
)
def test_levels_step_over_the_edges_of_bands(price: str, ask: str, bid: str) -> None:
    found = _book(price)

    assert [level.price for level in found.asks[:2]] == [D(price), D(ask)]
    assert found.bids[0].price == D(bid)


def test_a_ladder_changes_its_step_where_the_band_ends() -> None:
    bids, asks = _book("101").bids, _book("98.9").asks

    assert [level.price for level in bids[:3]] == [D(100), D("99.9"), D("99.8")]
    assert [level.price for level in asks[10:13]] == [D("99.9"), D(100), D(101)]


@pytest.mark.parametrize("price", ["1400", "1401.5", "9999.5", "10000"])
@pytest.mark.parametrize("ticks", [KRW_TICKS, STABLE_TICKS, COARSE])
def test_every_level_is_a_valid_price(price: str, ticks: TickTable) -> None:
    found = _book(price, ticks=ticks)

    prices = [level.price for level in (*found.asks, *found.bids)]
    assert all(ticks.is_on_tick(price=one) for one in prices)
    assert len(set(prices)) == 60
    assert found.bids[0].price < D(price) <= found.asks[0].price


def test_thin_markets_have_a_gap_and_small_sizes() -> None:
    deep, thin = _book("500"), _book("500", turnover=7e8)

    assert thin.bids[0].price == 496
    assert sum(x.size for x in thin.asks) * 100 < sum(x.size for x in deep.asks)


def test_no_bid_is_free() -> None:
    found = _book("0.00000003")

    assert [level.price for level in found.bids] == [D("0.00000002"), D("0.00000001")]
    assert _book("0.00000001").bids == ()
    assert len(found.asks) == 30


def test_sizes_are_whole_units_of_eight_decimals() -> None:
    for level in _book("155000000", turnover=1.0).asks:
        assert level.size > 0
        assert level.size == level.size.quantize(D("0.00000001"))


def test_a_book_is_one_for_an_instant_and_another_in_the_next_second() -> None:
    first, second = _tape(), _tape()

    assert first.book(at_ms=START_MS) == second.book(at_ms=START_MS)
    assert first.book(at_ms=START_MS + 999) == second.book(at_ms=START_MS)
    assert first.book(at_ms=START_MS + 1000) != second.book(at_ms=START_MS)
    assert first.book(at_ms=START_MS) == second.book(at_ms=START_MS)


def test_a_market_that_never_traded_has_an_empty_book() -> None:
    clock = PathClock(start_ms=START_MS, path_start_ms=0, speed=1)
    market = Tape(market="KRW-BTC", source=Script((9, 1, 1, 1, 1)), clock=clock)

    assert market.book(at_ms=START_MS) == Book(asks=(), bids=())
    assert orderbook_view(market, now_ms=START_MS) is None


def test_a_change_of_the_tick_table_changes_the_book_at_once() -> None:
    tables = [KRW_TICKS]
    clock = PathClock(start_ms=START_MS, path_start_ms=0, speed=1)
    market = Tape(market="KRW-BTC", source=FLAT, clock=clock, ticks=lambda: tables[-1])
    before = market.book(at_ms=START_MS)

    tables.append(COARSE)

    assert before.asks[0].price == 1000
    assert market.book(at_ms=START_MS).asks[0].price == 1001
    assert market.book(at_ms=START_MS).bids[0].price == 994 - 4 * 7


def test_the_answer_shows_the_levels_that_orders_meet() -> None:
    market = _tape()
    found = market.book(at_ms=START_MS)

    view = orderbook_view(market, now_ms=START_MS, levels=4)

    assert view is not None
    units = view["orderbook_units"]
    assert [D(str(unit["ask_price"])) for unit in units] == [
        level.price for level in found.asks[:4]
    ]
    assert [D(str(unit["bid_size"])) for unit in units] == [
        level.size for level in found.bids[:4]
    ]
    assert D(str(view["total_ask_size"])) == sum(level.size for level in found.asks)


def test_gathered_books_keep_their_sizes_and_spread_outwards() -> None:
    market = _tape()
    plain = orderbook_view(market, now_ms=START_MS)

    gathered = orderbook_view(market, now_ms=START_MS, level=D(10))

    assert plain is not None
    assert gathered is not None
    units = gathered["orderbook_units"]
    assert gathered["level"] == 10
    assert [unit["ask_price"] for unit in units] == [1000, 1010, 1020, 1030]
    assert [unit["bid_price"] for unit in units] == [990, 980, 970, 960]
    assert sum(unit["ask_size"] for unit in units) == pytest.approx(
        plain["total_ask_size"]
    )


def test_a_book_cannot_be_gathered_to_any_number() -> None:
    assert orderbook_view(_tape(), now_ms=START_MS, level=D(30)) is None
    assert supported_levels(ticks=KRW_TICKS, price=D(155_000_000)) == [
        0,
        *(10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    ]
    assert supported_levels(ticks=STABLE_TICKS, price=D(1420)) == [0, 1, 10, 100, 1000]
    assert supported_levels(ticks=KRW_TICKS, price=D("0.0172")) == [
        *(D(0), D("0.001"), D("0.01")),
    ]
