"""Trades and sums as CSV for a spreadsheet, for Excel as well."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain
from user_project.bots.models import Fill, Order
from user_project.bots.pnl import KST, PnlRow, midnight

SECOND: Final = "%Y-%m-%d %H:%M:%S"
MARK: Final = "\ufeff"
"""By which Excel knows UTF-8."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins so for a formula."""
FILLS: Final = (
    *(
        _noop("체결 시각(KST)"),
        _noop("봇"),
        _noop("회차"),
        _noop("마켓"),
        _noop("구분"),
        _noop("체결가"),
        _noop("수량"),
    ),
    *(
        _noop("금액(원)"),
        _noop("수수료(원)"),
        _noop("실현손익(원)"),
        _noop("주문번호"),
        _noop("체결번호"),
    ),
)

ORDERS: Final = (
    *(
        _noop("주문 시각(KST)"),
        _noop("봇"),
        _noop("회차"),
        _noop("마켓"),
        _noop("구분"),
        _noop("주문가"),
        _noop("주문 수량"),
        _noop("주문 금액(원)"),
    ),
    *(
        _noop("체결 수량"),
        _noop("체결 금액(원)"),
        _noop("수수료(원)"),
        _noop("상태"),
        _noop("주문번호"),
    ),
)
SUMS: Final = (
    _noop("구분"),
    _noop("이름"),
    _noop("실현손익(원)"),
    _noop("수수료(원)"),
)


def year_csv(*, owner: Any, year: int) -> Iterator[str]:
    """Return every fill of a Korean calendar year as CSV lines, oldest first."""
    fills = Fill.objects.filter(
        order__bot__owner=owner,
        traded_at__gte=midnight(date(year, 1, 1)),
        traded_at__lt=midnight(date(year + 1, 1, 1)),
    )
    return fills_csv(fills=fills)


def fills_csv(*, fills: QuerySet[Fill]) -> Iterator[str]:
    """Yield fills as CSV lines, oldest first."""
    rows = (
        fills.select_related("order__cycle__bot")
        .prefetch_related("entries")
        .order_by("traded_at", "id")
    )
    yield MARK + _line(map(_, FILLS))
    for fill in rows.iterator(chunk_size=1000):
        yield _line(_fill_cells(fill))


def orders_csv(*, orders: QuerySet[Order]) -> Iterator[str]:
    """Yield orders as CSV lines, oldest first."""
    rows = orders.select_related("cycle", "bot").order_by("created_at", "id")
    yield MARK + _line(map(_, ORDERS))
    for order in rows.iterator(chunk_size=1000):
        yield _line(_order_cells(order))


def report_csv(*, rows: Iterable[PnlRow]) -> Iterator[str]:
    """Yield the lines of a report as CSV."""
    yield MARK + _line(map(_, SUMS))
    for row in rows:
        yield _line((row.key, row.name, plain(row.profit), plain(row.fees)))


def _fill_cells(fill: Fill, /) -> Iterable[str]:
    order = fill.order
    profit = -sum(
        (e.amount for e in fill.entries.all() if e.account == "profit"), Decimal(0)
    )
    return (
        f"{fill.traded_at.astimezone(KST):{SECOND}}",
        order.cycle.bot.name,
        str(order.cycle.seq),
        order.market,
        order.get_side_display(),
        *map(plain, (fill.price, fill.volume, fill.funds, fill.fee, profit)),
        order.exchange_uuid or "",
        fill.trade_uuid,
    )


def _order_cells(order: Order, /) -> Iterable[str]:
    amounts = (order.price, order.requested_volume, order.funds)
    done = (order.executed_volume, order.executed_funds, order.paid_fee)
    return (
        f"{order.created_at.astimezone(KST):{SECOND}}",
        order.bot.name,
        str(order.cycle.seq),
        order.market,
        order.stage_name,
        *("" if amount is None else plain(amount) for amount in amounts),
        *map(plain, done),
        str(order.get_state_display()),
        order.exchange_uuid or "",
    )


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Keep numbers as they are; text that a spreadsheet would run gets a quote."""
    if not cell.startswith(FORMULA):
        return cell
    try:
        Decimal(cell)
    except ArithmeticError:
        return "'" + cell
    return cell
