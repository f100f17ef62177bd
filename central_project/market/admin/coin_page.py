"""All that the stored runs say about one coin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from central_project.market.admin.breakdown import View, views_of
from central_project.market.admin.results import level_rows
from central_project.market.admin.wording import LEVELS, words_for
from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    ExcludedCoin,
    Publication,
    Recommendation,
    SupportLevel,
    Unit,
)

RUNS_SHOWN: Final = 288
"""A day of 5-minute windows."""
DAYS_SHOWN: Final = 30
POINTS: Final = 360
"""A chart is no sharper than that: every second hour of 30 days."""
LINE: Final = "var(--color-primary-500)"
LEVEL_COLOURS: Final = {
    "aggressive": "#f59e0b",
    "moderate": "#10b981",
    "conservative": "#8b5cf6",
}


def _options(*, reverse: bool, legend: bool) -> str:
    """Return Chart.js options; the best rank is on top."""
    ticks = {"color": "#9ca3af"}
    whole = {"precision": 0} if reverse else {}
    grid = {"color": "#9ca3af33", "tickWidth": 0}
    return json.dumps(
        {
            "animation": False,
            "responsive": True,
            "maintainAspectRatio": False,
            "interaction": {"mode": "index", "intersect": False},
            "plugins": {
                "legend": {
                    "display": legend,
                    "labels": {"color": "#9ca3af", "boxWidth": 12, "boxHeight": 2},
                }
            },
            "scales": {
                "x": {
                    "ticks": ticks | {"maxTicksLimit": 5, "maxRotation": 0},
                    "grid": {"display": False},
                },
                "y": {"reverse": reverse, "ticks": ticks | whole, "grid": grid},
            },
        }
    )


@dataclass(frozen=True, kw_only=True)
class CoinPage:
    """What one coin's page shows, everything from stored rows."""

    run: AnalysisRun | None
    """The run that readers get."""
    recommendation: Recommendation | None
    views: list[View]
    excluded: str
    """Why that run did not rank the coin, in words."""
    levels: list[dict[str, Any]]
    support: SupportLevel | None
    rank_chart: str
    """Chart.js data as JSON; empty when no run ranked the coin."""
    price_chart: str
    rank_options: str = _options(reverse=True, legend=False)
    price_options: str = _options(reverse=False, legend=True)


def coin_page(coin: Coin, /) -> CoinPage:
    """Gather the coin's page; every part may be missing."""
    pointer = Publication.objects.select_related("current").first()
    run = pointer.current if pointer else None
    mine = {"run": run, "market": coin.market}
    recommendation = Recommendation.objects.filter(**mine).first()
    support = SupportLevel.objects.filter(**mine).first()
    refused = ExcludedCoin.objects.filter(**mine).first()
    return CoinPage(
        run=run,
        recommendation=recommendation,
        views=views_of(recommendation) if recommendation else [],
        excluded=words_for(refused.reason) if refused else "",
        levels=level_rows(support) if support else [],
        support=support,
        rank_chart=_rank_chart(coin.market),
        price_chart=_price_chart(coin.market, support),
    )


def _rank_chart(market: str, /) -> str:
    """Ranks of the last runs; a run that did not rank the coin leaves a gap."""
    runs = list(AnalysisRun.objects.published()[:RUNS_SHOWN])[::-1]
    ranks = dict(
        Recommendation.objects.filter(market=market, run__in=runs).values_list(
            "run", "rank"
        )
    )
    if not ranks:
        return ""
    labels = [f"{timezone.localtime(run.window_start):%m-%d %H:%M}" for run in runs]
    return _chart(labels, [_line("순위", [ranks.get(run.pk) for run in runs], LINE)])


def _price_chart(market: str, support: SupportLevel | None, /) -> str:
    """Hourly closes of the last 30 days with the levels of the run readers get."""
    since = timezone.now() - timedelta(days=DAYS_SHOWN)
    rows = list(
        Candle.objects.filter(market=market, unit=Unit.HOUR, started_at__gte=since)
        .order_by("started_at")
        .values_list("started_at", "close")
    )
    rows = rows[:: max(1, len(rows) // POINTS)]
    if not rows:
        return ""
    labels = [f"{timezone.localtime(moment):%m-%d %H시}" for moment, _ in rows]
    lines = [_line("종가", [float(close) for _, close in rows], LINE)]
    for name, title in LEVELS.items():
        price = getattr(support, name, None)
        if price is not None:
            flat = [float(price)] * len(rows)
            lines.append(_line(title, flat, LEVEL_COLOURS[name], dashed=True))
    return _chart(labels, lines)


def _line(
    title: str, values: list[Any], colour: str, /, *, dashed: bool = False
) -> dict[str, Any]:
    return {
        "label": title,
        "data": values,
        "borderColor": colour,
        "backgroundColor": colour,
        "borderWidth": 1.5,
        "borderDash": [5, 4] if dashed else [],
        "pointRadius": 0,
        "pointHitRadius": 8,
    }


def _chart(labels: list[str], lines: list[dict[str, Any]], /) -> str:
    return json.dumps({"labels": labels, "datasets": lines}, ensure_ascii=False)
