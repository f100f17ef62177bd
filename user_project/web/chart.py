"""A bot's chart as JSON; numbers are floats here because pixels are all they become."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from user_project.bots import chart as charts
from user_project.bots.chart import Candle
from user_project.bots.pnl import KST
from user_project.web.pages import LOOKS, own_bot, owner_page


@owner_page(*LOOKS)
def chart(request: HttpRequest, bot_id: uuid.UUID) -> HttpResponse:
    """Answer candles, lines and marks of one's own bot."""
    bot = own_bot(request, bot_id)
    found = charts.chart(bot=bot, unit=_unit(request), now=timezone.now())
    return JsonResponse(
        {
            "market": found.market,
            "unit": found.unit,
            "candles": [_candle(candle) for candle in found.candles],
            "lines": [
                {
                    "kind": line.kind,
                    "label": line.label,
                    "price": float(line.price),
                    "done": line.done,
                }
                for line in found.lines
            ],
            "marks": [
                {"time": _clock(mark.at), "side": mark.side, "label": mark.label}
                for mark in found.marks
            ],
            "problem": found.problem,
        }
    )


def _unit(request: HttpRequest, /) -> int:
    """Return the asked unit; an hour for anything that is not offered."""
    asked = request.GET.get("unit")
    return next((unit for unit in charts.UNITS if str(unit) == asked), 60)


def _candle(candle: Candle, /) -> dict[str, Any]:
    return {
        "time": _clock(candle.started_at),
        "open": float(candle.opened),
        "high": float(candle.high),
        "low": float(candle.low),
        "close": float(candle.closed),
        "volume": float(candle.volume),
    }


def _clock(moment: datetime, /) -> int:
    """Return seconds that read as Korean time: the chart itself knows UTC alone."""
    return int(moment.astimezone(KST).replace(tzinfo=UTC).timestamp())
