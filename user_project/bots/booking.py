"""Turn what the exchange says about an order into fills, ledger and balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final

from django.utils.translation import gettext as _

from user_project.bots import events, wording
from user_project.bots.models import Cycle, Fill, LedgerEntry, Order
from user_project.trading import ledger
from user_project.trading.amounts import PRECISE
from user_project.trading.lifecycle import (
    CYCLE_TRANSITIONS,
    ORDER_TRANSITIONS,
    CycleState,
    CycleTrigger,
    OrderState,
    OrderTrigger,
    next_state,
)
from user_project.trading.orders import OrderView, Outcome, Side, Trade

CLOCK_TOLERANCE: Final = timedelta(seconds=60)


class Mismatch(Exception):
    """The exchange has an order with our identifier that is not the one we made."""


class LostRace(Exception):
    """Another process moved this row first."""


def move_order(*, order: Order, trigger: OrderTrigger, **changes: Any) -> None:
    """Change the state by compare-and-set; raise LostRace or InvalidTransition."""
    target = next_state(ORDER_TRANSITIONS, OrderState(order.state), trigger)
    changed = Order.objects.filter(pk=order.pk, state=order.state).update(
        state=target, **changes
    )
    if not changed:
        raise LostRace(f"order {order.identifier} left {order.state} meanwhile")
    order.state = target
    for field, value in changes.items():
        setattr(order, field, value)


def move_cycle(*, cycle: Cycle, trigger: CycleTrigger) -> None:
    """Advance the cycle's state; the caller holds its row lock and saves it."""
    cycle.state = next_state(CYCLE_TRANSITIONS, CycleState(cycle.state), trigger)


def apply_view(
    *,
    order: Order,
    view: OrderView,
    now: datetime,
    clock_offset: timedelta = timedelta(0),
) -> Order:
    """Book *view* and advance the order; call inside a transaction with the bot locked.

    Reading the same view again changes nothing. An order only closes when all its
    trades are known. Raises Mismatch when the order is not the one we sent.
    *clock_offset* is the exchange's clock minus ours.
    """
    check_is_ours(order=order, view=view, clock_offset=clock_offset)
    with localcontext(PRECISE):
        return _apply(order=order, view=view, now=now)


def _apply(*, order: Order, view: OrderView, now: datetime) -> Order:
    cycle = Cycle.objects.select_for_update().get(pk=order.cycle_id)
    order = Order.objects.select_for_update().get(pk=order.pk)
    order.cycle = cycle
    if not order.exchange_uuid:
        order.exchange_uuid = view.uuid
    _book_new_trades(order=order, cycle=cycle, view=view)
    order.looked_up_at = now
    order.save()
    _advance(order=order, view=view, now=now)
    cycle.save()
    return order


def check_is_ours(
    *, order: Order, view: OrderView, clock_offset: timedelta = timedelta(0)
) -> None:
    """Raise Mismatch unless market, side, kind, price and size are what we sent."""
    if view.identifier is not None and view.identifier != order.identifier:
        raise Mismatch(f"identifier {view.identifier} instead of {order.identifier}")
    if order.exchange_uuid and view.uuid != order.exchange_uuid:
        raise Mismatch(f"{order.identifier} is {view.uuid}, not {order.exchange_uuid}")
    expected: Mapping[str, tuple[object, object]] = {
        "market": (order.market, view.market),
        "side": (order.side, view.side.value),
        "kind": (order.kind, view.kind.value),
        "price": (order.price, view.price),
        "volume": (order.requested_volume, view.volume),
        "funds": (order.funds, view.funds),
    }
    for name, (ours, theirs) in expected.items():
        # Upbit leaves out what an order type does not have.
        if ours is not None and theirs is not None and ours != theirs:
            raise Mismatch(f"{order.identifier}: {name} is {theirs}, we sent {ours}")
    # Once adopted it is known by its uuid. Our clock may have been put right since the
    # intent, so its time is taken as written and as the exchange would have written it.
    earliest = order.created_at + min(clock_offset, timedelta(0)) - CLOCK_TOLERANCE
    if not order.exchange_uuid and view.created_at < earliest:
        raise Mismatch(f"{order.identifier} is older than our intent")


def moved(order: Order, view: OrderView) -> bool:
    """Tell whether *view* knows of fills or an end that are not booked yet."""
    return not view.is_open or view.executed_volume != order.executed_volume


def release_reservation(*, order: Order, cycle: Cycle) -> None:
    """Give back what a closed order still held; the caller saves both rows."""
    cycle.reserved = PRECISE.subtract(cycle.reserved, order.reserved)
    order.reserved = Decimal(0)


def _book_new_trades(*, order: Order, cycle: Cycle, view: OrderView) -> None:
    trades = view.trades or ()
    known = set(
        order.fills.filter(trade_uuid__in=[trade.uuid for trade in trades]).values_list(
            "trade_uuid", flat=True
        )
    )
    fresh = [trade for trade in trades if trade.uuid not in known]
    if not fresh:
        return
    # Only the fee not booked yet is split, so earlier bookings never shift.
    fees = ledger.split_fee(
        paid_fee=view.paid_fee - order.paid_fee,
        funds=[trade.funds for trade in fresh],
    )
    for trade, fee in zip(fresh, fees, strict=True):
        _book_trade(order=order, cycle=cycle, trade=trade, fee=fee)
    events.record(
        bot=order.bot,
        order=order,
        cycle=cycle,
        kind="order.fill",
        message=lambda: _fill_sentence(order, fresh),
        volume=str(sum((t.volume for t in fresh), Decimal(0))),
        funds=str(sum((t.funds for t in fresh), Decimal(0))),
        fee=str(sum(fees, Decimal(0))),
    )


def _book_trade(*, order: Order, cycle: Cycle, trade: Trade, fee: Decimal) -> None:
    fill = Fill.objects.create(
        trade_uuid=trade.uuid,
        order=order,
        price=trade.price,
        volume=trade.volume,
        funds=trade.funds,
        fee=fee,
        traded_at=trade.traded_at,
    )
    book = _book_buy if order.side == Side.BID else _book_sell
    booking = book(order, cycle, trade, fee)
    cycle.volume = booking.position.volume
    cycle.cost = booking.position.cost
    cycle.profit += booking.profit
    order.executed_volume += trade.volume
    order.executed_funds += trade.funds
    order.paid_fee += fee
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            fill=fill,
            cycle=cycle,
            owner_id=order.bot.owner_id,
            account=leg.account,
            currency=leg.currency,
            amount=leg.amount,
            at=trade.traded_at,
        )
        for leg in booking.legs
    )


def _position(cycle: Cycle) -> ledger.Position:
    return ledger.Position(volume=cycle.volume, cost=cycle.cost)


def _book_buy(order: Order, cycle: Cycle, trade: Trade, fee: Decimal) -> ledger.Booking:
    paid = trade.funds + fee
    released = min(paid, order.reserved)
    order.reserved -= released
    cycle.reserved -= released
    cycle.spent += paid
    cycle.peak_price = None  # the average moved: a peak of before means nothing
    cycle.last_buy_at = max(filter(None, (cycle.last_buy_at, trade.traded_at)))
    if cycle.state == CycleState.OPENING:
        move_cycle(cycle=cycle, trigger=CycleTrigger.BOUGHT)
    return ledger.book_buy(
        position=_position(cycle),
        market=order.market,
        volume=trade.volume,
        funds=trade.funds,
        fee=fee,
    )


def _book_sell(
    order: Order, cycle: Cycle, trade: Trade, fee: Decimal
) -> ledger.Booking:
    cycle.received += trade.funds - fee
    return ledger.book_sell(
        position=_position(cycle),
        market=order.market,
        volume=trade.volume,
        funds=trade.funds,
        fee=fee,
    )


def _advance(*, order: Order, view: OrderView, now: datetime) -> None:
    trigger = _trigger(order=order, view=view)
    if trigger is None:
        return
    if trigger is OrderTrigger.ACCEPT:
        move_order(order=order, trigger=trigger)
        _record_resting(order)
        return
    release_reservation(order=order, cycle=order.cycle)
    move_order(order=order, trigger=trigger, reserved=order.reserved, closed_at=now)
    if trigger is OrderTrigger.CLOSE:
        events.record(
            bot=order.bot,
            order=order,
            kind="order.cancelled",
            message=lambda: (
                _("%(stage_name)s 주문을 거두었습니다.")
                % {"stage_name": order.stage_name}
            ),
        )


def _record_resting(order: Order) -> None:
    price = order.price
    if price is None:
        return
    events.record(
        bot=order.bot,
        order=order,
        kind="order.open",
        message=lambda: (
            _("%(stage_name)s 주문: %(price)s")
            % {"stage_name": order.stage_name, "price": wording.price_text(price)}
        ),
    )


def _trigger(*, order: Order, view: OrderView) -> OrderTrigger | None:
    closing: dict[Outcome, OrderTrigger] = {
        Outcome.FILLED: OrderTrigger.FILL,
        Outcome.CANCELLED: OrderTrigger.CLOSE,
    }
    if view.outcome in closing:
        complete = order.executed_volume == view.executed_volume
        if complete:
            return closing[view.outcome]
        # Some trades are not listed yet: read again before closing.
    if order.state in (OrderState.OPEN, OrderState.CANCELLING):
        return None
    return OrderTrigger.ACCEPT


def _fill_sentence(order: Order, trades: Sequence[Trade]) -> str:
    funds = sum((trade.funds for trade in trades), Decimal(0))

    prices_paid = [trade.price for trade in trades]
    low, high = min(prices_paid), max(prices_paid)
    prices = wording.price_text(low)
    if high != low:
        prices += f" ~ {wording.price_text(high)}"
    return _("%(stage_name)s 체결: %(prices)s, %(funds)s") % {
        "stage_name": order.stage_name,
        "prices": prices,
        "funds": wording.won(funds),
    }
