"""Why a plan looks the way it does, in words that name the remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from user_project.trading.plan import Plan


class PlanReason(StrEnum):
    """What shaped a plan, or made it impossible."""

    SUPPORT_ABOVE_PRICE = "SUPPORT_ABOVE_PRICE"  # impossible
    SUPPORT_TOO_CLOSE = "SUPPORT_TOO_CLOSE"  # impossible
    INFEASIBLE_BUDGET = "INFEASIBLE_BUDGET"  # impossible
    OVER_MAX_ORDER = "OVER_MAX_ORDER"  # impossible
    REDUCED_MIN_ORDER = "REDUCED_MIN_ORDER"
    REDUCED_TICK_GAP = "REDUCED_TICK_GAP"
    DEPTH_CLAMPED = "DEPTH_CLAMPED"
    TICK_COARSE = "TICK_COARSE"  # a warning
    LOW_TAKE_PROFIT = "LOW_TAKE_PROFIT"  # a warning


_KOREAN: Final = {
    PlanReason.SUPPORT_ABOVE_PRICE: (
        "지지선이 현재가보다 낮지 않습니다. 더 깊은 지지선을 고르거나 분석이 갱신된 뒤"
        " 다시 시도하세요."
    ),
    PlanReason.SUPPORT_TOO_CLOSE: (
        "지지선이 현재가에 너무 가까워 나누어 살 수 없습니다. 더 깊은 지지선을 고르거나"
        " 차수를 1로 하세요."
    ),
    PlanReason.INFEASIBLE_BUDGET: (
        "예산이 한 차수의 최소 금액에도 모자랍니다. 예산을 늘리세요."
    ),
    PlanReason.OVER_MAX_ORDER: (
        "모은 코인을 한 번에 팔기에는 거래소의 주문 한도를 넘습니다. 예산을 줄이세요."
    ),
    PlanReason.REDUCED_MIN_ORDER: (
        "작은 차수가 최소 금액보다 적어져서 차수를 줄였습니다. 예산을 늘리거나 배수를"
        " 낮추면 차수가 늘어납니다."
    ),
    PlanReason.REDUCED_TICK_GAP: (
        "차수 사이가 너무 좁아져서 차수를 줄였습니다. 더 깊은 지지선을 고르면 차수가"
        " 늘어납니다."
    ),
    PlanReason.DEPTH_CLAMPED: (
        "지지선이 너무 깊어서 허용된 최대 하락폭까지만 나누었습니다. 더 얕은 지지선을"
        " 고르면 그대로 쓰입니다."
    ),
    PlanReason.TICK_COARSE: (
        "호가 단위가 가격에 비해 커서 차수 가격을 세밀하게 나눌 수 없습니다. 호가"
        " 단위가 작은 코인이 알맞습니다."
    ),
    PlanReason.LOW_TAKE_PROFIT: (
        "익절폭이 호가 세 칸이나 수수료에 비해 작습니다. 익절률을 올리거나 호가 단위가"
        " 작은 코인을 고르세요."
    ),
}
_ENGLISH: Final = {
    PlanReason.SUPPORT_ABOVE_PRICE: (
        "The support is not below the price. Choose a deeper support level, or try"
        " again after the next analysis."
    ),
    PlanReason.SUPPORT_TOO_CLOSE: (
        "The support is too close to the price to buy in stages. Choose a deeper"
        " support level, or ask for one stage."
    ),
    PlanReason.INFEASIBLE_BUDGET: (
        "The budget does not reach the minimum of a single stage. Raise the budget."
    ),
    PlanReason.OVER_MAX_ORDER: (
        "Everything bought could not be sold in one order of the exchange. Lower the"
        " budget."
    ),
    PlanReason.REDUCED_MIN_ORDER: (
        "There are fewer stages because the smallest would fall below the minimum."
        " Raise the budget or lower the multiplier to get more."
    ),
    PlanReason.REDUCED_TICK_GAP: (
        "There are fewer stages because they would lie too close together. Choose a"
        " deeper support level to get more."
    ),
    PlanReason.DEPTH_CLAMPED: (
        "The support is deeper than allowed, so the stages end at the deepest allowed"
        " drop. Choose a shallower support level to use it as it is."
    ),
    PlanReason.TICK_COARSE: (
        "The tick is large for this price, so stages cannot be placed finely. A coin"
        " with a finer tick suits better."
    ),
    PlanReason.LOW_TAKE_PROFIT: (
        "The take profit is small against three ticks or the fees. Raise it, or choose"
        " a coin with a finer tick."
    ),
}
_SENTENCES: Final = {"ko": _KOREAN, "en": _ENGLISH}
_NUMBERS: Final = {
    ("ko", PlanReason.INFEASIBLE_BUDGET): (
        " {wanted}차수에는 {minimum:,}원이 필요합니다."
    ),
    ("en", PlanReason.INFEASIBLE_BUDGET): " {wanted} stages need {minimum:,} won.",
    ("ko", PlanReason.REDUCED_MIN_ORDER): (
        " {wanted}차수 중 {count}차수, {wanted}차수에는 {minimum:,}원이 필요합니다."
    ),
    ("en", PlanReason.REDUCED_MIN_ORDER): (
        " {count} of {wanted} stages; {wanted} need {minimum:,} won."
    ),
    ("ko", PlanReason.REDUCED_TICK_GAP): " {wanted}차수 중 {count}차수.",
    ("en", PlanReason.REDUCED_TICK_GAP): " {count} of {wanted} stages.",
}


def describe(
    reason: PlanReason, /, *, language: str = "ko", plan: Plan | None = None
) -> str:
    """Return *reason* as a sentence, with the figures of *plan* where they help."""
    sentence = _SENTENCES[language][reason]
    if plan is None:
        return sentence
    return sentence + _NUMBERS.get((language, reason), "").format(
        wanted=plan.request.stages,
        count=len(plan.stages),
        minimum=plan.minimum_budget,
    )
