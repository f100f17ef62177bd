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
}
"""Option -> lowest and highest value, both allowed, and its Korean name."""


def range_problem(*, option: str, value: Decimal | int) -> str | None:
    """Return the sentence that names the allowed range, None when *value* is in it."""
    if option not in OPTION_RANGES:
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
