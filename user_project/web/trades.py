"""Orders and executions of all bots: filtered, paged, and as CSV."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from django import forms
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from user_project.bots import pnl
from user_project.bots.columns import ORDER_STATES, SIDES
from user_project.bots.models import Bot, Fill, Order
from user_project.web.pages import LOOKS, owner_page, show
from user_project.web.paging import NewestRows

PER_PAGE: Final = 50
EVERY: Final = ("", _("전체"))


class TradeFilter(forms.Form):
    """What to show; nothing chosen shows everything."""

    bot = forms.ModelChoiceField(
        label=_("봇"),
        queryset=Bot.objects.none(),
        required=False,
        empty_label=_("전체"),
    )
    side = forms.ChoiceField(label=_("구분"), choices=[EVERY, *SIDES], required=False)
    state = forms.ChoiceField(
        label=_("상태"), choices=[EVERY, *ORDER_STATES], required=False
    )

    def __init__(self, *args: Any, owner: Any, **options: Any) -> None:
        """Offer the owner's bots only."""
        super().__init__(*args, **options)
        bots: Any = self.fields["bot"]
        bots.queryset = Bot.objects.for_user(owner)

    def narrow(self, rows: QuerySet[Any], /, *, order: str = "") -> QuerySet[Any]:
        """Keep what was chosen; *order* leads from a row to its order."""
        chosen = {
            f"{order}{name}": value
            for name, value in self.cleaned_data.items()
            if value and (name != "state" or not order)
        }
        return rows.filter(**chosen)


@owner_page(*LOOKS)
def orders(request: HttpRequest) -> HttpResponse:
    """List orders, newest first."""
    owner: Any = request.user
    rows = Order.objects.filter(bot__owner=owner).select_related("bot", "cycle")
    return _page(request, rows, kind="orders")


@owner_page(*LOOKS)
def fills(request: HttpRequest) -> HttpResponse:
    """List executions, newest first."""
    owner: Any = request.user
    rows = Fill.objects.filter(order__bot__owner=owner).select_related(
        "order__bot", "order__cycle"
    )
    return _page(request, rows, kind="fills")


@owner_page(*LOOKS)
def year_csv(request: HttpRequest, year: int) -> StreamingHttpResponse:
    """Return every execution of a Korean calendar year."""
    if not pnl.FIRST_YEAR <= year <= pnl.LAST_YEAR:
        raise Http404("no such year")
    lines = pnl.year_csv(owner=request.user, year=year)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="dantaro-{year}.csv"'
    return answer


def _page(request: HttpRequest, rows: QuerySet[Any], *, kind: str) -> HttpResponse:
    form = TradeFilter(request.GET, owner=request.user)
    order = "order__" if kind == "fills" else ""
    rows = form.narrow(rows, order=order) if form.is_valid() else rows.none()
    page = NewestRows(rows, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return show(
        request,
        f"web/{kind}.html",
        form=form,
        page=page,
        query=query.urlencode(),
        year=_today().year,
        years=_years(page),
        kind=kind,
    )


def _years(page: Page[Any], /) -> list[int]:
    """Return the years whose files hold what lies behind the oldest row of a page."""
    if not len(page):
        return []
    row = page[-1]
    at = row.traded_at if isinstance(row, Fill) else row.created_at
    year = at.astimezone(pnl.KST).year
    return [year, year - 1]


def _today() -> date:
    return timezone.now().astimezone(pnl.KST).date()
