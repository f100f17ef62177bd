"""The crash brake: what the local market did in the last minutes, nothing of central.

A fall of 3 % within a quarter of an hour of the leading coin, or of most watched coins
at once, forbids new stages for half an hour after it was last true.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

LEADER: Final = "KRW-BTC"
FALL: Final = Decimal("0.03")
WITHIN: Final = timedelta(minutes=15)
HOLD: Final = timedelta(minutes=30)
LEAST_MARKETS: Final = 5
BREADTH: Final = Decimal("0.8")
"""More than this share of the watched coins fell."""
LOOK_BACK: Final = WITHIN + HOLD
"""Older samples decide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A market's price (KRW) at a minute."""

    market: str
    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeState:
    """Until when no new stage is bought, and why; None where nothing forbids it."""

    until: datetime | None = None
    reason: str = ""


def assess(*, samples: Sequence[Sample], now: datetime) -> BrakeState:
    """Return the brake that *samples* of the last three quarters of an hour ask for."""
    markets = _by_market(samples, since=now - LOOK_BACK, until=now)
    found = [
        (at, reason)
        for at in sorted({at for prices in markets.values() for at in prices})
        if at + HOLD > now and (reason := _fell(markets, at))
    ]
    if not found:
        return BrakeState()
    at, reason = found[-1]
    return BrakeState(until=at + HOLD, reason=reason)


Prices = Mapping[datetime, Decimal]


def _by_market(
    samples: Sequence[Sample], *, since: datetime, until: datetime
) -> dict[str, dict[datetime, Decimal]]:
    markets: dict[str, dict[datetime, Decimal]] = defaultdict(dict)
    for sample in samples:
        if since <= sample.at <= until:
            markets[sample.market][sample.at] = sample.price
    return markets


def _fell(markets: Mapping[str, Prices], at: datetime) -> str:
    """Say what fell up to the instant *at*; empty if nothing did enough."""
    falls = {
        market: fall
        for market, prices in markets.items()
        if (fall := _fall(prices, at)) is not None
    }
    leader = falls.get(LEADER, Decimal(0))
    if leader >= FALL:
        return f"{LEADER} 15분 안에 {leader * 100:.1f}% 하락"
    fallen = sum(fall >= FALL for fall in falls.values())
    if len(falls) >= LEAST_MARKETS and fallen > BREADTH * len(falls):
        return f"지켜보는 {len(falls)}개 코인 중 {fallen}개가 15분 안에 3% 넘게 하락"
    return ""


def _fall(prices: Prices, at: datetime) -> Decimal | None:
    """Return the share lost since the highest price of the quarter of an hour before."""
    if at not in prices:
        return None
    highest = max(price for when, price in prices.items() if at - WITHIN <= when <= at)
    return 1 - prices[at] / highest
