"""The endpoints of v1: check the question, fetch the body, send it with its headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from central_project.api import answers, schema
from central_project.api.candles import candles
from central_project.api.forms import Form, Rendered, accepts_gzip
from central_project.api.past import Past, run_as_of
from central_project.api.requests import (
    check_query,
    parse_bundle_request,
    parse_limit,
    parse_symbol,
    read_json,
)
from common.wire import MAX_CANDLES


class MarketView(APIView):
    """What all endpoints share: strict queries, limits in the headers, forms."""

    parameters: ClassVar[frozenset[str]] = frozenset()
    """Names that the query may have."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check key, limit and the query's names, in this order."""
        super().initial(request, *args, **kwargs)
        check_query(request.query_params, known=self.parameters)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the limit's headers to every answer, refusals too."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        usage = getattr(request, "rate_usage", None)
        for name, value in usage.headers().items() if usage else ():
            final[name] = value
        return final

    def run_for(self, request: Request, now: datetime) -> answers.Current:
        """Return the run the caller asks for: the current one, or that of ``as_of``."""
        as_of = request.query_params.get("as_of")
        if as_of is None:
            return answers.current_run(now=now)
        return run_as_of(as_of, now=now)

    def answer(
        self, request: Request, read: Callable[[answers.Current], Rendered]
    ) -> Response:
        """Send the form the caller takes, or 304 when they have exactly these bytes."""
        now = timezone.now()
        current, rendered = _read(lambda: self.run_for(request, now), read)
        if not _is_json(request):
            return Response(rendered.plain)
        form = _form(request, rendered)
        is_known = form.is_known(request.headers.get("If-None-Match", ""))
        response = Response(status=304) if is_known else Response(form.body)
        for name, value in form.headers(current.standing, now=now).items():
            response[name] = value
        if isinstance(current, Past):
            response["Cache-Control"] = current.cache_control
        return response


class RecommendationsView(MarketView):
    """추천 코인: 점수 순, 최대 50개."""

    parameters = frozenset({"as_of", "limit"})

    @extend_schema(**schema.RECOMMENDATIONS)
    def get(self, request: Request) -> Response:
        """Return the best coins, best first."""
        limit = parse_limit(request.query_params.get("limit"))
        return self.answer(
            request, lambda current: answers.recommendations(current, limit=limit)
        )


class SupportLevelsView(MarketView):
    """지지선: 7일, 30일, 90일."""

    parameters = frozenset({"as_of"})

    @extend_schema(**schema.SUPPORT_LEVELS)
    def get(self, request: Request, symbol: str) -> Response:
        """Return the three support levels of one coin."""
        symbol = parse_symbol(symbol)
        return self.answer(
            request, lambda current: answers.support_levels(current, symbol=symbol)
        )


class MarketStatusView(MarketView):
    """시장 상태."""

    parameters = frozenset({"as_of"})

    @extend_schema(**schema.MARKET_STATUS)
    def get(self, request: Request) -> Response:
        """Return the state of the market and of this server."""
        return self.answer(request, answers.market_status)


class CandlesView(MarketView):
    """분석에 쓴 시간봉."""

    parameters = frozenset({"as_of", "limit"})

    @extend_schema(**schema.CANDLES)
    def get(self, request: Request, symbol: str) -> Response:
        """Return the candles that one coin's analysis used."""
        symbol = parse_symbol(symbol)
        limit = parse_limit(request.query_params.get("limit"), most=MAX_CANDLES)
        return self.answer(
            request, lambda current: candles(current, symbol=symbol, limit=limit)
        )


class BundleView(MarketView):
    """한 번의 요청으로 여러 정보를 같은 분석에서 읽습니다."""

    @extend_schema(**schema.BUNDLE)
    def post(self, request: Request) -> Response:
        """Return several parts from one run; counts as one request, safe to repeat."""
        asked = parse_bundle_request(read_json(request))
        _, rendered = _read(
            lambda: answers.current_run(now=timezone.now()),
            lambda current: answers.bundle(current, asked),
        )
        if not _is_json(request):
            return Response(rendered.plain)
        form = _form(request, rendered)
        headers = {"Cache-Control": "no-store", **form.encoding_headers()}
        return Response(form.body, headers=headers)


class IndexView(MarketView):
    """v1의 주소."""

    schema = None

    def get(self, request: Request) -> Response:
        """Return the addresses below this one."""
        return Response(
            {
                "recommendations": reverse("recommendations"),
                "support_levels": reverse("support-levels", args=["KRW-BTC"]),
                "market_status": reverse("market-status"),
                "candles": reverse("candles", args=["KRW-BTC"]),
                "report_card": reverse("report-card"),
                "bundle": reverse("bundle"),
                "docs": reverse("api-docs"),
            }
        )

    def get_view_name(self) -> str:
        """Name the page."""
        return "v1"


def _read(
    find: Callable[[], answers.Current], read: Callable[[answers.Current], Rendered], /
) -> tuple[answers.Current, Rendered]:
    """Return a run and its answer; read again if it was replaced meanwhile."""
    while True:  # a run takes seconds: nobody is replaced again and again
        current = find()
        try:
            return current, read(current)
        except answers.RunReplaced:
            continue


def _form(request: Request, rendered: Rendered, /) -> Form:
    wanted = request.headers.get("Accept-Encoding", "")
    return rendered.form(gzipped=accepts_gzip(wanted))


def _is_json(request: Request, /) -> bool:
    renderer = getattr(request, "accepted_renderer", None)
    return renderer is None or renderer.format == "json"
