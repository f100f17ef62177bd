"""What must hold of the books at every instant, checked from outside the code that writes.

Without the exchange: ledger, budgets, live orders, fences. With it: every order, fill
and balance is read again and compared, digit for digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from common.money import plain
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import adapter_for
from user_project.bots.identifiers import is_ours
from user_project.bots.models import Cycle, Fill, LedgerEntry, Order
from user_project.exchanges.adapter import ExchangeAdapter
from user_project.trading.lifecycle import (
    LIVE_ORDERS,
    TERMINAL_CYCLES,
    OrderState,
)
from user_project.trading.orders import OrderView, Side

TOO_LONG: Final = timedelta(minutes=10)
SENT: Final = frozenset(
    {
        OrderState.OPEN,
        OrderState.CANCELLING,
        OrderState.FILLED,
        OrderState.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule: its number, what it is about, and a sentence."""

    code: str
    subject: str
    text: str


def audit(
    *,
    accounts: Sequence[ExchangeAccount],
    now: datetime,
    ask_exchange: bool = True,
) -> list[Finding]:
    """Return every broken rule; raise what the exchange raises when it is away."""
    findings: list[Finding] = []
    for account in accounts:
        findings += _books(account, now=now)
        if ask_exchange:
            findings += against_exchange(
                account=account, adapter=adapter_for(account=account)
            )
    return findings


def _books(account: ExchangeAccount, *, now: datetime) -> Iterator[Finding]:
    orders = Order.objects.filter(bot__account=account).select_related("bot", "cycle")
    cycles = Cycle.objects.filter(bot__account=account)
    yield from _doubled(orders)
    yield from _budgets(cycles)
    yield from _positions(cycles)
    yield from _ledger(cycles)
    yield from _unsettled(orders, now=now)
    yield from _sequence(orders)


def _doubled(orders: Iterable[Order]) -> Iterator[Finding]:
    """I3: at most one live order for a stage, and stages never bought twice over."""
    live = (
        Order.objects.filter(pk__in=[o.pk for o in orders], state__in=LIVE_ORDERS)
        .values("cycle_id", "stage", "side")
        .annotate(count=Count("id"))
        .filter(count__gt=1)
    )
    for row in live:
        yield Finding(
            code="I3",
            subject=str(row["cycle_id"]),
            text=f"{row['count']} live orders for stage {row['stage']} {row['side']}",
        )


def _budgets(cycles: Iterable[Cycle]) -> Iterator[Finding]:
    """I4: spent and reserved within the budget, reserved as the live orders say."""
    for cycle in cycles:
        reserved = cycle.orders.aggregate(total=Sum("reserved"))["total"] or Decimal(0)
        if reserved != cycle.reserved:
            text = f"reserved {plain(cycle.reserved)}, its orders {plain(reserved)}"
            yield Finding(code="I4", subject=str(cycle.pk), text=text)
        if cycle.spent + cycle.reserved > cycle.budget:
            text = f"spent and reserved exceed the budget {plain(cycle.budget)}"
            yield Finding(code="I4", subject=str(cycle.pk), text=text)


def _positions(cycles: Iterable[Cycle]) -> Iterator[Finding]:
    """I5: a position is what was bought less what was sold or handed over."""
    for cycle in cycles:
        bought = _filled(cycle, Side.BID)
        sold = _filled(cycle, Side.ASK)
        left = cycle.adjustments.aggregate(total=Sum("volume"))["total"] or Decimal(0)
        expected = bought - sold - left
        if cycle.volume != expected or cycle.volume < 0:
            text = f"holds {plain(cycle.volume)}, its fills say {plain(expected)}"
            yield Finding(code="I5", subject=str(cycle.pk), text=text)


def _filled(cycle: Cycle, side: Side) -> Decimal:
    fills = Fill.objects.filter(order__cycle=cycle, order__side=side)
    return fills.aggregate(total=Sum("volume"))["total"] or Decimal(0)


def _ledger(cycles: Iterable[Cycle]) -> Iterator[Finding]:
    """I6: bookings sum to zero in each currency, for the bot's owner, at their time."""
    entries = LedgerEntry.objects.filter(cycle__in=[c.pk for c in cycles])
    sums = (
        entries.values("fill_id", "adjustment_id", "currency")
        .annotate(total=Sum("amount"))
        .exclude(total=0)
    )
    for row in sums:
        subject = f"fill {row['fill_id']} adjustment {row['adjustment_id']}"
        text = f"{row['currency']} sums to {plain(row['total'])}"
        yield Finding(code="I6", subject=subject, text=text)
    for entry in entries.exclude(at=Coalesce("fill__traded_at", "adjustment__at")):
        text = f"booked at {entry.at:%m-%d %H:%M:%S}, which is not when it happened"
        yield Finding(code="I6", subject=f"entry {entry.pk}", text=text)
    for entry in entries.exclude(owner=F("cycle__bot__owner")):
        text = "booked for somebody who does not own the bot"
        yield Finding(code="I6", subject=f"entry {entry.pk}", text=text)
    for cycle in cycles:
        booked = entries.filter(cycle=cycle, currency="KRW", account="profit")
        profit = -(booked.aggregate(total=Sum("amount"))["total"] or Decimal(0))
        if profit != cycle.profit:
            text = f"profit {plain(cycle.profit)}, the ledger says {plain(profit)}"
            yield Finding(code="I6", subject=str(cycle.pk), text=text)


def _unsettled(orders: Iterable[Order], *, now: datetime) -> Iterator[Finding]:
    """I7: nothing stays in doubt for long without being watched."""
    doubtful = (OrderState.INTENT, OrderState.POSTING, OrderState.UNKNOWN)
    for order in orders:
        if order.state in doubtful and now - order.created_at > TOO_LONG:
            text = f"{order.state} since {order.created_at:%m-%d %H:%M:%S}"
            yield Finding(code="I7", subject=order.identifier, text=text)


def _sequence(orders: Iterable[Order]) -> Iterator[Finding]:
    """I8, I9: fences never fall; nothing was sent before it was intended.

    What came after what is said by rounds and attempts, not by a clock that may jump.
    """
    highest: dict[object, int] = defaultdict(int)
    for order in sorted(orders, key=lambda order: (order.cycle.seq, order.attempt)):
        place = (order.bot_id, order.stage, order.side)
        if not highest[place] <= order.fence <= order.bot.fence:
            text = f"fence {order.fence}, not {highest[place]} to {order.bot.fence}"
            yield Finding(code="I8", subject=order.identifier, text=text)
        highest[place] = max(highest[place], order.fence)
        if order.exchange_uuid and order.posted_at is None:
            text = "known to the exchange, but never sent"
            yield Finding(code="I9", subject=order.identifier, text=text)


def against_exchange(
    *, account: ExchangeAccount, adapter: ExchangeAdapter
) -> list[Finding]:
    """Read every order and the balances again; return what differs."""
    findings: list[Finding] = []
    orders = Order.objects.filter(bot__account=account)
    sent = orders.filter(state__in=SENT).exclude(exchange_uuid=None)
    for order in sent:
        findings += _order_findings(order, adapter.get_order(uuid=order.exchange_uuid))
    findings += _strangers(adapter.list_orders())
    findings += _balances(account, adapter)
    return findings


def _order_findings(order: Order, view: OrderView) -> Iterator[Finding]:
    """I1, I2: the same order on both sides, the same fills to the last digit."""
    if view.identifier is not None and view.identifier != order.identifier:
        text = f"the exchange names it {view.identifier}"
        yield Finding(code="I2", subject=order.identifier, text=text)
    trades = view.trades or ()
    theirs = (
        sum((t.volume for t in trades), Decimal(0)),
        sum((t.funds for t in trades), Decimal(0)),
        view.paid_fee,
    )
    ours = (order.executed_volume, order.executed_funds, order.paid_fee)
    if ours != theirs:
        text = f"we booked {_triple(ours)}, the exchange says {_triple(theirs)}"
        yield Finding(code="I1", subject=order.identifier, text=text)


def _triple(figures: tuple[Decimal, Decimal, Decimal]) -> str:
    return " / ".join(plain(figure) for figure in figures)


def _strangers(views: Iterable[OrderView]) -> Iterator[Finding]:
    named = [view.identifier for view in views if view.identifier is not None]
    ours = {name for name in named if is_ours(name)}
    known = Order.objects.filter(identifier__in=ours)
    for name in sorted(ours - set(known.values_list("identifier", flat=True))):
        yield Finding(code="I2", subject=name, text="open, but in no book of ours")


def _balances(account: ExchangeAccount, adapter: ExchangeAdapter) -> Iterator[Finding]:
    """I5: the account holds at least what its rounds hold; more is the owner's own."""
    balances = adapter.get_balances()
    held: dict[str, Decimal] = defaultdict(Decimal)
    cycles = Cycle.objects.filter(bot__account=account).exclude(
        Q(state__in=TERMINAL_CYCLES) | Q(deficit__isnull=False)
    )
    for market, volume in cycles.values_list("market", "volume"):
        held[market.partition("-")[2]] += volume
    for coin, volume in sorted(held.items()):
        balance = balances.get(coin)
        there = balance.free + balance.locked if balance else Decimal(0)
        if there < volume:
            text = f"rounds hold {plain(volume)}, the account {plain(there)}"
            yield Finding(code="I5", subject=f"{account} {coin}", text=text)
