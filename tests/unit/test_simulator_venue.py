"""Orders on the simulated exchange: path order, latency, restart."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

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
    State,
)
from user_project.trading.orders import Side

D = Decimal
# Falls to 80,000, rises to 120,000 and comes back, all within minute 1.
SWING = Script(
    (-10, 100_000, 100_000, 100_000, 100_000),
    (0, 100_000, 100_000, 100_000, 100_000),
    (1, 100_000, 120_000, 85_000, 100_000),
    (2, 100_000, 100_000, 100_000, 100_000),
    volume=4e6,
)


def _venue(directory: Path | None = None, *, script: Script = SWING) -> Venue:
    venue = Venue(feeds={"KRW-BTC": tape(script)}, seed=7)
    if directory is not None:
        journal = _journals[venue] = Journal(directory=directory)
        journal.keep(venue=venue, lines=list(journal.read()))
    venue.open_account(account="owner", krw=D(1_000_000))
    return venue


_journals: dict[Venue, Journal] = {}


def _limit(side: Side, price: int, *, identifier: str | None = None) -> NewOrder:
    return NewOrder(
        market="KRW-BTC",
        side=side,
        ord_type=OrderType.LIMIT,
        price=D(price),
        volume=D("0.1"),
        identifier=identifier,
    )


def _buy(funds: int) -> NewOrder:
    return NewOrder(
        market="KRW-BTC", side=Side.BID, ord_type=OrderType.PRICE, price=D(funds)
    )


def _place(venue: Venue, request: NewOrder, at_ms: int) -> Order:
    venue.advance(now_ms=at_ms)
    return venue.place(account="owner", request=request, now_ms=at_ms)


def _state(venue: Venue, order: Order) -> State:
    return venue.engine.find(account="owner", uuid=order.uuid).state


def test_an_accepted_order_waits_for_the_market_to_meet_it() -> None:
    venue = _venue()
    order = _place(venue, _buy(50_000), START_MS)

    venue.advance(now_ms=START_MS + LATENCY_MS - 1)
    early = _state(venue, order)
    venue.advance(now_ms=START_MS + LATENCY_MS)

    assert early is State.WAIT
    assert _state(venue, order) is not State.WAIT


def test_resting_orders_fill_on_wicks_however_rarely_anyone_asks() -> None:
    venue = _venue()
    _place(venue, _buy(50_000), START_MS)
    bid = _place(venue, _limit(Side.BID, 86_000), START_MS + 1_000)
    ask = _place(venue, _limit(Side.ASK, 119_000), START_MS + 1_000)

    venue.advance(now_ms=START_MS + 10 * MINUTE_MS)

    fills = {
        o.request.side: o.trades
        for o in (
            venue.engine.find(account="owner", uuid=bid.uuid),
            venue.engine.find(account="owner", uuid=ask.uuid),
        )
    }
    assert fills[Side.BID][0].price == D(86_000)
    assert fills[Side.ASK][0].price == D(119_000)
    # Open 100,000: the low is nearer than the high, so it is walked first.
    assert fills[Side.BID][0].at < fills[Side.ASK][0].at


def test_asking_often_and_asking_once_tell_the_same_story() -> None:
    def story(step_ms: int) -> list[tuple[State, tuple[object, ...]]]:
        venue = _venue()
        orders = [_place(venue, _buy(50_000), START_MS)]
        orders += [
            _place(venue, _limit(Side.BID, price), START_MS + 500)
            for price in (99_000, 90_000, 86_000, 84_000)
        ]
        orders.append(_place(venue, _limit(Side.ASK, 110_000), START_MS + 900))
        for now in range(START_MS + 900, START_MS + 5 * MINUTE_MS, step_ms):
            venue.advance(now_ms=now)
        venue.advance(now_ms=START_MS + 5 * MINUTE_MS)
        found = [venue.engine.find(account="owner", uuid=o.uuid) for o in orders]
        return [(o.state, tuple((t.price, t.at) for t in o.trades)) for o in found]

    assert story(137) == story(60_000) == story(4 * MINUTE_MS)


def test_a_cancellation_takes_effect_a_moment_later() -> None:
    venue = _venue()
    order = _place(venue, _limit(Side.BID, 90_000), START_MS)
    venue.advance(now_ms=START_MS + 5_000)

    venue.ask_cancel(order=order, now_ms=START_MS + 5_000)
    asked = _state(venue, order)
    venue.advance(now_ms=START_MS + 5_000 + LATENCY_MS)

    assert (asked, _state(venue, order)) == (State.WAIT, State.CANCEL)
    with pytest.raises(OrderNotFound):
        venue.ask_cancel(
            order=venue.engine.find(account="owner", uuid=order.uuid),
            now_ms=START_MS + 9_000,
        )


def test_an_order_that_fills_before_its_cancellation_stays_filled() -> None:
    venue = _venue()
    order = _place(venue, _limit(Side.BID, 90_000), START_MS)
    low_at = START_MS + MINUTE_MS + 15_000

    venue.advance(now_ms=low_at - 50)
    venue.ask_cancel(order=order, now_ms=low_at - 50)
    venue.advance(now_ms=low_at + MINUTE_MS)

    assert _state(venue, order) is State.DONE


def test_an_unknown_market_is_refused() -> None:
    venue = _venue()

    with pytest.raises(OrderRefused) as refusal:
        venue.rules(market="KRW-NOPE")

    assert refusal.value.name == "notfoundmarket"


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    before = _venue(tmp_path)
    bought = _place(before, _buy(50_000), START_MS)
    low = _place(before, _limit(Side.BID, 86_000, identifier="low"), START_MS + 500)
    high = _place(before, _limit(Side.ASK, 119_000), START_MS + 1_000)
    dropped = _place(before, _limit(Side.BID, 50_000), START_MS + 1_500)
    before.ask_cancel(order=dropped, now_ms=START_MS + 1_600)
    before.advance(now_ms=START_MS + 1_650)
    wallets = before.engine.wallets(account="owner")
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "placed", "cut sho')
    _kill(before)

    after = _venue(tmp_path)

    assert after.engine.wallets(account="owner") == wallets
    assert after.engine.find(account="owner", identifier="low").uuid == low.uuid
    after.advance(now_ms=START_MS + 10 * MINUTE_MS)
    assert [_state(after, o) for o in (bought, low, high, dropped)] == [
        State.DONE,
        State.DONE,
        State.DONE,
        State.CANCEL,
    ]
    with pytest.raises(OrderRefused, match="identifier"):
        _place(after, _limit(Side.BID, 86_000, identifier="low"), START_MS + 10**7)
    _kill(after)


def test_a_line_cut_short_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    _kill(_venue(tmp_path))
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "placed", "cut sho')
    second = _venue(tmp_path)
    _place(second, _buy(50_000), START_MS)
    _kill(second)

    third = _venue(tmp_path)

    assert len(list(third.engine.orders(account="owner"))) == 1
    _kill(third)


def test_a_restart_changes_nothing_in_what_comes_after(tmp_path: Path) -> None:
    def story(directory: Path, *, restarts: bool) -> object:
        venue = _venue(directory)
        _place(venue, _buy(50_000), START_MS)
        _place(venue, _limit(Side.BID, 86_000), START_MS + 500)
        _place(venue, _limit(Side.ASK, 119_000), START_MS + 1_000)
        for second in range(2, 200, 13):
            if restarts:
                _kill(venue)
                venue = _venue(directory)
            venue.advance(now_ms=START_MS + second * 1000)
        wallets = venue.engine.wallets(account="owner")
        _kill(venue)
        return wallets

    assert story(tmp_path / "a", restarts=True) == story(tmp_path / "b", restarts=False)


def test_two_simulators_cannot_share_a_state_directory(tmp_path: Path) -> None:
    first = Journal(directory=tmp_path)

    with pytest.raises(StateUnusable, match="another simulator"):
        Journal(directory=tmp_path)

    first.close()


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"event":"clock"}\nrubbish\n{}\n')
    journal = Journal(directory=tmp_path)

    with pytest.raises(StateUnusable, match="line 2"):
        list(journal.read())

    journal.close()


def _kill(venue: Venue) -> None:
    """Let go of the state without a word, as the system does for a killed process."""
    _journals.pop(venue).close()
