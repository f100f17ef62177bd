"""Trades and sums as CSV for a spreadsheet, for Excel as well."""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain
from user_project.accounts.models import AccountMode
from user_project.bots.models import Adjustment, Fill, Order
from user_project.bots.pnl import KST, PnlRow, midnight

CHUNK: Final = 1000
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


def year_csv(
    *, owner: Any, year: int, mode: AccountMode | None = None
) -> Iterator[str]:
    """Yield every fill of a Korean calendar year as CSV lines, oldest first.

    *mode*: of which kind of money, needed where the owner has both (`choose_money`).
    Between them, coins that left a round without a sale: handed over to the owner, or
    gone with their cost, which is a loss. So the profits sum to what the pages show.
    """
    first, last = midnight(date(year, 1, 1)), midnight(date(year + 1, 1, 1))
    fills = Fill.objects.filter(
        order__bot__owner=owner, traded_at__gte=first, traded_at__lt=last
    )
    gone = Adjustment.objects.filter(
        cycle__bot__owner=owner, at__gte=first, at__lt=last
    )
    if mode is not None:
        fills = fills.filter(order__bot__account__mode=mode)
        gone = gone.filter(cycle__bot__account__mode=mode)
    yield MARK + _line(map(_, FILLS))
    rows = heapq.merge(_fill_rows(fills), _gone_rows(gone), key=itemgetter(0))
    for _at, cells in rows:
        yield _line(cells)


def fills_csv(*, fills: QuerySet[Fill]) -> Iterator[str]:
    """Yield fills as CSV lines, oldest first."""
    yield MARK + _line(map(_, FILLS))
    for _at, cells in _fill_rows(fills):
        yield _line(cells)


def orders_csv(*, orders: QuerySet[Order]) -> Iterator[str]:
    """Yield orders as CSV lines, oldest first."""
    rows = orders.select_related("cycle", "bot").order_by("created_at", "id")
    yield MARK + _line(map(_, ORDERS))
    for order in rows.iterator(chunk_size=CHUNK):
        yield _line(_order_cells(order))


def report_csv(*, rows: Iterable[PnlRow]) -> Iterator[str]:
    """Yield the lines of a report as CSV."""
    yield MARK + _line(map(_, SUMS))
    for row in rows:
        yield _line((row.key, row.name, plain(row.profit), plain(row.fees)))


def _fill_rows(fills: QuerySet[Fill], /) -> Iterator[tuple[datetime, Iterable[str]]]:
    rows = fills.select_related("order__cycle__bot").prefetch_related("entries")
    for fill in rows.order_by("traded_at", "id").iterator(chunk_size=CHUNK):
        yield fill.traded_at, _fill_cells(fill)


def _gone_rows(
    gone: QuerySet[Adjustment], /
) -> Iterator[tuple[datetime, Iterable[str]]]:
    rows = gone.select_related("cycle__bot").prefetch_related("entries")
    for row in rows.order_by("at", "id").iterator(chunk_size=CHUNK):
        yield row.at, _gone_cells(row)


def _fill_cells(fill: Fill, /) -> Iterable[str]:
    order, profit = fill.order, _profit(fill)
    return (
        _second(fill.traded_at),
        order.cycle.bot.name,
        str(order.cycle.seq),
        order.market,
        order.side_name,
        *map(plain, (fill.price, fill.volume, fill.funds, fill.fee, profit)),
        order.exchange_uuid or "",
        fill.trade_uuid,
    )


def _gone_cells(row: Adjustment, /) -> Iterable[str]:
    """Return a line without price, money and numbers of the exchange: none moved."""
    return (
        _second(row.at),
        row.cycle.bot.name,
        str(row.cycle.seq),
        row.cycle.market,
        row.get_kind_display(),
        "",
        plain(row.volume),
        *("0", "0", plain(_profit(row)), "", ""),
    )


def _order_cells(order: Order, /) -> Iterable[str]:
    amounts = (order.price, order.requested_volume, order.funds)
    done = (order.executed_volume, order.executed_funds, order.paid_fee)
    return (
        _second(order.created_at),
        order.bot.name,
        str(order.cycle.seq),
        order.market,
        order.stage_name,
        *("" if amount is None else plain(amount) for amount in amounts),
        *map(plain, done),
        order.state_name,
        order.exchange_uuid or "",
    )


def _profit(row: Fill | Adjustment, /) -> Decimal:
    earned = (e.amount for e in row.entries.all() if e.account == "profit")
    return -sum(earned, Decimal(0))


def _second(at: datetime, /) -> str:
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M:%S}"


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
