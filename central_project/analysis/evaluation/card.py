"""The report card as it is stored, shown and answered by the API."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from common.wire import DecimalText, Level

SCHEMA: Final = 1


class Finding(StrEnum):
    """What the data say about one question."""

    EVIDENCE = "evidence"
    NO_EVIDENCE = "no_evidence"
    AGAINST = "evidence_against"
    TOO_SHORT = "too_short"
    """The period holds too few separate outcomes for any judgement."""
    CALIBRATED = "calibrated"
    STATED_TOO_HIGH = "stated_too_high"
    STATED_TOO_LOW = "stated_too_low"
    NOT_STATED = "not_stated"


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Text(_Card):
    """One sentence in both languages."""

    ko: str
    en: str


class Figure(_Card):
    """A mean with its 95 % interval; null bounds: too few dates or blocks for one."""

    value: DecimalText
    low: DecimalText | None = None
    high: DecimalText | None = None
    t: DecimalText | None = None
    n: int = Field(description="Dates or 21-day blocks the interval comes from.")


class TestedFigure(Figure):
    """A figure with its random twin, what chance gives and the finding."""

    z: DecimalText | None = Field(
        default=None, description="The weaker of both yardsticks; compare with the bar."
    )
    ratio: DecimalText | None = Field(
        default=None, description="Information ratio: mean / deviation over the dates."
    )
    twin: DecimalText | None = None
    twin_t: DecimalText | None = None
    chance_low: DecimalText | None = None
    chance_high: DecimalText | None = None
    finding: Finding


class Question(_Card):
    """A question in words and its answer."""

    code: str
    finding: Finding
    question: Text
    answer: Text


class Bar(_Card):
    """How strong a figure must be to count, given how many were looked at."""

    headline_tests: int
    headline_z: DecimalText
    part_tests: int
    part_z: DecimalText
    rule: Text


class HorizonCard(_Card):
    """The ranking over one horizon; returns are log returns (0.01 = about 1 %)."""

    days: int
    dates: int
    ic: TestedFigure
    best: TestedFigure
    served_list: TestedFigure | None
    best_vs_median: Figure
    twin_vs_median: Figure
    hit_rate: Figure
    spread: TestedFigure | None
    fifths: list[Figure]
    tenths: list[Figure]
    monotonicity: DecimalText | None


class PartCard(_Card):
    """One analyzer's score or one factor: rank correlation with the return by horizon."""

    name: str
    ic: dict[int, TestedFigure]


class CurvePoint(_Card):
    """Best minus worst fifth, summed up to this date."""

    at: datetime
    value: DecimalText


class RankingCard(_Card):
    """Did better ranked coins do better?"""

    coins: int
    best_size: int
    horizons: list[HorizonCard]
    parts: list[PartCard]
    turnover: Figure | None
    curve: list[CurvePoint]


class StartCard(_Card):
    """One purchase now, sold at the take profit or not at all."""

    starts: int
    hit: Figure
    reached: dict[int, Figure]
    hours_to_hit: DecimalText | None
    fall: DecimalText
    fall_worst: DecimalText
    stuck_loss: DecimalText | None


class StartsCard(_Card):
    """The best fifth beside the universe."""

    take_profit: DecimalText
    days: int
    best: StartCard
    universe: StartCard
    first: TestedFigure


class BinCard(_Card):
    """Levels whose stated probability lies in one tenth."""

    n: int
    stated: DecimalText
    touched: Figure


class TouchCard(_Card):
    """Stated touch probability against what happened."""

    days: int
    n: int
    stated: DecimalText
    touched: Figure
    difference: TestedFigure
    brier: DecimalText
    base_brier: DecimalText
    bins: list[BinCard]


class BounceCard(_Card):
    """Touched levels that held, beside made-up levels of the same coin and day."""

    touches: int
    placebo_touches: int
    rate: Figure
    placebo: Figure
    difference: TestedFigure


class LevelCard(_Card):
    """One kind of level."""

    touch: TouchCard | None
    bounce: BounceCard | None


class ReportCard(_Card):
    """How recommendations and levels did over one period."""

    schema_version: int = SCHEMA
    section: str
    since: datetime
    until: datetime
    dates: int
    step_days: int
    markets: int
    score_version: str
    finding: Finding
    summary: Text
    questions: list[Question]
    bar: Bar
    ranking: RankingCard | None
    starts: StartsCard | None
    levels: dict[Level, LevelCard]
    notes: list[Text]
