"""A report card as one HTML page that needs nothing else: style and charts are inline."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from central_project.analysis.evaluation.card import (
    Figure,
    Finding,
    HorizonCard,
    JudgedFigure,
    RankingCard,
    ReportCard,
    StartCard,
    StartsCard,
)
from central_project.analysis.evaluation.words import ANSWERS
from central_project.analysis.phrases import FACTORS
from central_project.market.models import ReportSection
from central_project.market.services import report_charts as charts

ANALYZERS: Final = {
    "=technical": ("기술", "technical"),
    "=volume": ("거래량", "volume"),
    "=volatility": ("변동성", "volatility"),
    "=risk": ("위험", "risk"),
}
TONES: Final = {
    Finding.EVIDENCE: "good",
    Finding.AGAINST: "bad",
    Finding.STATED_TOO_HIGH: "bad",
    Finding.STATED_TOO_LOW: "bad",
}
SHOWN_DAYS: Final = 7
"""The horizon whose fifths are drawn, or the nearest there is."""


def report_page(cards: Sequence[ReportCard], /) -> str:
    """Return the whole page for the given sections."""
    return render_to_string(
        "market/report_card.html", {"sections": [_section(card) for card in cards]}
    )


def _section(card: ReportCard, /) -> dict[str, Any]:
    return {
        "card": card,
        "name": ReportSection(card.section).label,
        "tone": TONES.get(card.finding, "quiet"),
        "answer": ANSWERS[card.finding],
        "questions": [(one, TONES.get(one.finding, "quiet")) for one in card.questions],
        "ranking": _ranking(card.ranking) if card.ranking else None,
        "starts": _starts(card.starts) if card.starts else None,
        "levels": _levels(card),
        "calibration": mark_safe(charts.calibration_chart(card.levels)),  # noqa: S308 (own SVG of numbers)
        "bounce": mark_safe(charts.bounce_chart(card.levels)),  # noqa: S308
    }


def _ranking(ranking: RankingCard, /) -> dict[str, Any]:
    shown = min(ranking.horizons, key=lambda one: abs(one.days - SHOWN_DAYS))
    return {
        "card": ranking,
        "ic": mark_safe(charts.ic_chart(ranking)),  # noqa: S308
        "analyzers": mark_safe(  # noqa: S308
            charts.analyzers_chart(
                ranking, {name: ko for name, (ko, _) in ANALYZERS.items()}
            )
        ),
        "curve": mark_safe(charts.curve_chart(ranking)),  # noqa: S308
        "fifths": mark_safe(charts.fifths_chart(shown.fifths)),  # noqa: S308
        "fifths_days": shown.days,
        "rows": [_horizon(one) for one in ranking.horizons],
        "days": [one.days for one in ranking.horizons],
        "parts": [
            {
                "name": ANALYZERS.get(part.name)
                or FACTORS.get(part.name, ("", part.name)),
                "whole": part.name in ANALYZERS,
                "cells": [_cell(part.ic.get(one.days)) for one in ranking.horizons],
            }
            for part in ranking.parts
        ],
        "turnover": _percent(ranking.turnover),
    }


def _horizon(one: HorizonCard, /) -> dict[str, Any]:
    spread = one.spread
    return {
        "days": one.days,
        "dates": one.dates,
        "ic": _signed(one.ic.value),
        "interval": _interval(one.ic),
        "ratio": _number(one.ic.ratio),
        "t": _number(one.ic.t),
        "z": _number(one.ic.z),
        "twin": _signed(one.ic.twin),
        "chance": f"{_signed(one.ic.chance_low)} ~ {_signed(one.ic.chance_high)}",
        "best": _gain(one.best_vs_median.value),
        "best_twin": _gain(one.twin_vs_median.value),
        "hit_rate": _percent(one.hit_rate),
        "hit_rate_twin": _percent(one.twin_hit_rate),
        "best_finding": ANSWERS[one.best.finding],
        "best_tone": TONES.get(one.best.finding, "quiet"),
        "spread": _gain(spread.value) if spread else "-",
        "spread_t": _number(spread.t) if spread else "-",
        "monotonicity": _number(one.monotonicity),
        "finding": ANSWERS[one.ic.finding],
        "tone": TONES.get(one.ic.finding, "quiet"),
    }


def _cell(figure: JudgedFigure | None, /) -> dict[str, str]:
    if figure is None:
        return {"value": "-", "t": "", "tone": "quiet"}
    return {
        "value": _signed(figure.value),
        "t": _number(figure.t),
        "tone": TONES.get(figure.finding, "quiet"),
    }


def _starts(starts: StartsCard, /) -> dict[str, Any]:
    return {
        "card": starts,
        "chart": mark_safe(charts.reached_chart(starts)),  # noqa: S308
        "columns": [_start(starts.best), _start(starts.universe)],
        "first": _gain(starts.first.value, unit="%p"),
        "first_t": _number(starts.first.t),
        "finding": ANSWERS[starts.first.finding],
        "tone": TONES.get(starts.first.finding, "quiet"),
    }


def _start(one: StartCard, /) -> dict[str, Any]:
    return {
        "starts": f"{one.starts:,}",
        "hit": _percent(one.hit),
        "hit_interval": _interval(one.hit, percent=True),
        "reached": [(days, _percent(share)) for days, share in one.reached.items()],
        "hours": "-" if one.hours_to_hit is None else f"{one.hours_to_hit:.0f}",
        "fall": f"{one.fall:.1%}",
        "fall_worst": f"{one.fall_worst:.1%}",
        "stuck": f"{1 - one.hit.value:.1%}",
        "stuck_loss": "-" if one.stuck_loss is None else f"{one.stuck_loss:.1%}",
    }


def _levels(card: ReportCard, /) -> list[dict[str, Any]]:
    return [
        {
            "name": charts.LEVEL_NAMES[level],
            "touch": one.touch and {
                "days": one.touch.days,
                "n": f"{one.touch.n:,}",
                "stated": f"{one.touch.stated:.1%}",
                "touched": _percent(one.touch.touched),
                "interval": _interval(one.touch.touched, percent=True),
                "brier": _number(one.touch.brier, places=3),
                "base": _number(one.touch.base_brier, places=3),
                "finding": ANSWERS[one.touch.difference.finding],
                "tone": TONES.get(one.touch.difference.finding, "quiet"),
            },
            "bounce": one.bounce and {
                "n": f"{one.bounce.touches:,} / {one.bounce.placebo_touches:,}",
                "rate": _percent(one.bounce.rate),
                "placebo": _percent(one.bounce.placebo),
                "lift": _gain(one.bounce.difference.value, unit="%p"),
                "interval": _interval(one.bounce.difference, percent=True),
                "t": _number(one.bounce.difference.t),
                "blocks": one.bounce.difference.n,
                "finding": ANSWERS[one.bounce.difference.finding],
                "tone": TONES.get(one.bounce.difference.finding, "quiet"),
            },
        }
        for level, one in card.levels.items()
    ]  # fmt: skip


def _signed(value: Decimal | None, /) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _number(value: Decimal | None, /, *, places: int = 1) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _gain(value: Decimal, /, *, unit: str = "%") -> str:
    return f"{100 * value:+.2f}{unit}"


def _percent(figure: Figure | None, /) -> str:
    return "-" if figure is None else f"{figure.value:.1%}"


def _interval(figure: Figure, /, *, percent: bool = False) -> str:
    if figure.low is None or figure.high is None:
        return "-"
    style = ".1%" if percent else "+.3f"
    return f"{figure.low:{style}} ~ {figure.high:{style}}"
