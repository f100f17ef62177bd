"""The exchange under bad networks, kills, maintenance and changing rules loses nothing.

Requests get lost, arrive twice or late; the process is killed between any two of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from common.money import KRW_TICKS, TickTable
from deploy.simulator.exchange.journal import Journal
from deploy.simulator.exchange.venue import Venue, milliseconds
from deploy.simulator.market.feed import Book, Trades
from user_project.trading.matching_orders import (
    Level,
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    SmpType,
    State,
    TimeInForce,
)
from user_project.trading.orders import Side

D = Decimal
MARKET, GONE = "KRW-BTC", "KRW-OLD"
BEGIN = 1_790_000_000_000
PRICES = [D(price) for price in (99_800, 99_900, 99_950, 100_000, 100_100, 100_200)]
COARSE = TickTable(effective_at=date(2026, 12, 1), bands=((D(0), D(200)),))
KRW = D("5000000.5")

SEEN: Counter[str] = Counter()
REACHED = [
    *("lost", "twice", "late", "arrived late", "killed", "partly filled", "filled"),
    *("ended by maintenance", "replaced", "not replaced", "delisted"),
    *("market_offline", "notfoundmarket", "invalid_price_bid", "duplicated_identifier"),
    *("insufficient_funds_bid", "self-match prevented", "off the new grid and filled"),
]

requests = st.builds(
    NewOrder,
    market=st.sampled_from([MARKET, MARKET, MARKET, MARKET, GONE]),
    side=st.sampled_from(Side),
    ord_type=st.just(OrderType.LIMIT),
    price=st.sampled_from(PRICES),
    volume=st.sampled_from([D("0.06"), D("0.75"), D("3.00000001")]),
    identifier=st.none() | st.sampled_from([f"id-{n}" for n in range(30)]),
    time_in_force=st.sampled_from([None, None, None, *TimeInForce]),
    smp_type=st.just(SmpType.NONE),
) | st.builds(
    NewOrder,
    market=st.just(MARKET),
    side=st.just(Side.BID),
    ord_type=st.just(OrderType.PRICE),
    price=st.sampled_from([D(5000), D("77777.77"), D(4_000_000)]),
    identifier=st.none() | st.sampled_from([f"id-{n}" for n in range(30)]),
    smp_type=st.sampled_from(SmpType),
)


class HandFeed:
    """A market whose trades the test makes; its book is thin."""

    ahead_ms = 0

    def __init__(self, market: str) -> None:
        self.market = market
        self.rows: list[tuple[int, Decimal, Decimal]] = [(BEGIN, D(100_000), D(1))]

    def price(self, *, at_ms: int) -> Decimal | None:
        known = [price for at, price, _ in self.rows if at <= at_ms]
        return known[-1] if known else None

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        rows = [row for row in self.rows if after_ms < row[0] <= until_ms]
        price, volume = (np.array([float(row[n]) for row in rows]) for n in (1, 2))
        at = np.array([row[0] for row in rows], np.int64)
        return Trades(at, price, volume, price * volume)

    def book(self, *, at_ms: int) -> Book:
        price, size = self.price(at_ms=at_ms) or D(1), D("1.5")
        return Book(
            asks=tuple(Level(price + 100 * n, size) for n in range(30)),
            bids=tuple(Level(price - 100 * n, size) for n in range(1, 31)),
        )

    def set_halted(self, *, on: bool, at_ms: int) -> None:
        """Trade on: what is shown does not matter to the engine."""

    def inject(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        self.rows.append((at_ms, price, volume))


class World(RuleBasedStateMachine):
    """One exchange with a journal, one account, one clock."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="exchange-"))
        self.feeds = {market: HandFeed(market) for market in (MARKET, GONE)}
        self.now = BEGIN
        self.paid = KRW
        self.on_the_way: list[tuple[int, NewOrder]] = []
        self.journal, self.venue = self.opened()

    def opened(self) -> tuple[Journal, Venue]:
        venue = Venue(feeds=self.feeds, seed=1)
        journal = Journal(directory=self.directory)
        journal.keep(venue=venue, lines=list(journal.read()))
        venue.open_account(account="owner", krw=KRW)
        return journal, venue

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.directory)

    @rule(request=requests, fate=st.sampled_from(["ok", "ok", "lost", "twice", "late"]))
    def send(self, request: NewOrder, fate: str) -> None:
        SEEN[fate] += 1
        if fate in ("ok", "twice"):
            self.deliver(request)
        if fate == "twice":
            self.deliver(request)
        if fate == "late":
            self.on_the_way.append((self.now + 90_000, request))

    @rule(
        side=st.sampled_from(Side),
        price=st.sampled_from(PRICES),
        volume=st.sampled_from([D("0.06"), D(2), D("3.00000001")]),
        smp=st.sampled_from(SmpType),
    )
    def rest_or_meet(
        self, side: Side, price: Decimal, volume: Decimal, smp: SmpType
    ) -> None:
        """Order on either side of the price, so that own orders meet."""
        self.send(
            NewOrder(
                market=MARKET,
                side=side,
                ord_type=OrderType.LIMIT,
                price=price,
                volume=volume,
                smp_type=smp,
            ),
            "ok",
        )
        self.pass_time(100, [])

    def deliver(self, request: NewOrder) -> Order | None:
        self.venue.advance(now_ms=self.now)
        before = self.venue.engine.wallets(account="owner")
        try:
            return self.venue.place(account="owner", request=request, now_ms=self.now)
        except OrderRefused as refusal:
            SEEN[refusal.name] += 1
            assert self.venue.engine.wallets(account="owner") == before
            return None

    @rule(
        ms=st.sampled_from([1, 99, 100, 101, 2_000, 60_000]),
        trades=st.lists(
            st.tuples(st.sampled_from(PRICES), st.sampled_from([D("0.01"), D(1)])),
            max_size=3,
        ),
    )
    def pass_time(self, ms: int, trades: list[tuple[Decimal, Decimal]]) -> None:
        for number, (price, volume) in enumerate(trades, start=1):
            at = self.now + max(1, ms * number // len(trades))
            self.feeds[MARKET].inject(price=price, volume=volume, at_ms=at)
        self.now += ms
        due = [row for row in self.on_the_way if row[0] <= self.now]
        self.on_the_way = [row for row in self.on_the_way if row[0] > self.now]
        for _, request in due:
            SEEN["arrived late"] += 1
            self.deliver(request)
        self.venue.advance(now_ms=self.now)
        self.whatever_was_accepted_has_arrived()

    def whatever_was_accepted_has_arrived(self) -> None:
        for order in self.orders():
            if order.state is State.WAIT and not order.arrived:
                offline = self.venue.conditions.is_offline(market=order.request.market)
                due = milliseconds(order.created_at) + self.venue.latency_ms
                assert offline or due > self.now

    @rule(pick=st.integers(0, 99), replace=st.booleans(), remain_only=st.booleans())
    def cancel(self, pick: int, replace: bool, remain_only: bool) -> None:
        waiting = self.venue.engine.waiting(market=MARKET)
        if not waiting:
            return
        order = waiting[pick % len(waiting)]
        by_volume = order.request.volume is not None
        if not replace or not by_volume:
            self.venue.ask_cancel(order=order, now_ms=self.now)
            return
        request = NewOrder(
            market=MARKET,
            side=order.request.side,
            ord_type=OrderType.LIMIT,
            price=PRICES[pick % len(PRICES)],
            volume=D("0.06"),
        )
        uuid = self.venue.cancel_and_new(
            order=order, request=request, remain_only=remain_only, now_ms=self.now
        )
        self.pass_time(100, [])
        try:
            self.venue.engine.order(uuid=uuid)
            SEEN["replaced"] += 1
        except OrderNotFound:
            SEEN["not replaced"] += 1

    @rule(price=st.sampled_from(PRICES), volume=st.sampled_from([D("0.01"), D(9)]))
    def somebody_trades(self, price: Decimal, volume: Decimal) -> None:
        self.venue.inject(market=MARKET, price=price, volume=volume, now_ms=self.now)

    @rule(
        what=st.sampled_from(["maintain", "rules", "grid", "delist", "pay"]),
        data=st.data(),
    )
    def operate(self, what: str, data: st.DataObject) -> None:
        """Let the exchange's operator or the owner do something rare."""
        if what == "maintain":
            ms = data.draw(st.sampled_from([500, 300_000]))
            self.maintain(data.draw(st.booleans()), ms)
        elif what == "rules":
            ticks = data.draw(st.sampled_from([None, COARSE]))
            self.change_rules(ticks, data.draw(st.sampled_from([None, D(0)])))
        elif what == "grid":
            self.fill_under_a_new_grid()
        elif what == "pay":
            self.pay(data.draw(st.sampled_from([D("-250000.25"), D("1000000.125")])))
        elif data.draw(st.integers(0, 9)) == 0:
            self.delist()

    def maintain(self, whole: bool, ms: int) -> None:
        self.switch(whole, on=True)
        waiting = self.venue.engine.waiting(market=MARKET)
        self.pass_time(ms, [(PRICES[0], D(9))])
        assert self.deliver(NewOrder(**_SMALL)) is None
        assert self.venue.engine.waiting(market=MARKET) == waiting
        self.switch(whole, on=False)
        left = self.venue.engine.waiting(market=MARKET)
        SEEN["ended by maintenance"] += len(waiting) - len(left)

    def switch(self, whole: bool, *, on: bool) -> None:
        if whole:
            self.venue.set_maintenance(on=on, now_ms=self.now)
        else:
            self.venue.change_market(market=MARKET, now_ms=self.now, offline=on)

    def change_rules(self, ticks: TickTable | None, fee: Decimal | None) -> None:
        self.venue.change_market(
            market=MARKET, now_ms=self.now, ticks=ticks, bid_fee=fee
        )

    def fill_under_a_new_grid(self) -> None:
        """An order whose price is no longer valid trades at it all the same."""
        self.change_rules(None, None)
        order = self.deliver(
            NewOrder(**_SMALL | {"ord_type": OrderType.LIMIT} | _OFF_GRID)
        )
        if order is None:
            return
        self.pass_time(100, [])
        self.change_rules(COARSE, None)
        self.somebody_trades(PRICES[0], D(9))
        after = self.venue.engine.order(uuid=order.uuid)
        assert after.state is State.DONE
        SEEN["off the new grid and filled"] += 1

    def delist(self) -> None:
        self.venue.change_market(market=GONE, now_ms=self.now, delisted=True)
        assert self.venue.engine.waiting(market=GONE) == ()
        assert self.deliver(NewOrder(**_SMALL | {"market": GONE})) is None
        SEEN["delisted"] += 1

    def pay(self, amount: Decimal) -> None:
        try:
            self.venue.engine.deposit(account="owner", currency="KRW", amount=amount)
        except ValueError:
            return
        self.paid += amount

    @rule()
    def kill(self) -> None:
        """End the process in the middle of writing a line, and start it again."""
        self.venue.advance(now_ms=self.now)
        before = self.venue.engine
        self.journal.close()
        with (self.directory / "journal.jsonl").open("a") as file:
            file.write('{"event": "traded", "uuid": "cut sh')
        self.journal, self.venue = self.opened()
        SEEN["killed"] += 1
        after = self.venue.engine
        assert after.wallets(account="owner") == before.wallets(account="owner")
        assert list(after.orders(account="owner")) == list(
            before.orders(account="owner")
        )

    def orders(self) -> list[Order]:
        return list(self.venue.engine.orders(account="owner"))

    @invariant()
    def value_is_conserved(self) -> None:
        SEEN["steps"] += 1
        cash, coins, bound = self.paid, D(0), defaultdict[str, Decimal](Decimal)
        for order in self.orders():
            sign = 1 if order.request.side is Side.BID else -1
            for trade in order.trades:
                cash -= sign * trade.funds + trade.fee
                coins += sign * trade.volume
            if order.state is State.WAIT:
                bound[order.lock_currency] += order.locked
            self.look_at(order)
        wallets = self.venue.engine.wallets(account="owner")
        for code, wallet in wallets.items():
            assert min(wallet.balance, wallet.locked) >= 0
            assert wallet.locked == bound[code]
        assert wallets["KRW"].balance + wallets["KRW"].locked == cash
        owned = [w.balance + w.locked for c, w in wallets.items() if c != "KRW"]
        assert sum(owned, D(0)) == coins

    def look_at(self, order: Order) -> None:
        SEEN["filled"] += order.state is State.DONE
        SEEN["self-match prevented"] += order.prevented_volume > 0
        SEEN["partly filled"] += bool(order.trades and order.state is State.WAIT)

    @invariant()
    def a_name_means_one_order(self) -> None:
        names = Counter(order.request.identifier for order in self.orders())
        del names[None]
        assert all(count == 1 for count in names.values())


_SMALL: dict[str, Any] = {
    "market": MARKET,
    "side": Side.BID,
    "ord_type": OrderType.PRICE,
    "price": D(5000),
}
_OFF_GRID: dict[str, Any] = {"price": D(99_900), "volume": D("0.06")}


@pytest.fixture(scope="module")
def run() -> None:
    assert KRW_TICKS.is_on_tick(price=PRICES[2])
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        World,
        settings=settings(
            max_examples=int(os.environ.get("EXAMPLES", "150")),
            stateful_step_count=50,
            deadline=None,
            derandomize="EXAMPLES" not in os.environ,
        ),
    )


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("what", REACHED)
def test_nothing_is_lost_and_the_steps_really_reach(what: str) -> None:
    assert SEEN[what] >= 3
