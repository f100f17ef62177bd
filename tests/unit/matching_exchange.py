"""Two accounts who order, cancel, pay in and out at random while the price moves.

The prices lie around a band edge and close together, so that orders of the same and of
both accounts meet; every state the engine can reach is counted in `SEEN`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.money import MarketRules, ticks_of
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_events import Ended, Event, Prevented, Traded
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

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
WIDE = Context(prec=120, traps=[Inexact])
START = {"KRW": Decimal("3000000.12345678"), "BTT": Decimal("123456789.87654321")}
MARKET = "KRW-BTT"
RULES = MarketRules(market=MARKET, ticks=ticks_of(market=MARKET))
EDGE = Decimal("0.01")  # ticks are ten times as coarse from here upwards
STEP = Decimal("0.00000001")
DUST = Decimal(5000)
BEYOND_MEANS = Decimal(9_000_000)
ACCOUNTS = ("left", "right")

SEEN: Counter[str] = Counter()

PRICES = [RULES.ticks.floor(price=EDGE + n * Decimal("0.00001")) for n in range(-6, 0)]
PRICES += [EDGE + n * Decimal("0.0001") for n in range(5)]
prices = st.sampled_from(PRICES)
totals = st.one_of(
    st.decimals("4990", "60000", places=2),
    st.decimals("5000", "400000", places=8),
    st.sampled_from([Decimal(5000), Decimal("3100000"), Decimal("4999.99999999")]),
    st.sampled_from([Decimal(thousands * 1000) for thousands in (5, 6, 10, 20)]),
    st.sampled_from([Decimal(thousands * 1000) for thousands in (5, 6, 10, 20)]),
)
sizes = st.sampled_from([Decimal(n) for n in ("0.00000001", "90000", "700000", "9e9")])
levels = st.lists(
    st.tuples(prices, sizes), min_size=1, max_size=4, unique_by=lambda x: x[0]
)
_NONE = SmpType.NONE
kinds = st.sampled_from(
    [
        *[
            (side, OrderType.LIMIT, tif)
            for side in Side
            for tif in (None, *TimeInForce)
        ],
        *[(side, OrderType.LIMIT, None) for side in Side for _ in range(3)],
        *[(side, OrderType.BEST, TimeInForce.IOC) for side in Side],
        *[(side, OrderType.BEST, TimeInForce.FOK) for side in Side],
        *[(side, OrderType.LIMIT, TimeInForce.FOK) for side in Side],
        *[(Side.BID, OrderType.PRICE, None)] * 4,
        *[(Side.ASK, OrderType.MARKET, None)] * 2,
    ]
)
LOT = Decimal(1_000_000)
at_once = st.sampled_from(
    [
        (Side.BID, OrderType.PRICE, None),
        (Side.ASK, OrderType.MARKET, None),
        *[(side, OrderType.BEST, TimeInForce.IOC) for side in Side],
        *[(side, OrderType.BEST, TimeInForce.FOK) for side in Side],
    ]
)


class Exchange(RuleBasedStateMachine):
    """One market, two accounts, every kind of order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.engine = MatchingEngine(observe=self.happened)
        for account in ACCOUNTS:
            self.engine.open_account(account=account, balances=START)
        self.count = 0
        self.paid_in: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.used: dict[tuple[str, str], str] = {}
        self.ended: dict[str, Order] = {}

    def happened(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Traded):
            order, trade = self.engine.order(uuid=event.uuid), event.trade
            SEEN["partial fill"] += order.remaining_volume not in (None, 0)
            SEEN["maker" if trade.is_maker else "taker"] += 1
            SEEN["trade at the band edge"] += trade.price == EDGE
            SEEN["dust left"] += 0 < (order.remaining_volume or 0) * trade.price < DUST
        elif isinstance(event, Prevented):
            SEEN["prevented"] += 1
        elif isinstance(event, Ended):
            order = self.engine.order(uuid=event.uuid)
            SEEN[f"{order.request.ord_type} {event.state}"] += 1
            if order.request.time_in_force:
                SEEN[f"{order.request.time_in_force} {event.state}"] += 1

    # --- what people do ---------------------------------------------------------------

    @rule(
        account=st.sampled_from(ACCOUNTS),
        kind=kinds,
        price=prices,
        total=totals,
        identifier=st.none() | st.sampled_from("abcdefgh"),
        smp=st.sampled_from(SmpType),
        meets=st.one_of(levels, levels, st.just([]), st.none()),
    )
    def order(
        self,
        account: str,
        kind: tuple[Side, OrderType, TimeInForce | None],
        price: Decimal,
        total: Decimal,
        identifier: str | None,
        smp: SmpType,
        meets: list[tuple[Decimal, Decimal]] | None,
    ) -> None:
        side, ord_type, tif = kind
        by_won = ord_type is OrderType.PRICE or (
            ord_type is OrderType.BEST and side is Side.BID
        )
        request = NewOrder(
            market=MARKET,
            side=side,
            ord_type=ord_type,
            price=price if ord_type is OrderType.LIMIT else total if by_won else None,
            volume=None if by_won else (total / price).quantize(STEP),
            identifier=identifier,
            time_in_force=tif,
            smp_type=SmpType.NONE if tif is TimeInForce.POST_ONLY else smp,
        )
        uuid = self.place(account, request)
        if uuid is not None and meets is not None:
            self.meet(uuid, meets)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(Side),
        price=prices,
        total=st.integers(5000, 90000).map(Decimal),
        tif=st.sampled_from([None, TimeInForce.POST_ONLY]),
    )
    def rest(
        self,
        account: str,
        side: Side,
        price: Decimal,
        total: Decimal,
        tif: TimeInForce | None,
    ) -> None:
        self.order(account, (side, OrderType.LIMIT, tif), price, total, None, _NONE, [])

    @rule(
        account=st.sampled_from(ACCOUNTS),
        kind=at_once,
        price=prices,
        lots=st.integers(1, 6),
    )
    def fill_to_the_last(
        self,
        account: str,
        kind: tuple[Side, OrderType, TimeInForce | None],
        price: Decimal,
        lots: int,
    ) -> None:
        """Meet plenty at a price that divides the money, so that nothing is left."""
        total, plenty = price * LOT * lots, [(price, Decimal("9e9"))]
        self.order(account, kind, price, total, None, _NONE, plenty)

    @rule(account=st.sampled_from(ACCOUNTS), side=st.sampled_from(Side), price=prices)
    def order_beyond_means(self, account: str, side: Side, price: Decimal) -> None:
        kind = (side, OrderType.LIMIT, None)
        self.order(account, kind, price, BEYOND_MEANS, None, _NONE, None)

    @precondition(lambda self: self.engine.touch(market=MARKET) != (None, None))
    @rule(
        pick=st.integers(0, 1000),
        own=st.booleans(),
        smp=st.sampled_from(SmpType),
        share=st.sampled_from([Decimal("0.5"), Decimal(1), Decimal(3)]),
        by_won=st.booleans(),
    )
    def meet_somebody(
        self, pick: int, own: bool, smp: SmpType, share: Decimal, by_won: bool
    ) -> None:
        """Trade against an order that rests, one's own or the other account's."""
        resting = [o for o in self.engine.waiting(market=MARKET) if o.arrived]
        if not resting:
            return
        maker = resting[pick % len(resting)]
        bid = maker.request.side is Side.ASK
        account = maker.account if own else ACCOUNTS[maker.account == "left"]
        limit, rest = maker.request.price or EDGE, maker.remaining_volume or STEP
        total = max(limit * rest * share, DUST).quantize(STEP)
        kind = OrderType.PRICE if bid and by_won else OrderType.LIMIT
        self.order(
            account,
            (Side.BID if bid else Side.ASK, kind, None),
            *(limit, total, None, smp, []),
        )

    @rule(
        pick=st.integers(0, 1000),
        smp=st.sampled_from([smp for smp in SmpType if smp is not _NONE]),
    )
    def meet_oneself(self, pick: int, smp: SmpType) -> None:
        """Each way of prevention, in every run: by chance one of them may stay away."""
        self.meet_somebody(pick, True, smp, Decimal(1), False)

    def place(self, account: str, request: NewOrder) -> str | None:
        """Place an order; a refusal must change nothing."""
        self.count += 1
        before, told = self.engine.wallets(account=account), len(self.events)
        try:
            order = self.engine.check(
                account=account,
                request=request,
                rules=RULES,
                last=EDGE,
                uuid=str(UUID(int=self.count)),
                now=NOW,
            )
        except OrderRefused as refusal:
            SEEN[refusal.name] += 1
            assert self.engine.wallets(account=account) == before
            assert len(self.events) == told
            return None
        self.engine.place(order=order)
        if request.identifier is not None:
            assert (account, request.identifier) not in self.used
            self.used[account, request.identifier] = order.uuid
        return order.uuid

    @rule(pick=st.integers(0, 1000), meets=levels)
    def arrive_late(self, pick: int, meets: list[tuple[Decimal, Decimal]]) -> None:
        coming = [o for o in self.engine.waiting(market=MARKET) if not o.arrived]
        if coming:
            self.meet(coming[pick % len(coming)].uuid, meets)

    def meet(self, uuid: str, meets: list[tuple[Decimal, Decimal]]) -> None:
        bid = self.engine.order(uuid=uuid).request.side is Side.BID
        book = [Level(*pair) for pair in sorted(meets, reverse=not bid)]
        self.engine.arrive(uuid=uuid, levels=book, at=NOW)

    @rule(price=prices, volume=st.none() | sizes)
    def trade_outside(self, price: Decimal, volume: Decimal | None) -> None:
        self.engine.walk(market=MARKET, price=price, volume=volume, at=NOW)

    @rule(pick=st.integers(0, 1000))
    def cancel(self, pick: int) -> None:
        waiting = self.engine.waiting(market=MARKET)
        if waiting:
            self.engine.cancel(uuid=waiting[pick % len(waiting)].uuid, at=NOW)

    @precondition(lambda self: self.ended)
    @rule(pick=st.integers(0, 1000))
    def cancel_or_send_again_what_has_ended(self, pick: int) -> None:
        order = list(self.ended.values())[pick % len(self.ended)]
        for again in (self.engine.cancel, self._arrive_again):
            try:
                again(uuid=order.uuid, at=NOW)
            except OrderNotFound:
                continue
            raise AssertionError("an ended order came back to life")
        if order.request.identifier is not None:
            assert self.place(order.account, order.request) is None

    def _arrive_again(self, *, uuid: str, at: datetime) -> object:
        return self.engine.arrive(uuid=uuid, levels=[], at=at)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        currency=st.sampled_from(["KRW", "BTT"]),
        amount=st.decimals("-900000", "300000", places=4)
        | st.sampled_from([Decimal(-9_000_000), Decimal("-999999999.99999999")]),
    )
    def pay(self, account: str, currency: str, amount: Decimal) -> None:
        before = self.engine.wallets(account=account)
        try:
            self.engine.deposit(account=account, currency=currency, amount=amount)
        except ValueError:
            SEEN["overdraft refused"] += 1
            assert self.engine.wallets(account=account) == before
        else:
            SEEN["paid in or out"] += 1
            self.paid_in[account, currency] += amount

    @rule(account=st.sampled_from(ACCOUNTS), identifier=st.sampled_from("gh"))
    def burn(self, account: str, identifier: str) -> None:
        if self.engine.burn(account=account, identifier=identifier):
            self.used[account, identifier] = ""

    @rule()
    def restart(self) -> None:
        """Build the exchange again from its events, and go on with that one."""
        again = MatchingEngine(observe=self.happened)
        for event in self.events:
            again.apply(event=event)
        for account in ACCOUNTS:
            assert again.wallets(account=account) == self.engine.wallets(
                account=account
            )
            assert list(again.orders(account=account)) == self.orders(account)
        assert again.touch(market=MARKET) == self.engine.touch(market=MARKET)
        self.engine = again

    # --- what always holds ------------------------------------------------------------

    def orders(self, account: str) -> list[Order]:
        return list(self.engine.orders(account=account))

    @invariant()
    def value_is_conserved_to_the_last_digit(self) -> None:
        SEEN["steps"] += 1
        for account in ACCOUNTS:
            expected = {
                code: WIDE.add(amount, self.paid_in[account, code])
                for code, amount in START.items()
            }
            for order in self.orders(account):
                sign = 1 if order.request.side is Side.BID else -1
                for trade in order.trades:
                    paid = WIDE.add(sign * trade.funds, trade.fee)
                    expected["KRW"] = WIDE.subtract(expected["KRW"], paid)
                    expected["BTT"] = WIDE.add(expected["BTT"], sign * trade.volume)
            owned = {
                code: WIDE.add(wallet.balance, wallet.locked)
                for code, wallet in self.engine.wallets(account=account).items()
            }
            assert owned == expected

    @invariant()
    def nothing_is_negative_and_locks_match_open_orders(self) -> None:
        for account in ACCOUNTS:
            bound: dict[str, Decimal] = defaultdict(Decimal)
            for order in self.orders(account):
                if order.state is State.WAIT:
                    code = order.lock_currency
                    bound[code] = WIDE.add(bound[code], order.locked)
            for code, wallet in self.engine.wallets(account=account).items():
                assert wallet.balance >= 0
                assert wallet.locked == bound[code]

    @invariant()
    def every_fill_is_within_its_limit_and_pays_exactly_its_fee(self) -> None:
        sides: dict[str, list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
        for account in ACCOUNTS:
            for order in self.orders(account):
                bid, limit = order.request.side is Side.BID, order.request.limit
                for trade in order.trades:
                    if limit is not None:
                        assert trade.price <= limit if bid else trade.price >= limit
                    assert trade.volume > 0
                    assert trade.funds == WIDE.multiply(trade.price, trade.volume)
                    assert trade.fee == WIDE.multiply(trade.funds, RULES.bid_fee)
                    sides[trade.uuid].append(
                        (order.request.side, trade.price, trade.volume)
                    )
        for pair in sides.values():
            assert len(pair) <= 2
            if len(pair) == 2:
                (one, *what), (other, *same) = pair
                assert one != other
                assert what == same
                SEEN["match between accounts or own orders"] += 1

    @invariant()
    def no_order_trades_more_than_was_asked(self) -> None:
        for account in ACCOUNTS:
            for order in self.orders(account):
                volume, rest = order.request.volume, order.remaining_volume
                if volume is None or rest is None:
                    spent = WIDE.add(order.executed_funds, order.prevented_funds)
                    assert spent <= (order.request.price or 0)
                    continue
                gone = WIDE.add(order.executed_volume, order.prevented_volume)
                assert WIDE.add(gone, rest) == volume
                assert rest >= 0
                if order.state is State.DONE:
                    assert rest == 0

    @invariant()
    def what_may_not_rest_does_not(self) -> None:
        for order in self.engine.waiting(market=MARKET):
            if order.arrived:
                assert order.request.ord_type is OrderType.LIMIT
                assert order.request.time_in_force in (None, TimeInForce.POST_ONLY)
                assert order.remaining_volume

    @invariant()
    def all_or_nothing_is_kept(self) -> None:
        for account in ACCOUNTS:
            for order in self.orders(account):
                if order.request.time_in_force is TimeInForce.FOK and order.arrived:
                    rest = order.remaining_volume
                    nothing = not order.trades and order.state is State.CANCEL
                    unit = order.trades[-1].price * STEP if order.trades else 0
                    whole = order.unspent < unit or order.unspent == 0
                    assert nothing or (rest == 0 if rest is not None else whole)

    @invariant()
    def prevention_keeps_own_orders_apart(self) -> None:
        for account in ACCOUNTS:
            makers: dict[str, Order] = {}
            for order in self.orders(account):
                makers |= {t.uuid: order for t in order.trades if t.is_maker}
            for order in self.orders(account):
                for trade in order.trades:
                    if not trade.is_maker and trade.uuid in makers:
                        SEEN["self-match"] += 1
                        assert order.request.smp_type is SmpType.NONE
                if (
                    order.prevented_volume
                    and order.request.smp_type is not SmpType.NONE
                ):
                    SEEN[f"smp {order.request.smp_type}"] += 1

    @invariant()
    def an_ended_order_never_changes_and_a_name_means_one_order(self) -> None:
        for account in ACCOUNTS:
            names = Counter(o.request.identifier for o in self.orders(account))
            del names[None]
            assert all(count == 1 for count in names.values())
            for order in self.orders(account):
                if order.state is not State.WAIT:
                    assert self.ended.setdefault(order.uuid, order) == order
