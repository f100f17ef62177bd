"""Whatever is ordered and wherever the price goes, no won and no coin is lost."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.money import MarketRules, ticks_of
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderRefused,
    OrderType,
    State,
)
from user_project.trading.orders import Side

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
WIDE = Context(prec=120, traps=[Inexact])
START = {"KRW": Decimal("3000000.12345678"), "BTT": Decimal("123456789.87654321")}
MARKET = "KRW-BTT"
TICKS = ticks_of(market=MARKET)

STEP = Decimal("0.00000001")
prices = st.decimals("0.008", "0.02", places=8).map(lambda p: TICKS.ceil(price=p))
totals = st.decimals("4990", "400000", places=8)
shapes = st.sampled_from(
    [
        (Side.BID, OrderType.LIMIT),
        (Side.ASK, OrderType.LIMIT),
        (Side.BID, OrderType.PRICE),
        (Side.ASK, OrderType.MARKET),
    ]
)


class Exchange(RuleBasedStateMachine):
    """Two accounts order, cancel and are filled at random."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = MatchingEngine()
        for account in ("left", "right"):
            self.engine.open_account(account=account, balances=START)
        self.count = 0
        self.last = Decimal("0.01")
        self.accepted: set[tuple[str, str]] = set()

    @rule(
        account=st.sampled_from(["left", "right"]),
        shape=shapes,
        price=prices,
        total=totals,
        identifier=st.none() | st.sampled_from("abcdefgh"),
    )
    def place(
        self,
        account: str,
        shape: tuple[Side, OrderType],
        price: Decimal,
        total: Decimal,
        identifier: str | None,
    ) -> None:
        self.count += 1
        side, kind = shape
        amount = {OrderType.LIMIT: price, OrderType.PRICE: total}.get(kind)
        request = NewOrder(
            market=MARKET,
            side=side,
            ord_type=kind,
            price=amount,
            volume=None if kind is OrderType.PRICE else (total / price).quantize(STEP),
            identifier=identifier,
        )
        before = self.engine.wallets(account=account)
        try:
            self.engine.place(
                account=account,
                request=request,
                rules=MarketRules(market=MARKET, ticks=TICKS),
                last=self.last,
                uuid=str(UUID(int=self.count)),
                now=NOW,
            )
        except OrderRefused:
            assert self.engine.wallets(account=account) == before
            return
        if identifier is not None:
            assert (account, identifier) not in self.accepted
            self.accepted.add((account, identifier))

    @rule(price=prices)
    def trade(self, price: Decimal) -> None:
        self.last = price
        for order in self.engine.waiting(market=MARKET):
            if not order.arrived:
                self.engine.arrive(uuid=order.uuid, price=price, at=NOW)
        self.engine.walk(market=MARKET, price=price, at=NOW)

    @rule(pick=st.integers(0, 1000), share=st.integers(1, 99))
    def fill_a_part(self, pick: int, share: int) -> None:
        resting = [o for o in self._waiting() if o.request.ord_type is OrderType.LIMIT]
        if not resting:
            return
        order = resting[pick % len(resting)]
        rest, price = order.remaining_volume, order.request.price
        assert rest is not None
        assert price is not None
        part = (rest * share / 100).quantize(STEP)
        if 0 < part <= rest:
            self.engine.execute(uuid=order.uuid, price=price, volume=part, at=NOW)

    @rule(pick=st.integers(0, 1000))
    def cancel(self, pick: int) -> None:
        waiting = self._waiting()
        if waiting:
            self.engine.cancel(uuid=waiting[pick % len(waiting)].uuid)

    def _waiting(self) -> tuple[Order, ...]:
        return self.engine.waiting(market=MARKET)

    @invariant()
    def value_is_conserved(self) -> None:
        for account in ("left", "right"):
            owned = {
                code: WIDE.add(wallet.balance, wallet.locked)
                for code, wallet in self.engine.wallets(account=account).items()
            }
            expected = dict(START)
            for order in self.engine.orders(account=account):
                sign = 1 if order.request.side is Side.BID else -1
                for trade in order.trades:
                    paid = WIDE.add(sign * trade.funds, trade.fee)
                    expected["KRW"] = WIDE.subtract(expected["KRW"], paid)
                    expected["BTT"] = WIDE.add(expected["BTT"], sign * trade.volume)
            assert owned == expected

    @invariant()
    def nothing_is_negative_and_locks_match_open_orders(self) -> None:
        for account in ("left", "right"):
            bound: dict[str, Decimal] = defaultdict(Decimal)
            for order in self.engine.orders(account=account):
                if order.state is State.WAIT:
                    bound[order.lock_currency] = WIDE.add(
                        bound[order.lock_currency], order.locked
                    )
            for code, wallet in self.engine.wallets(account=account).items():
                assert wallet.balance >= 0
                assert wallet.locked == bound[code]

    @invariant()
    def every_fill_is_within_its_limit(self) -> None:
        for account in ("left", "right"):
            for order in self.engine.orders(account=account):
                if order.request.ord_type is not OrderType.LIMIT:
                    continue
                limit = order.request.price
                assert limit is not None
                for trade in order.trades:
                    bid = order.request.side is Side.BID
                    assert trade.price <= limit if bid else trade.price >= limit


Exchange.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestExchange = Exchange.TestCase
