"""How a budget spreads over the stages: whole won, buy fee reserved."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from enum import StrEnum
from typing import Final

from common.money import WON, floor_won

PRECISE: Final = Context(prec=60)
"""Enough digits that no rounding of an intermediate result can move a won or a tick."""


class Shape(StrEnum):
    """How the budget spreads over the stages."""

    GEOMETRIC = "geometric"
    EQUAL = "equal"
    LINEAR = "linear"


def calculate_order_amounts(
    *,
    total_budget: Decimal,
    stages: int,
    multiplier: Decimal,
    shape: Shape,
    bid_fee: Decimal,
    min_lot: Decimal,
) -> tuple[Decimal, ...]:
    """Return whole-won amounts (without fee) whose sum plus buy fee fits the budget.

    Fewer stages where the smallest would fall below *min_lot*; a small stage is never
    raised instead. Empty when not even one stage fits.
    """
    with localcontext(PRECISE):
        spend = floor_won(total_budget / (1 + bid_fee))
        for count in range(stages, 0, -1):
            weights = _weights(stages=count, multiplier=multiplier, shape=shape)
            amounts = _shared_out(spend, weights)
            if min(amounts) >= min_lot:
                return amounts
    return ()


def calculate_table_amounts(
    *,
    total_budget: Decimal,
    weights: Sequence[Decimal],
    bid_fee: Decimal,
    min_lot: Decimal,
) -> tuple[Decimal, ...]:
    """Return whole-won amounts (without fee) by an own table's weights.

    The deepest rows go where the smallest would fall below *min_lot*; empty when not
    even the first one fits.
    """
    with localcontext(PRECISE):
        spend = floor_won(total_budget / (1 + bid_fee))
        for count in range(len(weights), 0, -1):
            amounts = _shared_out(spend, weights[:count])
            if min(amounts) >= min_lot:
                return amounts
    return ()


def calculate_minimum_budget(
    *,
    stages: int,
    multiplier: Decimal,
    shape: Shape,
    bid_fee: Decimal,
    min_lot: Decimal,
) -> Decimal:
    """Return the smallest budget (whole won) that affords all *stages*."""
    weights = _weights(stages=stages, multiplier=multiplier, shape=shape)
    return minimum_for(weights=weights, bid_fee=bid_fee, min_lot=min_lot)


def minimum_for(
    *, weights: Sequence[Decimal], bid_fee: Decimal, min_lot: Decimal
) -> Decimal:
    """Return the smallest budget (whole won) whose least share reaches *min_lot*."""
    with localcontext(PRECISE):
        spend = _ceil_won(_ceil_won(min_lot) * sum(weights) / min(weights))
        return _ceil_won(spend * (1 + bid_fee))


def _weights(*, stages: int, multiplier: Decimal, shape: Shape) -> list[Decimal]:
    if shape is Shape.EQUAL:
        return [Decimal(1)] * stages
    if shape is Shape.LINEAR:
        return [Decimal(number) for number in range(1, stages + 1)]
    return [multiplier**power for power in range(stages)]


def _shared_out(spend: Decimal, weights: Sequence[Decimal]) -> tuple[Decimal, ...]:
    total = sum(weights)
    amounts = [floor_won(spend * weight / total) for weight in weights]
    return _with_remainder(amounts, spend - sum(amounts))


def _with_remainder(amounts: list[Decimal], remainder: Decimal) -> tuple[Decimal, ...]:
    # The won that flooring left over go to the deepest stages: amounts never decrease.
    first = len(amounts) - int(remainder)
    return tuple(
        amount + WON if position >= first else amount
        for position, amount in enumerate(amounts)
    )


def _ceil_won(value: Decimal) -> Decimal:
    return value.quantize(WON, rounding=ROUND_CEILING)
