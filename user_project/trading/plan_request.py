"""What a plan is asked for, and the refusal of input that makes no sense."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from common.money import MarketRules, plain
from user_project.trading.amounts import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStage:
    """One row of an own table of stages."""

    drop: Decimal
    """Share below the start price, 0 for the first stage."""
    weight: Decimal
    """Part of the budget, relative to the other rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Everything a plan depends on; the same request gives the same plan, always."""

    price: Decimal
    support: Decimal
    budget: Decimal
    """KRW, both the buys and their fees."""
    stages: int = 7
    multiplier: Decimal = Decimal("1.25")
    shape: Shape = Shape.GEOMETRIC
    take_profit: Decimal = Decimal("0.015")
    """Share of the cost, net of both fees."""
    jitter: Decimal = Decimal(0)
    seed: bytes | None = None
    rules: MarketRules
    min_lot: Decimal = Decimal(5500)
    """Smallest stage in KRW: above the exchange's minimum, so it stays sellable."""
    gamma: Decimal = Decimal(1)
    """Above 1 the stages crowd near the price, below 1 near the support."""
    max_depth: Decimal = Decimal("0.40")
    table: tuple[TableStage, ...] | None = None
    """Own table of stages in place of ``stages``, ``shape``, spacing and jitter."""


class InvalidPlan(ValueError):
    """A request that no plan can answer; the message (Korean) names the remedy."""

    def __init__(self, *, code: str, field: str, message: str, english: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message
        self.english = english


class _Range(NamedTuple):
    low: Decimal
    high: Decimal
    label: str
    includes_low: bool = True


_RANGES: Final = {
    "price": _Range(Decimal(0), Decimal(10**10), "현재가", includes_low=False),
    "support": _Range(Decimal(0), Decimal(10**10), "지지선", includes_low=False),
    "budget": _Range(Decimal(0), Decimal(10**12), "예산(원)", includes_low=False),
    "stages": _Range(Decimal(1), Decimal(20), "차수"),
    "multiplier": _Range(Decimal(1), Decimal(2), "배수"),
    "take_profit": _Range(Decimal(0), Decimal(1), "익절률", includes_low=False),
    "jitter": _Range(Decimal(0), Decimal("0.35"), "흩뜨림"),
    "min_lot": _Range(Decimal(0), Decimal(10**9), "차수 최소 금액(원)"),
    "gamma": _Range(Decimal("0.25"), Decimal(4), "간격 지수"),
    "max_depth": _Range(Decimal(0), Decimal("0.95"), "최대 하락폭", includes_low=False),
}


MOST_STAGES: Final = 20


def check_request(*, request: PlanRequest) -> None:
    """Raise InvalidPlan for the first field that is out of its range."""
    for field, allowed in _RANGES.items():
        _check_field(field, getattr(request, field), allowed)
    _check_table(request)
    if request.rules.floor_tick(request.price) == 0:
        raise InvalidPlan(
            code="PRICE_BELOW_TICK",
            field="price",
            message="현재가가 호가 한 칸보다 작습니다. 현재가를 확인하세요.",
            english="The price is below one tick. Check the price.",
        )
    if request.jitter > 0 and not request.seed:
        raise InvalidPlan(
            code="JITTER_WITHOUT_SEED",
            field="seed",
            message="흩뜨림을 쓰려면 시드가 필요합니다. 시드를 주거나 흩뜨림을 0으로 하세요.",
            english="Jitter needs a seed. Give a seed, or set jitter to 0.",
        )


def _check_table(request: PlanRequest) -> None:
    table = request.table
    if table is None:
        return
    drops = [row.drop for row in table]
    sound = (
        1 <= len(table) <= MOST_STAGES
        and all(_is_number(row.drop) and _is_number(row.weight) for row in table)
        and drops[0] == 0
        and all(upper < lower for upper, lower in pairwise(drops))
        and all(0 < row.weight <= 1000 for row in table)
    )
    if not sound:
        raise InvalidPlan(
            code="INVALID_TABLE",
            field="stage_table",
            message=(
                f"차수표는 1~{MOST_STAGES}줄이고, 첫 줄의 하락률은 0, 다음 줄은 앞 줄보다"
                " 커야 하며, 비중은 0보다 크고 1,000 이하여야 합니다."
            ),
            english=(
                f"A table has 1 to {MOST_STAGES} rows; the first drop is 0, each next"
                " one is larger; weights lie above 0 and at most at 1,000."
            ),
        )
    if drops[-1] > request.max_depth:
        raise InvalidPlan(
            code="TABLE_TOO_DEEP",
            field="stage_table",
            message=(
                f"차수표의 마지막 하락률 {plain(drops[-1])}이(가) 최대 하락폭"
                f" {plain(request.max_depth)}보다 깊습니다. 표를 얕게 하거나 최대"
                " 하락폭을 늘리세요."
            ),
            english=(
                f"The table's last drop {plain(drops[-1])} is deeper than the deepest"
                f" allowed {plain(request.max_depth)}. Make one of them fit."
            ),
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value >= 0


def _check_field(field: str, value: object, allowed: _Range) -> None:
    number = _as_number(field, value)
    if number is not None:
        above = number >= allowed.low if allowed.includes_low else number > allowed.low
        if above and number <= allowed.high:
            return
    low, high = _written(allowed.low), _written(allowed.high)
    given = str(value)[:40]
    raise InvalidPlan(
        code=f"INVALID_{field.upper()}",
        field=field,
        message=(
            f"{allowed.label}: {low}{' 이상' if allowed.includes_low else '보다 크고'}"
            f" {high} 이하로 입력하세요 (입력값: {given})."
        ),
        english=(
            f"{field.replace('_', ' ')} must be"
            f" {'at least' if allowed.includes_low else 'above'} {low}"
            f" and at most {high}, not {given}."
        ),
    )


def _as_number(field: str, value: object) -> Decimal | None:
    wanted = int if field == "stages" else Decimal
    if not isinstance(value, wanted) or isinstance(value, bool):
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def _written(number: Decimal) -> str:
    return plain(number) if number < 1 else f"{number:,}"
