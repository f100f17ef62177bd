"""A stored score taken apart for reading: views, their factors, their points."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from central_project.analysis.phrases import FACTORS
from central_project.market.admin.wording import ANALYZERS
from central_project.market.models import Recommendation


@dataclass(frozen=True, kw_only=True)
class FactorLine:
    """One factor's part."""

    name: str
    value: str
    standing: str
    """Where the coin stands among all coins, e.g. 상위 12%."""
    share: float
    """The same from 0 to 100; 100 is best."""
    points: Decimal


@dataclass(frozen=True, kw_only=True)
class View:
    """What one analyzer says about the coin."""

    name: str
    score: Decimal
    """0 to 100."""
    weight: Decimal
    """0 to 1, summed over the known factors."""
    points: Decimal
    """What it adds to the total score."""
    factors: list[FactorLine]


def views_of(row: Recommendation, /) -> list[View]:
    """Return the four views of a recommendation, in the order of the analyzers."""
    return [_view(name, title, row) for name, title in ANALYZERS.items()]


def _view(name: str, title: str, row: Recommendation, /) -> View:
    parts = {f: p for f, p in row.breakdown.items() if p["analyzer"] == name}
    return View(
        name=title,
        score=Decimal(row.scores.get(name, "0")),
        weight=_sum(parts, "weight"),
        points=_sum(parts, "contribution"),
        factors=[_line(factor, part) for factor, part in parts.items()],
    )


def _sum(parts: dict[str, Any], key: str, /) -> Decimal:
    return sum((Decimal(part[key] or 0) for part in parts.values()), Decimal(0))


def _line(factor: str, part: dict[str, Any], /) -> FactorLine:
    share = None if part["share"] is None else float(part["share"])
    return FactorLine(
        name=FACTORS.get(factor, (factor,))[0],
        value="-" if part["value"] is None else _figure(float(part["value"])),
        standing=_standing(share),
        share=100 * (share or 0),
        points=Decimal(part["contribution"] or 0),
    )


def _figure(value: float, /) -> str:
    """Write a figure of any size without an exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 2 if abs(value) >= 1 else 6
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _standing(share: float | None, /) -> str:
    if share is None:
        return "값 없음"
    if share >= 0.5:
        return f"상위 {max(1, round(100 * (1 - share)))}%"
    return f"하위 {max(1, round(100 * share))}%"
