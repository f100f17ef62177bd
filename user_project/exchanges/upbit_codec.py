"""Upbit's answers as exchange-neutral values; what is incomplete raises MalformedAnswer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from upbit.types.account_list_response import AccountListResponseItem
from upbit.types.order import Order
from upbit.types.order import Trade as UpbitTrade
from upbit.types.order_retrieve_chance_response import OrderRetrieveChanceResponse
from upbit.types.trading_pair_list_response import TradingPairListResponseItem

from common.money import MarketRules, NotADecimal, plain, ticks_of, to_decimal
from user_project.exchanges.adapter import Candle, MarketState
from user_project.trading.ledger import split_fee
from user_project.trading.orders import (
    Balance,
    OrderKind,
    OrderRequest,
    OrderView,
    Outcome,
    Side,
    Trade,
)

SMP_TYPE: Final = "cancel_taker"
"""Always sent. Our incoming order gives way, so a resting one of ours, the take profit
of another bot above all, is never cancelled by our own buying."""
MARKET_BUY: Final = "price"
MARKET_SELL: Final = "market"
ACTIVE: Final = "active"
BID_KINDS: Final = {"limit": OrderKind.LIMIT, MARKET_BUY: OrderKind.MARKET}
ASK_KINDS: Final = {"limit": OrderKind.LIMIT, MARKET_SELL: OrderKind.MARKET}


class MalformedAnswer(ValueError):
    """A successful status, but not the answer that was asked for."""


def order_fields(request: OrderRequest, /) -> dict[str, str]:
    """Write a request as Upbit's fields, numbers as plain decimal text."""
    if not request.identifier:
        raise ValueError("an order needs an identifier")
    if request.kind is OrderKind.LIMIT:
        amounts = {"price": request.price, "volume": request.volume}
    elif request.side is Side.BID:
        amounts = {"price": request.funds}
    else:
        amounts = {"volume": request.volume}
    return {
        "market": request.market,
        "side": request.side.value,
        "ord_type": _order_type(request),
        "identifier": request.identifier,
        "smp_type": SMP_TYPE,
        **{name: _positive(name, value) for name, value in amounts.items()},
    }


def accepted_order(order: object, /, *, identifier: str) -> OrderView:
    """Read the answer to a POST; it must be the very order that was sent."""
    view = order_view(order)
    if view.identifier != identifier:
        raise MalformedAnswer(f"sent {identifier}, the answer names {view.identifier}")
    return view


def asked_order(
    order: object, /, *, uuid: str | None, identifier: str | None
) -> OrderView:
    """Read the answer to a look-up; another order than the one asked for is no answer."""
    view = order_view(order)
    if uuid not in (None, view.uuid):
        raise MalformedAnswer(f"asked for {uuid}, the answer is about {view.uuid}")
    # Orders made before identifiers were told come without one.
    if view.identifier is not None and identifier not in (None, view.identifier):
        raise MalformedAnswer(f"asked for {identifier}, told of {view.identifier}")
    return view


def order_view(order: object, /) -> OrderView:
    """Read one order object, with its trades where the answer lists them."""
    if not isinstance(order, Order) or not order.uuid:
        raise MalformedAnswer("the answer is not an order")
    try:
        return _order_view(order)
    except (NotADecimal, TypeError, ValueError) as error:
        raise MalformedAnswer(f"order {order.uuid}: {error}") from error


def outcome_of(
    *,
    state: str,
    ord_type: str,
    side: str,
    executed_volume: Decimal,
    prevented: bool = False,
) -> Outcome:
    """Decide what became of an order; a market buy ends as ``cancel`` when filled.

    *prevented*: self-match prevention took a part of it away.
    """
    if state in ("wait", "watch"):
        return Outcome.PARTIAL if executed_volume else Outcome.OPEN
    if state == "done":
        return Outcome.FILLED
    if state != "cancel":
        raise MalformedAnswer(f"unknown order state {state!r}")
    by_funds = ord_type == MARKET_BUY or (ord_type == "best" and side == Side.BID)
    if executed_volume and by_funds and not prevented:
        # What was left of the funds was too small for one more coin step: it came back.
        return Outcome.FILLED
    return Outcome.CANCELLED


def listed(answer: object, /) -> list[Any]:
    """Return the items of a list answer; a page wrapper counts as its items."""
    items = getattr(answer, "items", None) if not isinstance(answer, list) else answer
    if not isinstance(items, list):
        raise MalformedAnswer(f"expected a list, got {type(answer).__name__}")
    return items


def rules(answer: object, /, *, market: str, on: date) -> MarketRules:
    """Read fees and limits of one market from ``orders/chance``; ticks of day *on*."""
    if not isinstance(answer, OrderRetrieveChanceResponse):
        raise MalformedAnswer("the answer does not describe a market")
    told = answer.market
    return MarketRules(
        market=market,
        min_total=max(to_decimal(side.min_total) for side in (told.bid, told.ask)),
        max_total=to_decimal(told.max_total),
        # A stage may rest or trade at once: reserve and plan with the dearer of both.
        bid_fee=_higher(answer.bid_fee, answer.maker_bid_fee),
        ask_fee=_higher(answer.ask_fee, answer.maker_ask_fee),
        ticks=ticks_of(market=market, on=on),
        is_active=(getattr(told, "state", None) or ACTIVE) == ACTIVE,
        bid_kinds=_kinds(told.bid_types, BID_KINDS),
        ask_kinds=_kinds(told.ask_types, ASK_KINDS),
    )


def last_prices(answer: object, /) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Read each market's last price and the close of the UTC day before it.

    A market without a trade is left out.
    """
    return {
        item.market: (
            to_decimal(item.trade_price),
            previous_close(getattr(item, "prev_closing_price", None)),
        )
        for item in listed(answer)
        if item.trade_price
    }


def previous_close(value: object, /) -> Decimal | None:
    """Read a close; without a usable one the price still counts."""
    try:
        close = to_decimal(value)
    except NotADecimal:
        return None
    return close if close > 0 else None


def candle(item: Any, /) -> Candle:
    """Read one candle; its time is UTC without saying so."""
    return Candle(
        started_at=datetime.fromisoformat(item.candle_date_time_utc).replace(
            tzinfo=UTC
        ),
        opened=to_decimal(item.opening_price),
        high=to_decimal(item.high_price),
        low=to_decimal(item.low_price),
        closed=to_decimal(item.trade_price),
        volume=to_decimal(item.candle_acc_trade_volume),
    )


def balance(item: AccountListResponseItem, /) -> Balance:
    """Read one line of the account."""
    return Balance(
        currency=item.currency,
        free=to_decimal(item.balance),
        locked=to_decimal(item.locked),
    )


def market_state(item: TradingPairListResponseItem, /) -> MarketState:
    """Read names and flags of one market."""
    event = item.market_event
    caution = event.caution if event else None
    flags = caution.to_dict() if caution else {}
    return MarketState(
        market=item.market,
        korean_name=item.korean_name,
        english_name=item.english_name,
        warning=bool(event and event.warning),
        cautions=tuple(sorted(name for name, raised in flags.items() if raised)),
    )


def utc(text: str, /) -> datetime:
    """Read an ISO-8601 time with its offset, with or without microseconds."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise MalformedAnswer(f"time without offset: {text!r}")
    return moment.astimezone(UTC)


def _higher(taker: str, maker: str | None) -> Decimal:
    fee = to_decimal(taker)
    return fee if maker is None else max(fee, to_decimal(maker))


def _kinds(
    types: Sequence[str] | None, known: Mapping[str, OrderKind]
) -> frozenset[str]:
    """Return the order kinds among Upbit's types; an answer without types forbids none."""
    return frozenset(
        kind for name, kind in known.items() if types is None or name in types
    )


def _order_type(request: OrderRequest) -> str:
    if request.kind is OrderKind.LIMIT:
        return "limit"
    return MARKET_BUY if request.side is Side.BID else MARKET_SELL


def _positive(name: str, value: Decimal | None) -> str:
    if value is None or value <= 0:
        raise ValueError(f"this kind of order needs a {name} above 0, got {value}")
    return plain(value)


def _order_view(order: Order) -> OrderView:
    executed = to_decimal(order.executed_volume)
    paid_fee = to_decimal(order.paid_fee)
    limit = order.ord_type == "limit"
    # A market sell names no price, a market buy the won to spend instead of one.
    price, volume = _optional(order.price), _optional(order.volume)
    prevented = _optional(order.prevented_volume) or Decimal(0)
    return OrderView(
        uuid=order.uuid,
        identifier=order.identifier,
        market=order.market,
        side=Side(order.side),
        kind=OrderKind.LIMIT if limit else OrderKind.MARKET,
        price=price if limit else None,
        volume=volume,
        funds=None if limit else price,
        outcome=outcome_of(
            state=order.state,
            ord_type=order.ord_type,
            side=order.side,
            executed_volume=executed,
            prevented=bool(prevented or _optional(order.prevented_locked)),
        ),
        executed_volume=executed,
        paid_fee=paid_fee,
        created_at=utc(order.created_at),
        trades=None if order.trades is None else _trades(order.trades, paid_fee),
        trades_count=int(order.trades_count or 0),
        prevented_volume=prevented,
    )


def _trades(trades: Sequence[UpbitTrade], paid_fee: Decimal) -> tuple[Trade, ...]:
    if not trades:
        return ()
    funds = [_funds(trade) for trade in trades]
    fees = split_fee(paid_fee=paid_fee, funds=funds)
    return tuple(
        Trade(
            uuid=_required(trade.uuid),
            price=to_decimal(trade.price),
            volume=to_decimal(trade.volume),
            funds=amount,
            fee=fee,
            traded_at=utc(_required(trade.created_at)),
        )
        for trade, amount, fee in zip(trades, funds, fees, strict=True)
    )


def _funds(trade: UpbitTrade) -> Decimal:
    if trade.funds is not None:
        return to_decimal(trade.funds)
    return to_decimal(trade.price) * to_decimal(trade.volume)


def _required(text: str | None) -> str:
    if not text:
        raise MalformedAnswer("a trade lacks its uuid or time")
    return text


def _optional(text: Any) -> Decimal | None:
    return None if text is None else to_decimal(text)
