"""How a budget spreads over the stages: whole won, buy fee reserved."""

from __future__ import annotations

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
            total = sum(weights)
            amounts = [floor_won(spend * weight / total) for weight in weights]
            if min(amounts) >= min_lot:
                return _with_remainder(amounts, spend - sum(amounts))
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
    with localcontext(PRECISE):
        weights = _weights(stages=stages, multiplier=multiplier, shape=shape)
        spend = _ceil_won(_ceil_won(min_lot) * sum(weights) / min(weights))
        return _ceil_won(spend * (1 + bid_fee))


def _weights(*, stages: int, multiplier: Decimal, shape: Shape) -> list[Decimal]:
    if shape is Shape.EQUAL:
        return [Decimal(1)] * stages
    if shape is Shape.LINEAR:
        return [Decimal(number) for number in range(1, stages + 1)]
    return [multiplier**power for power in range(stages)]


def _with_remainder(amounts: list[Decimal], remainder: Decimal) -> tuple[Decimal, ...]:
    # The won that flooring left over go to the deepest stages: amounts never decrease.
    first = len(amounts) - int(remainder)
    return tuple(
        amount + WON if position >= first else amount
        for position, amount in enumerate(amounts)
    )


def _ceil_won(value: Decimal) -> Decimal:
    return value.quantize(WON, rounding=ROUND_CEILING)
