"""Charts of a report card as inline SVG; colours come from the page's style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import floor, log10
from typing import Final

from central_project.analysis.evaluation.card import (
    Figure,
    JudgedFigure,
    LevelCard,
    RankingCard,
    StartsCard,
)
from common.wire import Level

WIDTH: Final = 420
HEIGHT: Final = 240
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 30
Number = float | Decimal
Format = Callable[[float], str]


def percent(value: Number, /) -> str:
    """Write a share as percent, with a decimal below 10 %."""
    number = 100 * float(value)
    return f"{number:.0f}%" if abs(number) >= 10 or number == 0 else f"{number:.1f}%"


def plain(value: Number, /) -> str:
    """Write a correlation."""
    return f"{float(value):.2f}"


@dataclass
class Chart:
    """One drawing: data to pixels, with a left scale."""

    title: str
    low: float
    high: float
    write: Format
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the grid on round values."""
        step = _step(self.high - self.low)
        self.low = floor(self.low / step) * step
        self.high = -floor(-self.high / step) * step
        for number in range(round((self.high - self.low) / step) + 1):
            value = self.low + number * step
            y = self.y(value)
            style = "zero" if abs(value) < step / 1e6 else "grid"
            self.line(LEFT, y, WIDTH - RIGHT, y, style)
            self.text(LEFT - 6, y + 4, self.write(value), "end")

    def y(self, value: Number, /) -> float:
        """Return the pixel row of a value."""
        share = (float(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def x(self, share: float, /) -> float:
        """Return the pixel column of a place from 0 (left) to 1 (right)."""
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str, /) -> None:
        """Draw a straight line."""
        at = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line class="{style}" {at}/>')

    def text(self, x: float, y: float, words: str, anchor: str = "middle", /) -> None:
        """Write *words*; they come from this module or are numbers."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
        )

    def label(self, share: float, words: str, /) -> None:
        """Write under the axis."""
        self.text(self.x(share), HEIGHT - 10, words)

    def box(
        self, x: float, width: float, one: Number, two: Number, style: str, /
    ) -> None:
        """Draw a bar between two values."""
        top, bottom = sorted((self.y(one), self.y(two)))
        at = f'x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}"'
        self.parts.append(
            f'<rect class="{style}" {at} height="{max(bottom - top, 1):.1f}"/>'
        )

    def dot(self, x: float, value: Number, style: str, hint: str = "", /) -> None:
        """Draw a point with a hint."""
        self.parts.append(
            f'<circle class="{style}" cx="{x:.1f}" cy="{self.y(value):.1f}" r="4.5">'
            f"<title>{hint}</title></circle>"
        )

    def whisker(self, x: float, figure: Figure, style: str, /) -> None:
        """Draw the 95 % interval, cut at the edge of the chart."""
        if figure.low is None or figure.high is None:
            return
        low, high = self.inside(figure.low), self.inside(figure.high)
        self.line(x, self.y(low), x, self.y(high), style)

    def inside(self, value: Number, /) -> float:
        """Return the nearest value that lies on the chart."""
        return min(max(float(value), self.low), self.high)

    def path(self, points: Iterable[tuple[float, Number]], style: str, /) -> None:
        """Draw a line through (share, value) points."""
        drawn = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline class="{style}" points="{drawn}"/>')

    def svg(self) -> str:
        """Return the drawing."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{self.title}">'
            + "".join(self.parts)
            + "</svg>"
        )


def ic_chart(ranking: RankingCard, /) -> str:
    """Rank correlation by horizon: interval, random twin and what chance gives."""
    return _correlations(
        "rank IC", [(f"{one.days}일 d", one.ic) for one in ranking.horizons]
    )


def analyzers_chart(ranking: RankingCard, names: Mapping[str, str], /) -> str:
    """Rank correlation of the analyzers' scores over the shortest horizon."""
    days = ranking.horizons[0].days
    known = {one.name: one.ic[days] for one in ranking.parts if days in one.ic}
    return _correlations(
        "analyzers' IC", [(names[name], known[name]) for name in names if name in known]
    )


def _correlations(title: str, figures: Sequence[tuple[str, JudgedFigure]], /) -> str:
    if not figures:
        return ""
    values = [float(x) for _, one in figures for x in _bounds(one)] + [0.05, -0.05]
    chart = Chart(title, max(min(values), -1.0), min(max(values), 1.0), plain)
    for number, (name, ic) in enumerate(figures):
        place = (number + 0.5) / len(figures)
        x = chart.x(place)
        if ic.chance_low is not None and ic.chance_high is not None:
            low, high = chart.inside(ic.chance_low), chart.inside(ic.chance_high)
            chart.box(x, 46, low, high, "chance")
        chart.whisker(x - 8, ic, "whisker one")
        chart.dot(x - 8, ic.value, "one", f"IC {ic.value:+.3f}")
        if ic.twin is not None:
            chart.dot(x + 12, chart.inside(ic.twin), "twin", f"random {ic.twin:+.3f}")
        chart.label(place, name)
    return chart.svg()


def curve_chart(ranking: RankingCard, /) -> str:
    """Best minus worst fifth, summed up over time."""
    points = ranking.curve
    if len(points) < 2:
        return ""
    values = [float(point.value) for point in points] + [0.0]
    chart = Chart("best minus worst fifth", min(values), max(values), percent)
    start, span = points[0].at, points[-1].at - points[0].at
    chart.path(((((p.at - start) / span), p.value) for p in points), "one")
    chart.text(LEFT, HEIGHT - 10, f"{points[0].at:%Y-%m-%d}", "start")
    chart.text(WIDTH - RIGHT, HEIGHT - 10, f"{points[-1].at:%Y-%m-%d}", "end")
    return chart.svg()


def fifths_chart(fifths: Sequence[Figure], /) -> str:
    """Mean return of each fifth minus the universe's median."""
    if not fifths:
        return ""
    values = [float(x) for figure in fifths for x in _bounds(figure)] + [0.0]
    chart = Chart("fifths", min(values), max(values), percent)
    for number, figure in enumerate(fifths):
        place = (number + 0.5) / len(fifths)
        chart.box(chart.x(place), 34, 0, figure.value, "bar one")
        chart.whisker(chart.x(place), figure, "whisker ink")
        name = {0: "1 상위", len(fifths) - 1: f"{len(fifths)} 하위"}
        chart.label(place, name.get(number, str(number + 1)))
    return chart.svg()


def calibration_chart(levels: dict[Level, LevelCard], /) -> str:
    """Stated probability against touched share, one mark per tenth of probability."""
    if not any(one.touch for one in levels.values()):
        return ""
    chart = Chart("calibration", 0.0, 1.0, percent)
    chart.path([(0, 0), (1, 1)], "diagonal")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        chart.label(min(max(share, 0.02), 0.96), percent(share))
    for style, one in zip(("one", "two", "three"), levels.values(), strict=False):
        for tenth in one.touch.bins if one.touch else ():
            x = chart.x(float(tenth.stated))
            chart.whisker(x, tenth.touched, f"whisker {style}")
            hint = f"{tenth.stated:.0%} → {tenth.touched.value:.0%}, n {tenth.n}"
            chart.dot(x, tenth.touched.value, style, hint)
    return chart.svg()


def reached_chart(starts: StartsCard, /) -> str:
    """Share that reached the take profit within so many days."""
    days = list(starts.universe.reached)
    chart = Chart("take profit reached", 0.0, 1.0, percent)
    for style, one in (("two", starts.universe), ("one", starts.best)):
        known = [(_place(days, day), figure) for day, figure in one.reached.items()]
        chart.path([(place, figure.value) for place, figure in known], style)
        for place, figure in known:
            chart.dot(chart.x(place), figure.value, style, f"{figure.value:.1%}")
    for day in days:
        chart.label(_place(days, day), f"{day}일 d")
    return chart.svg()


def bounce_chart(levels: dict[Level, LevelCard], /) -> str:
    """Share of touches that held, beside made-up levels."""
    known = [(level, one.bounce) for level, one in levels.items() if one.bounce]
    if not known:
        return ""
    chart = Chart("bounce and placebo", 0.0, 1.0, percent)
    for number, (level, bounce) in enumerate(known):
        place = (number + 0.5) / len(known)
        for shift, style, figure in (
            (-20, "bar one", bounce.rate),
            (20, "bar twin", bounce.placebo),
        ):
            chart.box(chart.x(place) + shift, 34, 0, figure.value, style)
            chart.whisker(chart.x(place) + shift, figure, "whisker ink")
        chart.label(place, LEVEL_NAMES[level])
    return chart.svg()


LEVEL_NAMES: Final = {
    Level.AGGRESSIVE: "공격적 7d",
    Level.MODERATE: "보통 30d",
    Level.CONSERVATIVE: "보수적 90d",
}


def _bounds(figure: Figure, /) -> list[Decimal]:
    return [x for x in (figure.low, figure.value, figure.high) if x is not None]


def _place(days: list[int], day: int, /) -> float:
    return (days.index(day) + 0.5) / len(days)


def _step(span: float, /) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) for about five lines."""
    rough = max(span, 1e-9) / 5
    power: float = 10.0 ** floor(log10(rough))
    return next(n * power for n in (1, 2, 5, 10) if rough <= n * power * 1.0001)
