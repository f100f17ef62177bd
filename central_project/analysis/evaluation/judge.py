"""Snapshots and prices to one report card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from central_project.analysis.evaluation.card import (
    BinCard,
    BounceCard,
    CurvePoint,
    Figure,
    Finding,
    HorizonCard,
    JudgedFigure,
    LevelCard,
    PartCard,
    RankingCard,
    ReportCard,
    StartCard,
    StartsCard,
    Text,
    TouchCard,
)
from central_project.analysis.evaluation.inference import Estimate, Trial
from central_project.analysis.evaluation.levels import (
    BounceFigures,
    LevelFigures,
    TouchFigures,
    level_figures,
)
from central_project.analysis.evaluation.panel import Panel, Snapshot, panel_of
from central_project.analysis.evaluation.prices import PriceHistory
from central_project.analysis.evaluation.ranking import (
    HorizonFigures,
    RankingFigures,
    ranking_figures,
)
from central_project.analysis.evaluation.starts import (
    HIT_DAYS,
    TAKE_PROFIT,
    StartFigures,
    Starts,
    start_figures,
)
from central_project.analysis.evaluation.verdicts import (
    FEW_COINS,
    Bars,
    bars_of,
    calibration_of,
    finding_of,
    headline_z,
    overall,
    part_z,
    questions,
)
from central_project.analysis.rounding import leave_float

STEP: Final = Decimal("0.000001")
T_STEP: Final = Decimal("0.01")


class NothingToJudge(ValueError):
    """No snapshot of the period holds a coin."""


def judge(
    *,
    section: str,
    snapshots: Sequence[Snapshot],
    prices: PriceHistory,
    step_days: int,
    score_version: str,
    notes: Sequence[Text] = (),
) -> ReportCard:
    """Return the card of *section*; raise NothingToJudge without any snapshot's coin."""
    said = [one for one in snapshots if one.coins]
    if not said:
        raise NothingToJudge("no snapshot of this period holds a coin")
    panel = panel_of(snapshots=said, prices=prices, step_days=step_days)
    ranking = ranking_figures(panel=panel, prices=prices)
    starts = start_figures(panel=panel, prices=prices)
    levels = level_figures(panel=panel, prices=prices)
    bars = bars_of(
        headline=headline_z(ranking=ranking, starts=starts, levels=levels),
        parts=part_z(ranking),
    )
    answers = questions(bars=bars, ranking=ranking, starts=starts, levels=levels)
    finding, summary = overall(answers)
    return ReportCard(
        section=section,
        since=panel.as_of[0],
        until=panel.as_of[-1],
        dates=len(panel.as_of),
        step_days=step_days,
        markets=len({coin.market for one in said for coin in one.coins}),
        score_version=score_version,
        finding=finding,
        summary=summary,
        questions=answers,
        bar=bars.card(),
        ranking=_ranking(ranking, panel, bars) if ranking else None,
        starts=_starts(starts, bars) if starts else None,
        levels={level: _level(one, bars) for level, one in levels.items()},
        notes=[*notes, *([] if ranking else [FEW_COINS])],
    )


def _number(value: float, /, *, step: Decimal = STEP) -> Decimal:
    return leave_float(value, step=step)


def _maybe(value: float | None, /, *, step: Decimal = STEP) -> Decimal | None:
    known = value is not None and math.isfinite(value)
    return leave_float(value, step=step) if known and value is not None else None


def _figure(one: Estimate, /) -> Figure:
    return Figure(
        value=_number(one.value),
        low=_maybe(one.low),
        high=_maybe(one.high),
        t=_maybe(one.t, step=T_STEP),
        n=one.n,
    )


def _rate(one: Estimate, /) -> Figure:
    """Return a share; its interval ends at 0 and 1."""
    figure = _figure(one)
    bounds = {
        name: min(max(value, Decimal(0)), Decimal(1))
        for name in ("low", "high")
        if (value := getattr(figure, name)) is not None
    }
    return figure.model_copy(update=bounds)


def _tested(one: Trial, bar: float, /) -> JudgedFigure:
    spread = one.estimate.spread
    return JudgedFigure(
        **_figure(one.estimate).model_dump(),
        z=_maybe(one.z, step=T_STEP),
        ratio=_maybe(one.estimate.value / spread if spread else None, step=T_STEP),
        twin=_number(one.twin.value),
        twin_t=_maybe(one.twin.t, step=T_STEP),
        chance_low=_number(one.chance.low),
        chance_high=_number(one.chance.high),
        finding=finding_of(one.z, bar=bar),
    )


def _ranking(ranking: RankingFigures, panel: Panel, bars: Bars, /) -> RankingCard:
    return RankingCard(
        coins=ranking.coins,
        best_size=ranking.best_size,
        horizons=[_horizon(one, bars.headline) for one in ranking.horizons],
        parts=[
            PartCard(
                name=name,
                ic={days: _tested(one, bars.parts) for days, one in trials.items()},
            )
            for name, trials in ranking.parts.items()
        ],
        turnover=_rate(ranking.turnover) if ranking.turnover else None,
        curve=[
            CurvePoint(at=panel.as_of[date], value=_number(value))
            for date, value in ranking.curve
        ],
    )


def _horizon(one: HorizonFigures, bar: float, /) -> HorizonCard:
    return HorizonCard(
        days=one.days,
        dates=one.dates,
        ic=_tested(one.ic, bar),
        best=_tested(one.best, bar),
        served_list=_tested(one.served, bar) if one.served else None,
        best_vs_median=_figure(one.best_vs_median),
        twin_vs_median=_figure(one.twin_vs_median),
        hit_rate=_rate(one.hit_rate),
        twin_hit_rate=_rate(one.twin_hit_rate),
        spread=_tested(one.spread, bar) if one.spread else None,
        fifths=[_figure(group) for group in one.fifths],
        tenths=[_figure(group) for group in one.tenths],
        monotonicity=_maybe(one.monotonicity),
    )


def _starts(starts: Starts, bars: Bars, /) -> StartsCard:
    return StartsCard(
        take_profit=_number(TAKE_PROFIT),
        days=HIT_DAYS,
        best=_start(starts.best),
        universe=_start(starts.universe),
        first=_tested(starts.first, bars.headline),
    )


def _start(one: StartFigures, /) -> StartCard:
    return StartCard(
        starts=one.starts,
        hit=_rate(one.hit),
        reached={days: _rate(share) for days, share in one.reached.items()},
        hours_to_hit=_maybe(one.hours_to_hit),
        fall=_number(math.expm1(one.fall)),
        fall_worst=_number(math.expm1(one.fall_worst)),
        stuck_loss=_maybe(one.stuck_loss and math.expm1(one.stuck_loss)),
    )


def _level(one: LevelFigures, bars: Bars, /) -> LevelCard:
    return LevelCard(
        touch=_touch(one.touch, bars.headline) if one.touch else None,
        bounce=_bounce(one.bounce, bars.headline) if one.bounce else None,
    )


def _touch(one: TouchFigures, bar: float, /) -> TouchCard:
    return TouchCard(
        days=one.days,
        n=one.n,
        stated=_number(one.stated),
        touched=_rate(one.touched),
        difference=_over_blocks(
            one.difference, calibration_of(one.difference, bar=bar)
        ),
        brier=_number(one.brier),
        base_brier=_number(one.base_brier),
        bins=[
            BinCard(n=b.n, stated=_number(b.stated), touched=_rate(b.touched))
            for b in one.bins
        ],
    )


def _bounce(one: BounceFigures, bar: float, /) -> BounceCard:
    return BounceCard(
        touches=one.touches,
        placebo_touches=one.placebo_touches,
        rate=_rate(one.rate),
        placebo=_rate(one.placebo),
        difference=_over_blocks(one.difference, finding_of(one.difference.z, bar=bar)),
    )


def _over_blocks(one: Estimate, finding: Finding, /) -> JudgedFigure:
    return JudgedFigure(
        **_figure(one).model_dump(), z=_maybe(one.z, step=T_STEP), finding=finding
    )
