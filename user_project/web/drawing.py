"""Lines and bars as SVG coordinates; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 120
MARGIN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through values at equal distances."""

    points: str
    """``x,y x,y …`` in a box of WIDTH by HEIGHT."""
    zero: float
    """Height of the value 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One value as a bar from zero."""

    label: str
    value: Decimal
    x: float
    y: float
    width: float
    height: float


def draw_line(values: Sequence[Decimal], /) -> Line | None:
    """Return the line; None for fewer than two values."""
    if len(values) < 2:
        return None
    lowest, highest = min(*values, Decimal(0)), max(*values, Decimal(0))
    step = WIDTH / (len(values) - 1)
    points = " ".join(
        f"{number * step:.1f},{_height(value, lowest, highest):.1f}"
        for number, value in enumerate(values)
    )
    return Line(points=points, zero=_height(Decimal(0), lowest, highest))


def draw_bars(values: Sequence[tuple[str, Decimal]], /) -> list[Bar]:
    """Return one bar for each (label, value), up for profit and down for loss."""
    amounts = [value for _, value in values] or [Decimal(0)]
    lowest, highest = min(*amounts, Decimal(0)), max(*amounts, Decimal(0))
    zero, step = _height(Decimal(0), lowest, highest), WIDTH / max(len(values), 1)
    return [
        _bar(label, value, number * step, step, zero, _height(value, lowest, highest))
        for number, (label, value) in enumerate(values)
    ]


def _bar(
    label: str, value: Decimal, x: float, step: float, zero: float, top: float, /
) -> Bar:
    return Bar(
        label=label,
        value=value,
        x=round(x + step * 0.15, 1),
        y=round(min(zero, top), 1),
        width=round(step * 0.7, 1),
        height=round(abs(zero - top), 1),
    )


def _height(value: Decimal, lowest: Decimal, highest: Decimal, /) -> float:
    span = float(highest - lowest) or 1.0
    share = float(value - lowest) / span
    return MARGIN + (1 - share) * (HEIGHT - 2 * MARGIN)
