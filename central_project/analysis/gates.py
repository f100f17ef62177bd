"""Which coins may be recommended at all, and the machine-readable reason why not."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Final

from central_project.analysis.analyzers import CoinFacts

STABLECOINS: Final = frozenset(
    f"KRW-{code}"
    for code in (
        "USDT",
        "USDC",
        "USDS",
        "USD1",
        "USDE",
        "DAI",
        "TUSD",
        "FDUSD",
        "PYUSD",
    )
)
AGE_TOLERANCE: Final = timedelta(days=1)
"""A history of 90 days holds 89 and a bit between its first row and now."""


class InvalidSettings(ValueError):
    """A weight or a gate is out of its range; the message names it and the range."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Limits a coin must keep to be ranked."""

    min_turnover_24h: Decimal = Decimal(1_000_000_000)
    """KRW a day, median of the last 7 days: one spike does not open the gate."""
    min_age_days: int = 90
    max_spread: float = 0.003
    """Share of the mid price; a wider spread passes if it is at most max_spread_ticks."""
    max_spread_ticks: float = 4.0
    max_tick_share: float = 0.005
    """One tick / price: a third of the default take profit."""
    max_missing: float = 0.10
    stablecoins: frozenset[str] = STABLECOINS

    def __post_init__(self) -> None:
        """Refuse limits that cannot be meant."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, frozenset) and not value >= 0:
                raise InvalidSettings(f"{field.name} must be 0 or more, got {value}")
        for name in ("max_tick_share", "max_missing", "max_spread"):
            if getattr(self, name) > 1:
                raise InvalidSettings(f"{name} is a share: 0 to 1, e.g. 0.005")


def refusal(coin: CoinFacts, gates: Gates, /) -> str | None:
    """Return the first reason why *coin* is not ranked, or None if it may be."""
    checks = {
        "STABLECOIN": coin.market in gates.stablecoins,
        "WARNING": coin.warning,
        "CAUTION": bool(coin.cautions),
        "TOO_YOUNG": _is_too_young(coin, gates),
        "MISSING_CANDLES": coin.series.missing_share > gates.max_missing,
        "LOW_TURNOVER": (coin.figures.turnover_7d or 0) < float(gates.min_turnover_24h),
        "WIDE_SPREAD": _is_spread_wide(coin, gates),
        "COARSE_TICK": coin.tick_share > gates.max_tick_share,
        "NO_SUPPORT": all(lvl.price is None for lvl in coin.support.levels.values()),
    }
    return next((code for code, refused in checks.items() if refused), None)


def _is_too_young(coin: CoinFacts, gates: Gates, /) -> bool:
    age = coin.as_of - coin.first_hour_at
    return age + AGE_TOLERANCE < timedelta(days=gates.min_age_days)


def _is_spread_wide(coin: CoinFacts, gates: Gates, /) -> bool:
    """An unknown spread does not refuse; it shows as a warning on the recommendation."""
    if coin.spread is None or coin.spread <= gates.max_spread:
        return False
    return coin.spread_ticks is None or coin.spread_ticks > gates.max_spread_ticks
