"""Orders and executions of all bots: filtered, paged, and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django import forms
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from user_project.accounts.models import AccountMode
from user_project.bots import exports, pnl
from user_project.bots.columns import ORDER_STATES, SIDES
from user_project.bots.models import Bot, Fill, Order
from user_project.bots.money_kind import choose_money
from user_project.web.pages import LOOKS, owner_page, show
from user_project.web.paging import NewestRows
from user_project.web.plain_select import PlainSelect

PER_PAGE: Final = 50
EVERY: Final = ("", _("전체"))
UNSHOWN: Final = ("decided_on", "cycle__plan", "cycle__owner_changes")
"""Whole plans and their facts, which no list shows but every row would read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A list of trades: how its rows lead to their order and to their time."""

    name: str
    """Of its address and of its template."""
    order: str
    at: str
    rows: Callable[[Any], QuerySet[Any]]
    """From the owner to his rows."""
    write: Callable[[QuerySet[Any]], Iterator[str]]
    """From rows to CSV lines."""


class Day(forms.DateInput):
    """The browser's own calendar."""

    input_type = "date"

    def __init__(self) -> None:
        """Write days as that calendar reads them, in every language."""
        super().__init__(format="%Y-%m-%d")


class TradeFilter(forms.Form):
    """What to show; nothing chosen shows everything."""

    bot = forms.ModelChoiceField(
        label=_("봇"),
        queryset=Bot.objects.none(),
        required=False,
        empty_label=_("전체"),
        widget=PlainSelect,
    )
    side = forms.ChoiceField(
        label=_("구분"), choices=[EVERY, *SIDES], required=False, widget=PlainSelect
    )
    state = forms.ChoiceField(
        label=_("상태"),
        choices=[EVERY, *ORDER_STATES],
        required=False,
        widget=PlainSelect,
    )

    mode = forms.ChoiceField(
        label=_("모드"),
        choices=[EVERY, *AccountMode.choices],
        required=False,
        widget=PlainSelect,
    )
    market = forms.CharField(
        label=_("코인"),
        required=False,
        max_length=24,
        widget=forms.TextInput(
            attrs={"placeholder": "BTC", "autocapitalize": "characters"}
        ),
    )
    first = forms.DateField(label=_("첫날"), required=False, widget=Day)
    last = forms.DateField(label=_("마지막 날"), required=False, widget=Day)

    def __init__(self, *args: Any, owner: Any, **options: Any) -> None:
        """Offer the owner's bots only, and kinds of money where there are both."""
        super().__init__(*args, **options)
        self.money = choose_money(owner=owner)
        if self.money.is_only:
            del self.fields["mode"]
        bots: Any = self.fields["bot"]
        bots.queryset = Bot.objects.for_user(owner).only("name", "market")

    def clean_market(self) -> str:
        """Take ``btc`` for KRW-BTC."""
        typed = str(self.cleaned_data["market"]).strip().upper()
        return f"KRW-{typed}" if typed and "-" not in typed else typed

    def clean(self) -> dict[str, Any]:
        """Refuse days that no trade can be of."""
        found = {**(super().clean() or {})}
        days = [day for name in ("first", "last") if (day := found.get(name))]
        for day in days:
            if not pnl.FIRST_YEAR <= day.year <= pnl.LAST_YEAR:
                raise forms.ValidationError(_("2017년 이후의 날짜를 넣으세요."))
        if days != sorted(days):
            raise forms.ValidationError(_("첫날이 마지막 날보다 늦습니다."))
        return found

    def narrow(self, rows: QuerySet[Any], /, *, order: str, at: str) -> QuerySet[Any]:
        """Keep what was chosen; *order* leads from a row to its order, *at* to its time."""
        chosen = {
            f"{order}{name}": value
            for name in ("bot", "side", "market", *(() if order else ("state",)))
            if (value := self.cleaned_data[name])
        }
        if mode := self.cleaned_data.get("mode"):
            chosen[f"{order}bot__account__mode"] = mode
        first, last = self.cleaned_data["first"], self.cleaned_data["last"]
        if first:
            chosen[f"{at}__gte"] = pnl.midnight(first)
        if last:
            chosen[f"{at}__lt"] = pnl.midnight(last, days=1)
        return rows.filter(**chosen)


@owner_page(*LOOKS)
def trades(request: HttpRequest, kind: Kind) -> HttpResponse:
    """List orders or executions, newest first."""
    form, rows = _chosen(request, kind)
    page = NewestRows(rows, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return show(
        request,
        f"web/{kind.name}.html",
        form=form,
        money=form.money,
        page=page,
        query=query.urlencode(),
        year=_today().year,
        years=_years(page, kind),
        kind=kind.name,
    )


@owner_page(*LOOKS)
def trades_csv(request: HttpRequest, kind: Kind) -> HttpResponseBase:
    """Return all that the list was narrowed to, however long."""
    form, rows = _chosen(request, kind)
    if not form.is_valid():  # the list says what is wrong
        return redirect(f"{reverse(kind.name)}?{request.GET.urlencode()}")
    return _file(kind.write(rows), name=f"dantaro-{kind.name}-{_today()}.csv")


@owner_page(*LOOKS)
def year_csv(request: HttpRequest, year: int) -> HttpResponseBase:
    """Return every execution of a Korean calendar year, of one kind of money."""
    if not pnl.FIRST_YEAR <= year <= pnl.LAST_YEAR:
        raise Http404("no such year")
    money = choose_money(owner=request.user, wanted=request.GET.get("mode", ""))
    lines = exports.year_csv(owner=request.user, year=year, mode=money.narrows_to)
    return _file(lines, name=f"dantaro-{year}{money.mark}.csv")


def _chosen(
    request: HttpRequest, kind: Kind, /
) -> tuple[TradeFilter, QuerySet[Order] | QuerySet[Fill]]:
    form = TradeFilter(request.GET, owner=request.user)
    rows = kind.rows(request.user)
    if not form.is_valid():
        return form, rows.none()
    return form, form.narrow(rows, order=kind.order, at=kind.at)


def _years(page: Page[Any], kind: Kind, /) -> list[int]:
    """Return the years whose files hold what lies behind the oldest row of a page."""
    if not len(page):
        return []
    year = getattr(page[-1], kind.at).astimezone(pnl.KST).year
    return [year, year - 1]


def _file(lines: Iterator[str], /, *, name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _orders(owner: Any, /) -> QuerySet[Order]:
    orders = Order.objects.filter(bot__owner=owner).select_related("bot", "cycle")
    return orders.defer(*UNSHOWN)


def _fills(owner: Any, /) -> QuerySet[Fill]:
    fills = Fill.objects.filter(order__bot__owner=owner)
    fills = fills.select_related("order__bot", "order__cycle")
    return fills.defer(*(f"order__{name}" for name in UNSHOWN))


def _today() -> date:
    return timezone.now().astimezone(pnl.KST).date()


ORDERS: Final = Kind(
    name="orders",
    order="",
    at="created_at",
    rows=_orders,
    write=lambda rows: exports.orders_csv(orders=rows),
)
FILLS: Final = Kind(
    name="fills",
    order="order__",
    at="traded_at",
    rows=_fills,
    write=lambda rows: exports.fills_csv(fills=rows),
)
