"""An exchange in this process: the real matching engine behind the port, and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import uuid4

from common.money import MarketRules, ticks_of
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeAdapter,
    KeyReport,
    MarketState,
    NotFound,
    Refused,
    Unavailable,
)
from user_project.exchanges.upbit_codec import outcome_of
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    Level,
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    SmpType,
    State,
)
from user_project.trading.orders import (
    Balance,
    OrderKind,
    OrderRequest,
    OrderView,
    PriceQuote,
    Side,
    Trade,
)

ACCOUNT: Final = "owner"
MARKET: Final = "KRW-BTC"
PLENTY: Final = Decimal(1000)
"""Coins of other people at the last price, on either side."""


class EngineExchange(ExchangeAdapter):
    """Places real orders in the matching engine; one market, one account.

    ``faults`` are consumed by the next POSTs: ``lost`` (never arrives), ``unheard``
    (accepted, answer lost), ``held`` (arrives when ``deliver`` is called).
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        krw: str = "10000000",
        price: str = "100000000",
        spread_ticks: int = 0,
    ) -> None:
        """Other people sell at *price* and buy *spread_ticks* below it."""
        self.clock = clock
        self.price = Decimal(price)
        self.warning = False
        self.rules = MarketRules(market=MARKET, ticks=ticks_of(market=MARKET))
        self.engine = MatchingEngine()
        self.engine.open_account(account=ACCOUNT, balances={"KRW": Decimal(krw)})
        self.faults: list[str] = []
        self.posts: list[OrderRequest] = []
        self.look_ups_fail = False
        self._spread_ticks = spread_ticks
        self._held: list[OrderRequest] = []

    # --- the port ---------------------------------------------------------------

    def place_market_order(self, *, request: OrderRequest) -> OrderView:
        return self._post(request)

    def place_limit_order(self, *, request: OrderRequest) -> OrderView:
        return self._post(request)

    def cancel_order(self, *, uuid: str) -> None:
        try:
            self.engine.cancel(uuid=uuid, at=self.clock())
        except OrderNotFound as error:
            raise NotFound("finished already", name="order_not_found") from error

    def get_order(
        self, *, uuid: str | None = None, identifier: str | None = None
    ) -> OrderView:
        if (uuid is None) == (identifier is None):
            raise ValueError("name an order by uuid or by identifier")
        if self.look_ups_fail:
            raise Unavailable("HTTP 500")
        try:
            order = self.engine.find(account=ACCOUNT, uuid=uuid, identifier=identifier)
        except OrderNotFound as error:
            raise NotFound("no such order", name="order_not_found") from error
        return view_of(order)

    def list_orders(
        self,
        *,
        identifiers: Sequence[str] = (),
        market: str | None = None,
        open_only: bool = True,
        since: datetime | None = None,
    ) -> list[OrderView]:
        def is_asked(order: Order) -> bool:
            if market not in (None, order.request.market):
                return False
            if identifiers:
                return order.request.identifier in identifiers
            if open_only:
                return order.state is State.WAIT
            closed = order.state is not State.WAIT
            return closed and (since is None or order.created_at >= since)

        orders = self.engine.orders(account=ACCOUNT)
        return [view_of(o, with_trades=False) for o in orders if is_asked(o)]

    def get_balances(self) -> dict[str, Balance]:
        wallets = self.engine.wallets(account=ACCOUNT)
        return {
            code: Balance(currency=code, free=wallet.balance, locked=wallet.locked)
            for code, wallet in wallets.items()
        }

    def get_rules(self, *, market: str) -> MarketRules:
        self._known(market)
        return self.rules

    def get_market(self, *, market: str) -> MarketState:
        self._known(market)
        return MarketState(
            market=market,
            korean_name="비트코인",
            english_name="Bitcoin",
            warning=self.warning,
            cautions=(),
        )

    def get_prices(self, *, markets: Sequence[str]) -> dict[str, PriceQuote]:
        quote = PriceQuote(market=MARKET, price=self.price, received_at=self.clock())
        return {MARKET: quote} if MARKET in markets else {}

    def check_key(self) -> KeyReport:
        return KeyReport(
            accepted=True,
            expires_at=self.clock() + timedelta(days=90),
            withdraw_refused=True,
            message="the key works",
        )

    # --- what the market and the network do ---------------------------------------

    def trade_at(self, price: str, *, volume: str | None = None) -> None:
        """Let others trade at *price*, *volume* coins or enough for every order there."""
        self.price = Decimal(price)
        self.engine.walk(
            market=MARKET,
            price=self.price,
            at=self.clock(),
            volume=None if volume is None else Decimal(volume),
        )

    def deliver(self) -> None:
        """Let held requests arrive, late."""
        held, self._held = self._held, []
        for request in held:
            self.accept(request)

    def accept(self, request: OrderRequest) -> Order:
        """Let a request arrive, whoever sent it."""
        self._known(request.market)
        try:
            order = self.engine.check(
                account=ACCOUNT,
                request=_to_engine(request),
                rules=self.rules,
                last=self.price,
                uuid=str(uuid4()),
                now=self.clock(),
            )
        except OrderRefused as error:
            if error.name == "duplicated_identifier":
                raise Ambiguous(str(error), name=error.name) from error
            raise Refused(str(error), name=error.name) from error
        self.engine.place(order=order)
        levels = self._opposite(request.side)
        self.engine.arrive(uuid=order.uuid, levels=levels, at=self.clock())
        return self.engine.order(uuid=order.uuid)

    def _post(self, request: OrderRequest) -> OrderView:
        self.posts.append(request)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost":
            raise Ambiguous("timed out")
        if fault == "held":
            self._held.append(request)
            raise Ambiguous("timed out")
        order = self.accept(request)
        if fault == "unheard":
            raise Ambiguous("connection reset")
        return view_of(order, with_trades=False)

    def _opposite(self, side: Side) -> list[Level]:
        if side is Side.BID:
            return [Level(self.price, PLENTY)]
        below = self._spread_ticks * self.rules.tick_size(self.price)
        return [Level(self.price - below, PLENTY)]

    def _known(self, market: str) -> None:
        if market != MARKET:
            raise Refused("no such market", name="notfoundmarket")


def view_of(order: Order, *, with_trades: bool = True) -> OrderView:
    """Return an order of the engine as an adapter shows it."""
    request = order.request
    is_limit = request.ord_type is OrderType.LIMIT
    trades = tuple(
        Trade(
            uuid=trade.uuid,
            price=trade.price,
            volume=trade.volume,
            funds=trade.funds,
            fee=trade.fee,
            traded_at=trade.at,
        )
        for trade in order.trades
    )
    return OrderView(
        uuid=order.uuid,
        identifier=request.identifier,
        market=request.market,
        side=request.side,
        kind=OrderKind.LIMIT if is_limit else OrderKind.MARKET,
        price=request.price if is_limit else None,
        volume=request.volume,
        funds=None if is_limit else request.price,
        outcome=outcome_of(
            state=order.state,
            ord_type=request.ord_type,
            side=request.side,
            executed_volume=order.executed_volume,
            prevented=bool(order.prevented_volume or order.prevented_funds),
        ),
        executed_volume=order.executed_volume,
        paid_fee=order.paid_fee,
        created_at=order.created_at,
        trades=trades if with_trades else None,
        trades_count=len(trades),
        prevented_volume=order.prevented_volume,
    )


def _to_engine(request: OrderRequest) -> NewOrder:
    if request.kind is OrderKind.LIMIT:
        ord_type, price = OrderType.LIMIT, request.price
    elif request.side is Side.BID:
        ord_type, price = OrderType.PRICE, request.funds
    else:
        ord_type, price = OrderType.MARKET, None
    return NewOrder(
        market=request.market,
        side=request.side,
        ord_type=ord_type,
        price=price,
        volume=request.volume,
        identifier=request.identifier,
        smp_type=SmpType.CANCEL_TAKER,
    )


def with_ticks(exchange: EngineExchange, *, tick: Decimal) -> None:
    """Let the exchange change its grid in the band of the present price."""
    ticks = exchange.rules.ticks.corrected(price=exchange.price, tick=tick)
    exchange.rules = replace(exchange.rules, ticks=ticks)
