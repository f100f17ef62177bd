"""What the exchange's operator and other people do to open orders."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from common.money import TickTable
from deploy.simulator.exchange.assumptions import Assumptions
from deploy.simulator.exchange.conditions import Condition, Conditions
from deploy.simulator.exchange.journal import Journal, StateUnusable
from deploy.simulator.exchange.venue import LATENCY_MS, Venue
from deploy.simulator.market.clock import MINUTE_MS
from tests.unit.simulator_world import START_MS, Script, tape
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    SmpType,
    State,
)
from user_project.trading.orders import Side

D = Decimal
MARKET = "KRW-BTC"
FLAT = Script(
    *[(m, 100_000, 100_000, 100_000, 100_000) for m in range(-10, 60)], volume=4e6
)
FALL = Script(
    *[(m, 100_000, 100_000, 100_000, 100_000) for m in range(-10, 2)],
    *[(m, 80_000, 80_000, 80_000, 80_000) for m in range(2, 60)],
    volume=4e6,
)


def venue_of(script: Script = FLAT, **assumptions: str) -> Venue:
    chosen = Assumptions()
    for name, value in assumptions.items():
        chosen = chosen.choosing(name=name, value=value)
    venue = Venue(
        feeds={MARKET: tape(script)}, conditions=Conditions(assumptions=chosen)
    )
    venue.open_account(account="owner", krw=D(10_000_000))
    return venue


def limit(side: Side, price: int, volume: str = "1", **options: object) -> NewOrder:
    return NewOrder(
        market=MARKET,
        side=side,
        ord_type=OrderType.LIMIT,
        price=D(price),
        volume=D(volume),
        **options,  # type: ignore[arg-type]
    )


def place(venue: Venue, request: NewOrder, after_ms: int = 0) -> Order:
    venue.advance(now_ms=START_MS + after_ms)
    return venue.place(account="owner", request=request, now_ms=START_MS + after_ms)


def later(venue: Venue, order: Order, after_ms: int) -> Order:
    venue.advance(now_ms=START_MS + after_ms)
    return venue.engine.order(uuid=order.uuid)


def test_during_maintenance_orders_are_refused_and_nothing_trades() -> None:
    venue = venue_of(FALL)
    bid = place(venue, limit(Side.BID, 90_000))
    venue.set_maintenance(on=True, now_ms=START_MS + 1000)

    with pytest.raises(OrderRefused) as refusal:
        place(venue, limit(Side.BID, 90_000), 2000)

    assert refusal.value.name == "market_offline"
    assert later(venue, bid, 10 * MINUTE_MS).state is State.WAIT


@pytest.mark.parametrize(
    ("assumption", "state"), [("cancels_crossing", State.CANCEL), ("keeps", State.WAIT)]
)
def test_the_end_of_maintenance_deals_with_orders_that_would_trade(
    assumption: str, state: State
) -> None:
    venue = venue_of(FALL, resumption=assumption)
    crossing = place(venue, limit(Side.BID, 90_000))
    far = place(venue, limit(Side.BID, 70_000))
    venue.change_market(market=MARKET, now_ms=START_MS + 1000, offline=True)
    back = START_MS + 5 * MINUTE_MS

    venue.change_market(market=MARKET, now_ms=back, offline=False)

    assert venue.engine.order(uuid=crossing.uuid).state is state
    assert venue.engine.order(uuid=far.uuid).state is State.WAIT
    assert venue.engine.order(uuid=crossing.uuid).trades == ()
    again = later(venue, crossing, 6 * MINUTE_MS)
    assert again.state is (State.DONE if state is State.WAIT else State.CANCEL)


def test_a_delisting_cancels_what_is_open_and_refuses_what_comes() -> None:
    venue = venue_of()
    order = place(venue, limit(Side.BID, 90_000))

    venue.change_market(market=MARKET, now_ms=START_MS + 500, delisted=True)

    assert venue.engine.order(uuid=order.uuid).state is State.CANCEL
    assert venue.engine.wallets(account="owner")["KRW"].locked == 0
    with pytest.raises(OrderRefused, match="마켓"):
        place(venue, limit(Side.BID, 90_000), 600)


def test_open_orders_live_on_under_a_new_tick_table() -> None:
    venue = venue_of(FALL)
    old = place(venue, limit(Side.BID, 90_050))
    coarse = TickTable(effective_at=date(2026, 11, 1), bands=((D(0), D(1000)),))

    venue.change_market(market=MARKET, now_ms=START_MS + 500, ticks=coarse)

    with pytest.raises(OrderRefused) as refusal:
        place(venue, limit(Side.BID, 90_050), 600)
    assert refusal.value.name == "invalid_price_bid"
    assert place(venue, limit(Side.BID, 90_000), 700).state is State.WAIT
    filled = later(venue, old, 10 * MINUTE_MS)
    assert (filled.state, filled.trades[0].price) == (State.DONE, D(90_050))


def test_a_new_fee_counts_for_new_orders() -> None:
    venue = venue_of()
    old = place(venue, limit(Side.BID, 90_000))

    venue.change_market(market=MARKET, now_ms=START_MS + 500, bid_fee=D(0))
    new = place(venue, limit(Side.BID, 90_000), 600)

    assert (old.reserved_fee, new.reserved_fee) == (D(45), D(0))


def test_somebody_elses_trade_fills_up_to_its_volume() -> None:
    venue = venue_of()
    bid = place(venue, limit(Side.BID, 90_000, "3"))
    now = START_MS + 1000

    venue.inject(market=MARKET, price=D(90_000), volume=D("1.25"), now_ms=now)

    order = venue.engine.order(uuid=bid.uuid)
    assert (order.state, order.executed_volume) == (State.WAIT, D("1.25"))
    assert venue.price(market=MARKET, at_ms=now) == D(90_000)
    assert later(venue, bid, 10 * MINUTE_MS).executed_volume == D("1.25")


@pytest.mark.parametrize("remain_only", [True, False])
def test_a_successor_follows_a_cancelled_order(remain_only: bool) -> None:
    venue = venue_of()
    old = place(venue, limit(Side.BID, 90_000, "3"))
    venue.inject(market=MARKET, price=D(90_000), volume=D(1), now_ms=START_MS + 500)
    request = limit(Side.BID, 91_000, "0.5", identifier="next")

    uuid = venue.cancel_and_new(
        order=venue.engine.order(uuid=old.uuid),
        request=request,
        remain_only=remain_only,
        now_ms=START_MS + 1000,
    )

    with pytest.raises(OrderNotFound):
        venue.engine.order(uuid=uuid)
    venue.advance(now_ms=START_MS + 1000 + LATENCY_MS)
    assert venue.engine.order(uuid=old.uuid).state is State.CANCEL
    new = venue.engine.find(account="owner", identifier="next")
    assert new.uuid == uuid
    assert new.request.volume == (D(2) if remain_only else D("0.5"))


@pytest.mark.parametrize(
    ("fills", "price", "state"),
    [(True, 91_000, State.DONE), (False, 91_001, State.CANCEL)],
)
def test_no_successor_follows_an_order_that_filled_first_or_was_refused(
    fills: bool, price: int, state: State
) -> None:
    venue = venue_of()
    old = place(venue, limit(Side.BID, 90_000))
    venue.advance(now_ms=START_MS + 1000)
    uuid = venue.cancel_and_new(
        order=old,
        request=limit(Side.BID, price),
        remain_only=False,
        now_ms=START_MS + 1000,
    )

    if fills:
        at = START_MS + 1010
        venue.inject(market=MARKET, price=D(89_000), volume=D(1), now_ms=at)

    assert later(venue, old, 2000).state is state
    with pytest.raises(OrderNotFound):
        venue.engine.order(uuid=uuid)


def test_own_orders_are_kept_apart_through_the_venue() -> None:
    venue = venue_of()
    place(venue, limit(Side.BID, 100_000, "2"))
    venue.advance(now_ms=START_MS + 1000)
    maker = place(venue, limit(Side.ASK, 100_200), 1000)
    taker = place(venue, limit(Side.BID, 100_200, smp_type=SmpType.CANCEL_MAKER), 2000)

    after = later(venue, taker, 3000)

    assert venue.engine.order(uuid=maker.uuid).state in (State.CANCEL, State.WAIT)
    assert after.state is State.DONE
    assert {t.uuid for t in after.trades}.isdisjoint(
        {t.uuid for t in venue.engine.order(uuid=maker.uuid).trades}
    )


def story(directory: Path, *, step_ms: int, restarts: bool = False) -> bytes:
    """Play the same hour; return the journal's bytes."""
    journal, venue = opened(directory)
    place(venue, limit(Side.BID, 99_000, "5"))
    second = place(venue, limit(Side.BID, 85_000, identifier="b"), 500)
    venue.cancel_and_new(
        order=second,
        request=limit(Side.BID, 84_000),
        remain_only=True,
        now_ms=START_MS + 900,
    )
    venue.change_market(market=MARKET, now_ms=START_MS + 950, warning=True)
    for now in range(1000, 4 * MINUTE_MS + 1, step_ms):
        if restarts:
            journal.close()
            journal, venue = opened(directory)
        venue.advance(now_ms=START_MS + now)
    journal.close()
    return (directory / "journal.jsonl").read_bytes()


def opened(directory: Path) -> tuple[Journal, Venue]:
    venue = Venue(feeds={MARKET: tape(FALL)}, seed=3)
    journal = Journal(directory=directory)
    journal.keep(venue=venue, lines=list(journal.read()))
    venue.open_account(account="owner", krw=D(10_000_000))
    return journal, venue


def test_the_same_story_has_the_same_bytes_however_often_one_asks_or_restarts(
    tmp_path: Path,
) -> None:
    once = story(tmp_path / "once", step_ms=239_000)
    often = story(tmp_path / "often", step_ms=7_000)
    restarted = story(tmp_path / "restarted", step_ms=60_000, restarts=True)

    assert once == often == restarted
    assert once.count(b'"traded"') >= 2


def test_switches_survive_a_restart(tmp_path: Path) -> None:
    journal, venue = opened(tmp_path)
    ticks = TickTable(effective_at=date.min, bands=((D(10), D(1)), (D(0), D("0.1"))))
    changes = {
        "offline": True,
        "bid_fee": D("0.001"),
        "caution": ("A",),
        "ticks": ticks,
    }
    venue.change_market(market=MARKET, now_ms=START_MS, **changes)
    venue.set_maintenance(on=True, now_ms=START_MS)
    journal.close()

    journal, again = opened(tmp_path)

    journal.close()
    assert again.conditions.of(market=MARKET) == Condition(**changes)  # type: ignore[arg-type]
    assert again.conditions.maintenance


def test_a_journal_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"event":"placed","uuid":"x"}\n')

    with pytest.raises(StateUnusable, match="line 1 does not fit"):
        opened(tmp_path)
