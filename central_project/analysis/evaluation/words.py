"""The report card's questions and findings in words.

Apart from the figures, because pages show them in processes that need no pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from central_project.analysis.evaluation.card import Finding, Text

ASKED: Final[Mapping[str, Text]] = {
    "ranking": Text(
        ko="점수가 높은 코인이 이후 더 올랐나?",
        en="Did coins with a higher score rise more?",
    ),
    "list": Text(
        ko="상위 코인이 무작위 코인보다 나았나?",
        en="Did the best coins beat random ones?",
    ),
    "parts": Text(
        ko="예측력이 있는 분석기나 요소가 있나?",
        en="Does any analyzer or factor predict?",
    ),
    "take_profit": Text(
        ko="지금 시작하면 같은 폭의 하락보다 익절이 먼저 오나? (상위 코인과 전체 비교)",
        en="Starting now, does the take profit come before an equal fall"
        " (best coins against all)?",
    ),
    "bounce": Text(
        ko="지지선에서 가짜 지지선보다 자주 반등하나?",
        en="Do prices bounce off the levels more often than off made-up ones?",
    ),
    "calibration": Text(
        ko="말한 도달 확률이 실제와 맞나?",
        en="Are the stated touch probabilities true?",
    ),
}
ANSWERS: Final[Mapping[Finding, Text]] = {
    Finding.EVIDENCE: Text(ko="증거 있음", en="evidence"),
    Finding.NO_EVIDENCE: Text(ko="우위의 증거 없음", en="no evidence of an edge"),
    Finding.AGAINST: Text(ko="반대 방향의 증거", en="evidence of the opposite"),
    Finding.TOO_SHORT: Text(
        ko="판단하기에 짧거나 코인이 적음", en="too short or too few coins to judge"
    ),
    Finding.CALIBRATED: Text(
        ko="어긋난다는 증거 없음", en="no sign that they are wrong"
    ),
    Finding.STATED_TOO_HIGH: Text(ko="실제보다 높게 말함", en="stated too high"),
    Finding.STATED_TOO_LOW: Text(ko="실제보다 낮게 말함", en="stated too low"),
    Finding.NOT_STATED: Text(ko="확률을 제공하지 않음", en="no probability was stated"),
}
