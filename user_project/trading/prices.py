"""Where the stages lie: log-spaced prices on tick between price and support."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import Final

from common.money import MarketRules
from user_project.trading.amounts import PRECISE

MIN_GAP: Final = Decimal("0.003")
"""Smallest step between neighbours, as a share of the upper price."""
MIN_GAP_TICKS: Final = 2
MIN_GAP_FEES: Final = 3
"""A step is also worth so many round-trip fees."""
_SNAP: Final = Context(prec=40)
_XI_BYTES: Final = 7
_XI_RANGE: Final = Decimal(2 ** (8 * _XI_BYTES))


def calculate_intervals(
    *,
    current_price: Decimal,
    support_level: Decimal,
    stages: int,
    rules: MarketRules,
    gamma: Decimal = Decimal(1),
    jitter: Decimal = Decimal(0),
    seed: bytes | None = None,
) -> tuple[Decimal, ...]:
    """Return stage prices (KRW per coin), the first at the current price.

    Fewer than *stages* where neighbours would come too close; empty when the support
    is not below the price. Jitter moves a stage by up to that share of its smaller
    gap; the last one only upwards, so none lies below the support.
    """
    with localcontext(PRECISE):
        top = rules.floor_tick(current_price)
        bottom = rules.ceil_tick(support_level)
        if bottom >= top:
            return ()
        depth = (top / bottom).ln()
        for count in range(stages, 1, -1):
            shares: Sequence[Decimal] = _shares(count, gamma)
            if jitter:
                shares = _jittered(shares, jitter, _required(seed))
            prices = _prices(top, depth, shares, rules)
            if prices:
                return prices
        return (top,)


def smallest_gap(*, price: Decimal, rules: MarketRules) -> Decimal:
    """Return the smallest step (KRW) that may lie between *price* and the next stage."""
    share = max(MIN_GAP, MIN_GAP_FEES * (rules.bid_fee + rules.ask_fee))
    return max(price * share, MIN_GAP_TICKS * rules.tick_size(price))


def is_apart(*, upper: Decimal, lower: Decimal, rules: MarketRules) -> bool:
    """Tell whether two neighbouring prices keep the smallest gap."""
    return upper - lower >= smallest_gap(price=upper, rules=rules)


def make_seed(
    *, secret: bytes, bot_id: str, cycle: int, time_bucket: int, run_id: str
) -> bytes:
    """Return the jitter seed of one plan: HMAC-SHA256 over what identifies it."""
    text = f"{bot_id}|{cycle}|{time_bucket}|{run_id}"
    return hmac.digest(secret, text.encode(), hashlib.sha256)


def start_delay_seconds(*, seed: bytes, maximum: int = 60) -> int:
    """Return 0..*maximum* seconds to wait before stage 1, so that bots do not herd."""
    number = int.from_bytes(hmac.digest(seed, b"start", hashlib.sha256)[:8], "big")
    return number % (maximum + 1)


@lru_cache(maxsize=256)
def _shares(count: int, gamma: Decimal) -> tuple[Decimal, ...]:
    """Return each stage's share of the way down, 0 to 1.

    Kept, for a power of 60 digits costs more than all else, and few are ever asked for.
    """
    with localcontext(PRECISE):
        return tuple((Decimal(n) / (count - 1)) ** gamma for n in range(count))


def _jittered(shares: Sequence[Decimal], jitter: Decimal, seed: bytes) -> list[Decimal]:
    last = len(shares) - 1
    moved = list(shares)
    for number in range(1, last):
        room = min(
            shares[number] - shares[number - 1], shares[number + 1] - shares[number]
        )
        moved[number] += jitter * room * _xi(seed, number)
    room = shares[last] - shares[last - 1]
    moved[last] -= jitter * room * (_xi(seed, last) + 1) / 2
    return moved


def _xi(seed: bytes, number: int) -> Decimal:
    """Return this stage's fixed pseudo-random number in [-1, 1)."""
    digest = hmac.digest(seed, str(number).encode(), hashlib.sha256)
    return Decimal(int.from_bytes(digest[:_XI_BYTES], "big")) / _XI_RANGE * 2 - 1


def _prices(
    top: Decimal, depth: Decimal, shares: Sequence[Decimal], rules: MarketRules
) -> tuple[Decimal, ...]:
    """Return the prices from above, or none as soon as two come too close."""
    prices: list[Decimal] = []
    for share in shares:
        # Snapping first keeps a price that is exactly on tick from losing a whole tick
        # to the last digit of the exponential.
        price = rules.floor_tick(_SNAP.plus(top * (-share * depth).exp()))
        if prices and not is_apart(upper=prices[-1], lower=price, rules=rules):
            return ()
        prices.append(price)
    return tuple(prices)


def _required(seed: bytes | None) -> bytes:
    if not seed:
        raise ValueError("jitter needs a seed, or the plan could not be recomputed")
    return seed
