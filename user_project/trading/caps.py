"""How much an account may have at work at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from user_project.trading.facts import Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """An account's limits; None where there is none."""

    budget: Decimal | None = None
    """KRW: sum of the budgets of all open rounds."""
    coin: Decimal | None = None
    """KRW: sum of the budgets of the open rounds in one coin."""
    cycles: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRound:
    """A running round's claim on the account."""

    market: str
    budget: Decimal


def exceeded_cap(
    *,
    caps: Caps,
    running: Sequence[OpenRound],
    market: str,
    amount: Decimal,
    is_new: bool = True,
) -> Why:
    """Return which cap *amount* more won on *market* would break, NOTHING if none.

    *is_new* tells a new round from more money for a running one.
    """
    if is_new and caps.cycles is not None and len(running) >= caps.cycles:
        return Why.CAP_CYCLES
    total = sum((one.budget for one in running), amount)
    if caps.budget is not None and total > caps.budget:
        return Why.CAP_ACCOUNT
    coin = sum((one.budget for one in running if one.market == market), amount)
    if caps.coin is not None and coin > caps.coin:
        return Why.CAP_COIN
    return Why.NOTHING
