"""What a holding is worth, for pages and the stream alike; pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from common.money import MarketRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """A holding in KRW at one price; None where nothing is held or no price is known."""

    value: Decimal | None = None
    unrealised: Decimal | None = None
    """After the fee of selling."""
    rate: Decimal | None = None
    """``unrealised`` as a share of what was paid."""


def value_holding(
    *, volume: Decimal, cost: Decimal, price: Decimal | None, rules: MarketRules
) -> Valuation:
    """Value *volume* coins that cost *cost* KRW, fees included."""
    if price is None or not volume:
        return Valuation()
    value = price * volume
    unrealised = value * (1 - rules.ask_fee) - cost
    return Valuation(
        value=value, unrealised=unrealised, rate=unrealised / cost if cost else None
    )
