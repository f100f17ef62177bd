"""``GET /report-card``: how well the recommendations and levels did."""

from __future__ import annotations

import json
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from central_project.analysis.evaluation.card import SCHEMA, Text
from central_project.api import schema
from central_project.api.forms import accepts_gzip, render
from central_project.api.views import MarketView
from central_project.market import models
from central_project.market.models import ReportSection

MAX_AGE: Final = 300
NOT_YET: Final = Text(
    ko="아직 계산하지 않았습니다. 하루에 한 번 계산합니다.",
    en="Not computed yet; it is computed once a day, when there is enough history.",
)


class ReportCardView(MarketView):
    """성적표."""

    @extend_schema(**schema.REPORT_CARD)
    def get(self, request: Request) -> Response:
        """Return the newest card of each section."""
        rendered = render(_body())
        wanted = request.headers.get("Accept-Encoding", "")
        if request.accepted_renderer.format != "json":
            return Response(rendered.plain)
        form = rendered.form(gzipped=accepts_gzip(wanted))
        is_known = form.is_known(request.headers.get("If-None-Match", ""))
        response = Response(status=304) if is_known else Response(form.body)
        headers = {"ETag": form.etag, "Cache-Control": f"private, max-age={MAX_AGE}"}
        for name, value in (headers | form.encoding_headers()).items():
            response[name] = value
        return response


def _body() -> bytes:
    cards = {section.value: _newest(section) for section in ReportSection}
    reasons = {name: NOT_YET.model_dump() for name, card in cards.items() if not card}
    answer = {"schema_version": SCHEMA, **cards, "reasons": reasons}
    text = json.dumps(
        answer, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode()


def _newest(section: ReportSection, /) -> dict[str, Any] | None:
    row = models.ReportCard.objects.filter(section=section).first()
    return None if row is None else {**row.body, "computed_at": row.created_at}
