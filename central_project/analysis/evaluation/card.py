"""The report card as it is stored, shown and answered by the API."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from common.wire import DecimalText, Level

SCHEMA: Final = 1


class Finding(StrEnum):
    """데이터가 말하는 답. What the data say about one question.

    ``too_short``: too few separate outcomes for any judgement. ``calibrated``: no sign that
    stated probabilities are wrong.
    """

    EVIDENCE = "evidence"
    NO_EVIDENCE = "no_evidence"
    AGAINST = "evidence_against"
    TOO_SHORT = "too_short"
    CALIBRATED = "calibrated"
    STATED_TOO_HIGH = "stated_too_high"
    STATED_TOO_LOW = "stated_too_low"
    NOT_STATED = "not_stated"


class _Card(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True
    )


class Text(_Card):
    """One sentence in both languages."""

    ko: str
    """한국어. In Korean."""
    en: str
    """영어. In English."""


class Figure(_Card):
    """A mean with its 95 % interval."""

    value: DecimalText
    """값. The figure itself."""
    low: DecimalText | None = None
    """95% 구간의 아래쪽. Lower end of the 95 % interval; null: too few for one."""
    high: DecimalText | None = None
    """95% 구간의 위쪽. Upper end of the 95 % interval."""
    t: DecimalText | None = None
    """t 값. The figure over its error."""
    n: int
    """구간을 정한 시점 또는 21일 묶음의 수. Dates or 21-day blocks behind the interval."""


class JudgedFigure(Figure):
    """A figure with its random twin, what chance gives and the finding."""

    z: DecimalText | None = None
    """두 기준 중 약한 쪽. The weaker of both yardsticks as a normal deviate; compare |z|
    with the bar; null: too short to judge."""
    ratio: DecimalText | None = None
    """정보 비율. Information ratio: mean over the deviation across dates."""
    twin: DecimalText | None = None
    """무작위 쌍둥이의 값. The same figure with the coins' outcomes shuffled once."""
    twin_t: DecimalText | None = None
    """무작위 쌍둥이의 t 값. Its t."""
    chance_low: DecimalText | None = None
    """우연의 범위 아래쪽. Lower end of the 95 % band over all shuffles of the coins."""
    chance_high: DecimalText | None = None
    """우연의 범위 위쪽. Upper end of that band."""
    finding: Finding
    """판단. What this figure shows."""


class Question(_Card):
    """A question in words and its answer."""

    code: str
    """질문의 이름. Name of the question: ranking, list, parts, take_profit, bounce,
    calibration."""
    finding: Finding
    """판단. The finding."""
    question: Text
    """질문. The question in words."""
    answer: Text
    """답. The finding in words."""


class Bar(_Card):
    """How strong a figure must be to count, given how many were looked at."""

    headline_tests: int
    """본 질문의 검정 수. Number of tests behind the questions."""
    headline_z: DecimalText
    """본 질문의 기준. The least |z| that counts for them."""
    part_tests: int
    """분석기와 요소의 검정 수. Number of tests of analyzers and factors."""
    part_z: DecimalText
    """분석기와 요소의 기준. The least |z| that counts for those."""
    rule: Text
    """기준을 정하는 방법. The rule in words."""


class HorizonCard(_Card):
    """The ranking over one horizon; returns are log returns (0.01 = about 1 %)."""

    days: int
    """기간 (일). Horizon in days."""
    dates: int
    """시점 수. Number of dates."""
    ic: JudgedFigure
    """순위 상관계수. Mean of the dates' rank correlations of score and return."""
    best: JudgedFigure
    """상위 20%에서 전체 평균을 뺀 수익률. Best fifth minus the universe's mean."""
    served_list: JudgedFigure | None
    """추천 목록 50개에서 전체 평균을 뺀 수익률. The list of 50 minus the universe's mean;
    null where the universe is not twice as large."""
    best_vs_median: Figure
    """상위 20%에서 전체 중앙값을 뺀 수익률. Best fifth minus the universe's median."""
    twin_vs_median: Figure
    """무작위 목록의 같은 값. The same of a random list."""
    hit_rate: Figure
    """상위 20%가 중앙값을 이긴 시점의 비율. Share of dates on which the best fifth's mean
    beat the universe's median."""
    twin_hit_rate: Figure
    """무작위 목록의 같은 값. The same of a random list."""
    spread: JudgedFigure | None
    """상위 20%에서 하위 20%를 뺀 수익률. Best minus worst fifth; null where not all scores
    are kept."""
    fifths: list[Figure]
    """5등분별 수익률에서 중앙값을 뺀 값, 상위부터. Each fifth minus the median, best first."""
    tenths: list[Figure]
    """10등분별 같은 값. The same by tenths, from 50 coins on."""
    monotonicity: DecimalText | None
    """5등분이 순서대로인 정도. Rank correlation of place and return of the fifths."""


class PartCard(_Card):
    """One analyzer's score (its name begins with =) or one factor."""

    name: str
    """분석기 또는 요소의 이름. Name of the analyzer or factor."""
    ic: dict[int, JudgedFigure]
    """기간별 순위 상관계수. Rank correlation with the return, by days."""


class CurvePoint(_Card):
    """One point of a curve."""

    at: datetime
    """시점. The date."""
    value: DecimalText
    """누적 수익률 차이. Best minus worst fifth, summed up to this date."""


class RankingCard(_Card):
    """Did better ranked coins do better?"""

    coins: int
    """한 시점의 코인 수 (중앙값). Coins ranked on a date (median)."""
    best_size: int
    """상위 20%의 코인 수. Coins in the best fifth."""
    horizons: list[HorizonCard]
    """기간별 값. The figures by horizon."""
    parts: list[PartCard]
    """분석기와 요소별 값. The figures of analyzers and factors."""
    turnover: Figure | None
    """상위 20%가 다음 시점까지 바뀌는 비율. Share of the best fifth that is new."""
    curve: list[CurvePoint]
    """상위 20% - 하위 20%의 누적. Best minus worst fifth over time."""


class StartCard(_Card):
    """One purchase at the price of the date, sold at the take profit or not at all."""

    starts: int
    """시작 수. Number of purchases."""
    hit: Figure
    """기간 안에 익절한 비율. Share that reached the take profit in time."""
    reached: dict[int, Figure]
    """며칠 안에 익절한 비율. The same by days waited."""
    hours_to_hit: DecimalText | None
    """익절까지 걸린 시간의 중앙값. Median hours until the take profit."""
    fall: DecimalText
    """그 전 최대 하락의 중앙값. Median of the deepest fall before it (ratio)."""
    fall_worst: DecimalText
    """그 전 최대 하락, 나쁜 10%. The same for the worst tenth."""
    stuck_loss: DecimalText | None
    """익절하지 못한 코인의 평가손익 중앙값. Median paper result of those that missed it."""


class StartsCard(_Card):
    """The best fifth beside the universe."""

    take_profit: DecimalText
    """수수료를 뺀 익절 비율. Take profit net of both fees (ratio)."""
    days: int
    """기다리는 기간 (일). Days waited."""
    best: StartCard
    """상위 20%. The best fifth."""
    universe: StartCard
    """전체 코인. All ranked coins."""
    first: JudgedFigure
    """같은 폭의 하락보다 익절이 먼저 온 비율의 차이. Take profit before an equal fall, best
    fifth minus universe; does not depend on volatility."""


class BinCard(_Card):
    """Levels whose stated probability lies in one tenth."""

    n: int
    """표본 수. Number of levels."""
    stated: DecimalText
    """말한 확률의 평균. Mean stated probability."""
    touched: Figure
    """실제로 닿은 비율. Share that was touched."""


class TouchCard(_Card):
    """Stated touch probability against what happened."""

    days: int
    """기간 (일). Days within which a touch counts."""
    n: int
    """표본 수. Number of levels, by coin and date."""
    stated: DecimalText
    """말한 확률의 평균. Mean stated probability."""
    touched: Figure
    """실제로 닿은 비율. Share that was touched."""
    difference: JudgedFigure
    """실제 - 말한 확률. Touched minus stated."""
    brier: DecimalText
    """브라이어 점수. Brier score, lower is better."""
    base_brier: DecimalText
    """항상 실제 비율을 말했을 때의 점수. Of always stating this period's own share."""
    bins: list[BinCard]
    """말한 확률 10%p 구간별. By tenths of stated probability."""


class BounceCard(_Card):
    """Touched levels that held, beside made-up levels of the same coin and day."""

    touches: int
    """닿은 횟수. Touches that were decided."""
    placebo_touches: int
    """가짜 지지선에 닿은 횟수. The same of made-up levels."""
    rate: Figure
    """닿은 뒤 반등한 비율. Share that held."""
    placebo: Figure
    """가짜 지지선의 같은 값. The same of made-up levels."""
    difference: JudgedFigure
    """둘의 차이. Their difference."""


class LevelCard(_Card):
    """One kind of level; a part is null where nothing could be measured."""

    touch: TouchCard | None
    """도달 확률. Touch probability."""
    bounce: BounceCard | None
    """반등. Bounces."""


class ReportCard(_Card):
    """How recommendations and levels did over one period."""

    schema_version: int = SCHEMA
    """성적표 형식의 버전. Version of this format."""
    section: str
    """served: 제공한 분석, walk_forward: 과거 재현. Which of both was judged."""
    since: datetime
    """첫 시점. First date judged."""
    until: datetime
    """마지막 시점. Last date judged."""
    dates: int
    """시점 수. Number of dates."""
    step_days: int
    """시점 간격 (일). Days between dates."""
    markets: int
    """코인 수. Coins seen in the period."""
    score_version: str
    """점수 설정. Version of the score settings."""
    finding: Finding
    """전체 판단. The finding about an edge as a whole."""
    summary: Text
    """전체 판단을 말로. The same in words."""
    questions: list[Question]
    """질문과 답. Questions and answers."""
    bar: Bar
    """판단 기준. How strong a figure must be."""
    ranking: RankingCard | None
    """순위. The ranking; null with too few coins."""
    starts: StartsCard | None
    """지금 시작한다면. Starting now; null with too few coins."""
    levels: dict[Level, LevelCard]
    """지지선. Support levels by kind."""
    notes: list[Text]
    """알아 둘 점. What to know when reading it."""
