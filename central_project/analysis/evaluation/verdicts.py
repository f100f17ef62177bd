"""From figures to findings: one bar for all tests of a card, and answers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Final

from central_project.analysis.evaluation.card import Bar, Finding, Question, Text
from central_project.analysis.evaluation.groups import LEAST_COINS
from central_project.analysis.evaluation.inference import Estimate, Trial
from central_project.analysis.evaluation.levels import LevelFigures
from central_project.analysis.evaluation.ranking import RankingFigures
from central_project.analysis.evaluation.starts import Starts
from central_project.analysis.evaluation.words import ANSWERS, ASKED
from central_project.analysis.rounding import leave_float
from common.wire import Level

FAMILY_ERROR: Final = 0.005
"""Chance that any of one family's tests passes where there is nothing to find."""
Z_STEP: Final = Decimal("0.01")


@dataclass(frozen=True, kw_only=True)
class Bars:
    """The least |z| that counts: for the questions themselves and for their parts."""

    headline: float
    parts: float
    headline_tests: int
    part_tests: int

    def card(self) -> Bar:
        """Return the bar with its rule in words."""
        return Bar(
            headline_tests=self.headline_tests,
            headline_z=leave_float(self.headline, step=Z_STEP),
            part_tests=self.part_tests,
            part_z=leave_float(self.parts, step=Z_STEP),
            rule=RULE,
        )


RULE: Final = Text(
    ko="검정 횟수로 나눈 기준입니다(본페로니). 찾을 것이 없을 때 본 질문 중 하나라도 통과할"
    " 확률, 부분(분석기·요소) 중 하나라도 통과할 확률이 각각 0.5%를 넘지 않습니다. 순위 검정은"
    " 시간 기준(뉴이-웨스트 오차, 스튜던트 t)과 코인 기준(코인을 뒤섞은 결과) 모두에서 같은"
    " 방향으로 기준을 넘어야 하고, 지지선 검정은 21일 묶음 잭나이프 오차를 씁니다.",
    en="Bonferroni over the tests of this card: where there is nothing to find, any of the"
    " main tests passes in at most 0.5 % of cards, and any of the parts (analyzers, factors)"
    " in at most another 0.5 %. A ranking test must pass, in the same direction, both over"
    " time (Newey-West error, Student's t) and over coins (coins shuffled); a level test uses"
    " the jackknife over blocks of 21 days.",
)


def bars_of(*, headline: Iterable[float | None], parts: Iterable[float | None]) -> Bars:
    """Return the bars for the tests that can be judged (those with a z)."""
    main = sum(z is not None for z in headline)
    rest = sum(z is not None for z in parts)
    return Bars(
        headline=_bar(main), parts=_bar(rest), headline_tests=main, part_tests=rest
    )


def finding_of(z: float | None, /, *, bar: float) -> Finding:
    """Judge one figure that should be above 0."""
    if z is None:
        return Finding.TOO_SHORT
    if abs(z) < bar:
        return Finding.NO_EVIDENCE
    return Finding.EVIDENCE if z > 0 else Finding.AGAINST


def calibration_of(difference: Estimate, /, *, bar: float) -> Finding:
    """Judge a touched share minus the stated probability, which should be 0."""
    if difference.z is None:
        return Finding.TOO_SHORT
    if abs(difference.z) < bar:
        return Finding.CALIBRATED
    low = difference.z > 0
    return Finding.STATED_TOO_LOW if low else Finding.STATED_TOO_HIGH


def headline_z(
    *,
    ranking: RankingFigures | None,
    starts: Starts | None,
    levels: Mapping[Level, LevelFigures],
) -> list[float | None]:
    """Return the z of every test behind the questions."""
    trials = [*_ranking_trials(ranking), *_list_trials(ranking)]
    found = [trial.z for trial in trials]
    found += [starts.first.z] if starts else []
    found += [one.bounce.difference.z for one in levels.values() if one.bounce]
    found += [one.touch.difference.z for one in levels.values() if one.touch]
    return found


def part_z(ranking: RankingFigures | None, /) -> list[float | None]:
    """Return the z of every analyzer and factor at every horizon."""
    if ranking is None:
        return []
    return [trial.z for trials in ranking.parts.values() for trial in trials.values()]


def questions(
    *,
    bars: Bars,
    ranking: RankingFigures | None,
    starts: Starts | None,
    levels: Mapping[Level, LevelFigures],
) -> list[Question]:
    """Answer what the card is for, one finding per question."""
    bar = bars.headline
    first = [starts.first.z] if starts else []
    bounces = [one.bounce.difference.z for one in levels.values() if one.bounce]
    parts = [finding_of(z, bar=bars.parts) for z in part_z(ranking)]
    return [
        _question(
            "ranking", *[finding_of(t.z, bar=bar) for t in _ranking_trials(ranking)]
        ),
        _question("list", *[finding_of(t.z, bar=bar) for t in _list_trials(ranking)]),
        _question("parts", *parts),
        _question("take_profit", *[finding_of(z, bar=bar) for z in first]),
        _question("bounce", *[finding_of(z, bar=bar) for z in bounces]),
        _calibration(levels, bar),
    ]


def overall(answers: Iterable[Question], /) -> tuple[Finding, Text]:
    """Return the card's own finding; its words say whether only a part shows an edge."""
    found = {one.code: one.finding for one in answers}
    edges = ("ranking", "list", "take_profit", "bounce")
    if any(found[code] is Finding.EVIDENCE for code in edges):
        return Finding.EVIDENCE, EDGE
    if found["parts"] is Finding.EVIDENCE:
        return Finding.EVIDENCE, PARTIAL
    if any(found[code] is Finding.AGAINST for code in edges):
        return Finding.NO_EVIDENCE, REVERSED
    if all(found[code] is Finding.TOO_SHORT for code in edges):
        return Finding.NO_EVIDENCE, SHORT
    return Finding.NO_EVIDENCE, NO_EDGE


EDGE: Final = Text(
    ko="이 기간에는 우연만으로 설명하기 어려운 우위가 있었습니다. 앞으로도 같다는 뜻은 아닙니다.",
    en="In this period there was an edge that chance hardly explains."
    " That does not promise the same for the future.",
)
PARTIAL: Final = Text(
    ko="순위 전체에는 우위의 증거가 없지만, 일부 분석기나 요소는 이 기간의 수익률과 우연 이상으로"
    " 관련이 있었습니다.",
    en="The ranking as a whole shows no edge, but some analyzer or factor was related to"
    " returns in this period beyond chance.",
)
NO_EDGE: Final = Text(
    ko="우위의 증거가 없습니다. 순위와 지지선은 참고용이며 수익을 약속하지 않습니다.",
    en="No evidence of an edge. Ranking and levels are orientation, not a promise.",
)
REVERSED: Final = Text(
    ko="우위의 증거가 없습니다. 오히려 순위 또는 지지선과 반대로 움직인 부분이 있습니다.",
    en="No evidence of an edge; part of it even pointed the wrong way.",
)
SHORT: Final = Text(
    ko="우위의 증거가 없습니다. 판단하기에는 기간이 너무 짧습니다.",
    en="No evidence of an edge; the period is too short to judge.",
)
FEW_COINS: Final = Text(
    ko=f"순위 판단에는 한 시점에 코인 {LEAST_COINS}개 이상이 필요합니다.",
    en=f"Judging a ranking takes at least {LEAST_COINS} ranked coins at one moment.",
)


def _bar(tests: int, /) -> float:
    return NormalDist().inv_cdf(1 - FAMILY_ERROR / (2 * max(tests, 1)))


def _ranking_trials(ranking: RankingFigures | None, /) -> list[Trial]:
    horizons = ranking.horizons if ranking else ()
    return [one.ic for one in horizons] + [one.spread for one in horizons if one.spread]


def _list_trials(ranking: RankingFigures | None, /) -> list[Trial]:
    horizons = ranking.horizons if ranking else ()
    return [one.best for one in horizons] + [
        one.served for one in horizons if one.served
    ]


def _calibration(levels: Mapping[Level, LevelFigures], bar: float, /) -> Question:
    stated = [one.touch for one in levels.values() if one.touch]
    if not stated:
        return _question("calibration", Finding.NOT_STATED)
    found = [calibration_of(one.difference, bar=bar) for one in stated]
    return _question("calibration", *found)


def _question(code: str, /, *found: Finding) -> Question:
    finding = _strongest(found)
    return Question(
        code=code, finding=finding, question=ASKED[code], answer=ANSWERS[finding]
    )


def _strongest(found: tuple[Finding, ...], /) -> Finding:
    """A single test that passes answers the question; the bar already allows for that."""
    order = (
        Finding.EVIDENCE, Finding.AGAINST, Finding.STATED_TOO_HIGH, Finding.STATED_TOO_LOW,
        Finding.NO_EVIDENCE, Finding.CALIBRATED, Finding.NOT_STATED,
    )  # fmt: skip
    return next((one for one in order if one in found), Finding.TOO_SHORT)
