"""Bounds of a bot's options, one source for pages, API and admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain

OPTION_RANGES: Final[dict[str, tuple[Decimal, Decimal, str]]] = {
    "budget": (Decimal(1), Decimal(10_000_000_000), _noop("예산(원)")),
    "stages": (Decimal(1), Decimal(20), _noop("차수")),
    "multiplier": (Decimal(1), Decimal(2), _noop("배수")),
    "take_profit": (Decimal("0.0001"), Decimal(1), _noop("익절률")),
    "jitter": (Decimal(0), Decimal("0.35"), _noop("흩뜨림")),
    "stage_cooldown_seconds": (Decimal(0), Decimal(86_400), _noop("차수 간격(초)")),
    "cycle_cooldown_seconds": (Decimal(0), Decimal(2_592_000), _noop("회차 간격(초)")),
    "max_depth": (Decimal("0.01"), Decimal("0.95"), _noop("최대 하락폭")),
    "resting_stages": (Decimal(0), Decimal(20), _noop("미리 걸어 둘 차수")),
    "trailing": (Decimal("0.001"), Decimal("0.2"), _noop("추적 익절 하락률")),
    "stop_below_last": (
        Decimal("0.005"),
        Decimal("0.9"),
        _noop("손절 (마지막 차수 아래)"),
    ),
    "break_even_after": (Decimal("0.002"), Decimal(1), _noop("본전 보호 시작 상승률")),
    "max_hold_hours": (Decimal(1), Decimal(8_784), _noop("최대 보유(시간)")),
    "max_cycles": (Decimal(1), Decimal(100_000), _noop("최대 회차")),
    "reinvest": (Decimal(0), Decimal(1), _noop("수익 재투자 비율")),
}
"""Option -> lowest and highest value, both allowed, and its Korean name."""


def range_problem(
    *, option: str, value: Decimal | int | None, in_percent: bool = False
) -> str | None:
    """Return the sentence that names the allowed range, None when *value* is in it.

    None means that an option is off. *in_percent*: the owner typed a share that way.
    """
    if option not in OPTION_RANGES or value is None:
        return None
    lowest, highest, label = OPTION_RANGES[option]
    if lowest <= value <= highest:
        return None
    factor, unit = (100, "%") if in_percent else (1, "")
    return _(
        "%(label)s은(는) %(lowest)s부터 %(highest)s까지 쓸 수 있습니다. 지금 값은 %(written)s입니다."
    ) % {
        "label": _(label),
        "lowest": _written(lowest * factor) + unit,
        "highest": _written(highest * factor) + unit,
        "written": _written(Decimal(value) * factor) + unit,
    }


def _written(number: Decimal) -> str:
    whole, dot, fraction = plain(number).partition(".")
    return (
        f"{int(whole):,}{dot}{fraction}" if whole.lstrip("-") != "0" else plain(number)
    )
