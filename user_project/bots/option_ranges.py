"""Bounds of a bot's options, one source for pages, API and admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from common.money import plain

OPTION_RANGES: Final[dict[str, tuple[Decimal, Decimal, str]]] = {
    "budget": (Decimal(1), Decimal(10_000_000_000), "예산(원)"),
    "stages": (Decimal(1), Decimal(20), "차수"),
    "multiplier": (Decimal(1), Decimal(2), "배수"),
    "take_profit": (Decimal("0.0001"), Decimal(1), "익절률"),
    "jitter": (Decimal(0), Decimal("0.35"), "흩뜨림"),
    "stage_cooldown_seconds": (Decimal(0), Decimal(86_400), "차수 간격(초)"),
    "cycle_cooldown_seconds": (Decimal(0), Decimal(2_592_000), "회차 간격(초)"),
    "max_depth": (Decimal("0.01"), Decimal("0.95"), "최대 하락폭"),
    "resting_stages": (Decimal(0), Decimal(20), "미리 걸어 둘 차수"),
    "trailing": (Decimal("0.001"), Decimal("0.2"), "추적 익절 하락률"),
    "stop_below_last": (Decimal("0.005"), Decimal("0.9"), "손절 (마지막 차수 아래)"),
    "break_even_after": (Decimal("0.002"), Decimal(1), "본전 보호 시작 상승률"),
    "max_hold_hours": (Decimal(1), Decimal(8_784), "최대 보유(시간)"),
    "max_cycles": (Decimal(1), Decimal(100_000), "최대 회차"),
    "reinvest": (Decimal(0), Decimal(1), "수익 재투자 비율"),
}
"""Option -> lowest and highest value, both allowed, and its Korean name."""


def range_problem(*, option: str, value: Decimal | int | None) -> str | None:
    """Return the sentence that names the allowed range, None when *value* is in it.

    None means that an option is off.
    """
    if option not in OPTION_RANGES or value is None:
        return None
    lowest, highest, label = OPTION_RANGES[option]
    if lowest <= value <= highest:
        return None
    return (
        f"{label}은(는) {_written(lowest)}부터 {_written(highest)}까지 쓸 수 있습니다."
        f" 지금 값은 {_written(Decimal(value))}입니다."
    )


def _written(number: Decimal) -> str:
    whole, dot, fraction = plain(number).partition(".")
    return (
        f"{int(whole):,}{dot}{fraction}" if whole.lstrip("-") != "0" else plain(number)
    )
