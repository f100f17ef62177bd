"""Profit and loss, and the emergency stop."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from user_project.accounts.models import ExchangeAccount
from user_project.api.asked import asked
from user_project.api.idempotency import IdempotentPosts
from user_project.api.inputs import EmergencyInput, MoneyFilter, PnlFilter
from user_project.api.rows import EmergencyRow, PnlLine
from user_project.bots import emergency, exports, pnl
from user_project.bots.models import EmergencyStop
from user_project.bots.money_kind import choose_money


class PnlView(APIView):
    """Realised profit and fees of the caller's bots, exactly as the ledger has them."""

    @extend_schema(parameters=[PnlFilter], responses=PnlLine(many=True))
    def get(self, request: Request) -> Response:
        """Return it by Korean day, by coin or by bot."""
        wanted = asked(PnlFilter, request)
        group_by = pnl.GroupBy(wanted.pop("by"))
        money = choose_money(owner=request.user, wanted=wanted.pop("mode", ""))
        rows = pnl.report(
            owner=request.user, group_by=group_by, mode=money.narrows_to, **wanted
        )
        return Response(PnlLine(rows, many=True).data)


class YearView(APIView):
    """A year's executions for the tax office and for spreadsheets."""

    @extend_schema(
        parameters=[MoneyFilter], responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request, year: int) -> StreamingHttpResponse:
        """Return every execution of a Korean calendar year as CSV.

        Coins that left a round without a sale are lines of their own: handed over to the
        owner, or gone, with their cost as a loss.
        """
        if not pnl.FIRST_YEAR <= year <= pnl.LAST_YEAR:
            message = _("%(first)s년부터 %(last)s년까지의 해를 보내세요.")
            years = {"first": pnl.FIRST_YEAR, "last": pnl.LAST_YEAR}
            raise ValidationError({"year": message % years})
        wanted = asked(MoneyFilter, request).get("mode", "")
        money = choose_money(owner=request.user, wanted=wanted)
        lines = exports.year_csv(owner=request.user, year=year, mode=money.narrows_to)
        answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        name = f"dantaro-{year}{money.mark}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


class EmergencyView(IdempotentPosts, APIView):
    """Stop all of the caller's bots at once."""

    @extend_schema(request=EmergencyInput, responses=EmergencyRow)
    def post(self, request: Request) -> Response:
        """List the effects, or with ``dry_run: false`` carry them out."""
        form = EmergencyInput(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        scope = {
            "owner": request.user,
            "account": _account(request, wanted.get("account")),
            "sell_all": wanted["sell_all"],
        }
        if wanted["dry_run"]:
            return _answer(effects=emergency.preview_stop(**scope), **scope)
        stop = emergency.stop_everything(**scope, by=request.user, now=timezone.now())
        return _told(stop)


class EmergencyResultView(APIView):
    """How far an emergency stop has come."""

    @extend_schema(responses=EmergencyRow)
    def get(self, request: Request, pk: Any) -> Response:
        """Return effects and results, bot by bot."""
        owner: Any = request.user
        return _told(get_object_or_404(EmergencyStop, pk=pk, owner=owner))


def _account(request: Request, account_id: Any) -> ExchangeAccount | None:
    if account_id is None:
        return None
    return get_object_or_404(
        ExchangeAccount.objects.for_user(request.user), pk=account_id
    )


def _told(stop: EmergencyStop) -> Response:
    return _answer(
        id=stop.pk,
        at=stop.at,
        sell_all=stop.sell_all,
        effects=emergency.effects_of(stop=stop),
        results=emergency.results(stop=stop),
    )


def _answer(
    *,
    sell_all: bool,
    effects: Any,
    results: Any = (),
    id: Any = None,
    at: Any = None,
    **scope: Any,
) -> Response:
    body = {
        "id": id,
        "at": at,
        "sell_all": sell_all,
        "effects": effects,
        "results": results,
    }
    return Response(EmergencyRow(body).data)
