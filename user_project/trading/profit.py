"""What a position must be sold at: break-even and take profit, net of both fees."""

from __future__ import annotations

from decimal import Decimal, localcontext

from common.money import MarketRules
from user_project.trading.amounts import PRECISE


def calculate_break_even(
    *, cost: Decimal, volume: Decimal, rules: MarketRules
) -> Decimal:
    """Return the lowest valid price that gives back *cost* (KRW incl. buy fees)."""
    return _sell_price(target=cost, volume=volume, rules=rules)


def calculate_take_profit(
    *, cost: Decimal, volume: Decimal, take_profit: Decimal, rules: MarketRules
) -> Decimal:
    """Return the lowest valid price that nets *cost* x (1 + *take_profit*)."""
    with localcontext(PRECISE):
        target = cost * (1 + take_profit)
    return _sell_price(target=target, volume=volume, rules=rules)


def _sell_price(*, target: Decimal, volume: Decimal, rules: MarketRules) -> Decimal:
    if volume <= 0:
        raise ValueError("nothing is held: there is no price to sell at")
    with localcontext(PRECISE):
        return rules.ceil_tick(target / (volume * (1 - rules.ask_fee)))
