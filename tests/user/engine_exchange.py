"""An exchange in this process: the real matching engine behind the port, and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.user.factories import QuietExchange
from user_project.exchanges.adapter import Ambiguous, NotFound, Refused, Unavailable
from user_project.trading import matching_orders as engine_values
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    NewOrder,
    OrderRefused,
    OrderType,
    State,
)
from user_project.trading.orders import (
    OrderKind,
    OrderRequest,
    OrderView,
    Outcome,
    Side,
    Trade,
)

ACCOUNT = "owner"
MARKET = "KRW-BTC"


class EngineExchange(QuietExchange):
    """Places real orders in the matching engine.

    ``faults`` are consumed by the next POSTs: ``lost`` (never arrives), ``unheard``
    (accepted, answer lost), ``held`` (arrives when ``deliver`` is called).
    """

    def __init__(self, *, clock: Callable[[], datetime], krw: str = "10000000") -> None:
        super().__init__(price="100000000")
        self.clock = clock
        self.engine = MatchingEngine()
        self.engine.open_account(account=ACCOUNT, balances={"KRW": Decimal(krw)})
        self.faults: list[str] = []
        self.posts: list[OrderRequest] = []
        self.look_ups_fail = False
        self._held: list[OrderRequest] = []

    # --- the port ---------------------------------------------------------------

    def place_market_order(self, *, request: OrderRequest) -> OrderView:
        return self._post(request)

    place_limit_order = place_market_order

    def cancel_order(self, *, uuid: str) -> None:
        try:
            self.engine.cancel(uuid=uuid)
        except engine_values.OrderNotFound as error:
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
        except engine_values.OrderNotFound as error:
            raise NotFound("no such order", name="order_not_found") from error
        return _view(order)

    def list_orders(
        self,
        *,
        identifiers: Sequence[str] = (),
        market: str | None = None,
        open_only: bool = True,
        since: datetime | None = None,
    ) -> list[OrderView]:
        orders = list(self.engine.orders(account=ACCOUNT))
        if identifiers:
            orders = [o for o in orders if o.request.identifier in identifiers]
        else:
            orders = [o for o in orders if (o.state is State.WAIT) is open_only]
        return [_view(order, with_trades=False) for order in orders]

    def get_prices(self, *, markets: Sequence[str]) -> Any:
        self.now = self.clock()
        return super().get_prices(markets=markets)

    # --- what the market and the network do ---------------------------------------

    def trade_at(self, price: str) -> None:
        """Let the market trade at *price*; resting orders fill at their own."""
        self.price = Decimal(price)
        self.engine.walk(market=MARKET, price=self.price, at=self.clock())

    def deliver(self) -> None:
        """Let held requests arrive, late."""
        held, self._held = self._held, []
        for request in held:
            self._accept(request)

    def _post(self, request: OrderRequest) -> OrderView:
        self.posts.append(request)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost":
            raise Ambiguous("timed out")
        if fault == "held":
            self._held.append(request)
            raise Ambiguous("timed out")
        order = self._accept(request)
        if fault == "unheard":
            raise Ambiguous("connection reset")
        return _view(order, with_trades=False)

    def _accept(self, request: OrderRequest) -> engine_values.Order:
        try:
            order = self.engine.place(
                account=ACCOUNT,
                request=_to_engine(request),
                rules=self.get_rules(market=request.market),
                last=self.price,
                uuid=str(uuid4()),
                now=self.clock(),
            )
        except OrderRefused as error:
            if error.name == "duplicated_identifier":
                raise Ambiguous(str(error), name=error.name) from error
            raise Refused(str(error), name=error.name) from error
        self.engine.arrive(uuid=order.uuid, price=self.price, at=self.clock())
        return order


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
    )


def _view(order: engine_values.Order, *, with_trades: bool = True) -> OrderView:
    request = order.request
    is_limit = request.ord_type is OrderType.LIMIT
    market_buy = request.ord_type is OrderType.PRICE
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
        funds=request.price if market_buy else None,
        outcome=_outcome(order, market_buy=market_buy),
        executed_volume=order.executed_volume,
        paid_fee=order.paid_fee,
        created_at=order.created_at,
        trades=trades if with_trades else None,
        trades_count=len(trades),
    )


def _outcome(order: engine_values.Order, *, market_buy: bool) -> Outcome:
    if order.state is State.WAIT:
        return Outcome.PARTIAL if order.executed_volume else Outcome.OPEN
    if order.state is State.DONE or (market_buy and order.executed_volume):
        return Outcome.FILLED
    return Outcome.CANCELLED
