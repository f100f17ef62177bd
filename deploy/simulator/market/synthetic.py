"""A synthetic market: correlated coins, moods, crashes, silent minutes; seeded, pure.

Path minute 0 is the start, when every coin has its seeded price. Days before and after
are blocks with random streams of their own, so any minute of any coin can be asked for
in any order and is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from zlib import crc32

import numpy as np

from common.money import ticks_of
from deploy.simulator.market.names import (
    CAUTIONED,
    COINS,
    MOST,
    PEGGED,
    WARNED,
    YOUNG,
    Coin,
    coins,
)
from deploy.simulator.market.path import (
    EMPTY,
    NO_EXTREMES,
    Cells,
    Extremes,
    Listing,
    extremes,
    joined,
)
from deploy.simulator.market.ticks import Floats, TickGrid

BLOCK = 1440
HISTORY_DAYS = 100
_FAR = 1_000_000  # random streams take no negative numbers; no path goes this far back
_FACTOR_DAILY = 0.022
_CRASHES_A_DAY = 0.04
_EVENTS_A_DAY = 0.03
_CACHED_BLOCKS = 200
_WICK = 0.6
"""Typical wick, in typical moves of a minute."""
_LONGEST_WICK = 7 * _WICK  # seven deviations: one draw in 400 billion is beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class _Character:
    """How one coin behaves under one seed; rates are per minute."""

    coin: Coin
    price: float
    beta: float
    sigma: float
    trade_rate: float
    """Chance that a minute sees a trade."""
    quote: float
    """KRW in a typical minute that trades."""
    ticks: TickGrid
    stream: int


class SyntheticMarket:
    """Every coin's path under one seed; a `PathSource`."""

    def __init__(self, *, seed: int, markets: int = len(COINS)) -> None:
        if seed < 0:
            raise ValueError(f"a seed must not be negative, got {seed}")
        if not 1 <= markets <= MOST:
            raise ValueError(f"there can be 1 to {MOST} markets, not {markets}")
        self._seed = seed
        chosen = coins(markets)
        self._coins = {f"KRW-{c.code}": _character(c, seed=seed) for c in chosen}
        self._listings = tuple(_listing(coin) for coin in chosen)
        self._steps: dict[str, dict[int, float]] = {m: {} for m in self._coins}
        self._offsets: dict[str, dict[int, float]] = {m: {0: 0.0} for m in self._coins}
        self._factor = lru_cache(maxsize=400)(self._make_factor)
        self._bounds = cache(self._make_bounds)
        self._block = lru_cache(maxsize=_CACHED_BLOCKS + 3 * markets)(self._make_block)

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Return all coins, the best known first."""
        return self._listings

    def first_minute(self, market: str) -> int:
        """Return the minute the coin was listed."""
        return -BLOCK * YOUNG.get(self._coins[market].coin.code, HISTORY_DAYS)

    def last_minute(self, market: str) -> int | None:
        """Return None: the path has no end."""
        return None

    def cells(self, market: str, first: int, last: int) -> Cells:
        """Return the minutes with trades in ``[first, last)``."""
        first = max(first, self.first_minute(market))
        if first >= last:
            return EMPTY
        blocks = range(first // BLOCK, -(-last // BLOCK))
        # From the start outwards: each day's price hangs on the days between.
        made = {b: self._block(market, b) for b in sorted(blocks, key=abs)}
        return joined([made[b] for b in blocks]).between(first, last)

    def extremes(self, market: str, first: int, last: int) -> Extremes:
        """Return the extremes of ``[first, last)``; few days need to be computed."""
        first = max(first, self.first_minute(market))
        blocks = range(first // BLOCK, -(-last // BLOCK)) if first < last else ()
        bounds = {b: self._bounds(market, b) for b in sorted(blocks, key=abs)}
        found = NO_EXTREMES
        for block, (_, most) in sorted(bounds.items(), key=lambda one: -one[1][1]):
            if most < found.high:
                break
            found = found.wider(self._extremes(market, block, first, last))
        for block, (least, _) in sorted(bounds.items(), key=lambda one: one[1][0]):
            if least > found.low:
                break
            found = found.wider(self._extremes(market, block, first, last))
        return found

    def _extremes(self, market: str, block: int, first: int, last: int) -> Extremes:
        begin = block * BLOCK
        cells = self._block(market, block).between(
            max(first, begin), min(last, begin + BLOCK)
        )
        return extremes(minute=cells.minute, high=cells.high, low=cells.low)

    def _make_bounds(self, market: str, block: int) -> tuple[float, float]:
        """Return prices that a day cannot have left, whatever its wicks."""
        who = self._coins[market]
        _, returns, mood = self._returns(market, block)
        start = self._offset(market, block) + np.log(who.price)
        closes = np.cumsum(returns)
        wick = _LONGEST_WICK * who.sigma * mood.max()
        low = start + min(closes.min(), 0) - wick
        high = start + max(closes.max(), 0) + wick
        ends = who.ticks.round(np.exp(np.array((low, high))))
        return ends.item(0), ends.item(1)

    def _make_factor(self, block: int) -> tuple[Floats, Floats]:
        """Return the whole market's returns and its mood, minute by minute."""
        rng = self._stream(1, block)
        mood = _mood(rng, level=self._daily_mood(block))
        returns = rng.standard_normal(BLOCK) * mood * _FACTOR_DAILY / BLOCK**0.5
        if rng.random() < _CRASHES_A_DAY:
            returns = returns + _shock(rng, size=-rng.uniform(0.06, 0.20))
        return returns, mood

    def _daily_mood(self, block: int) -> float:
        """Return a level that lasts for days: quiet weeks, nervous weeks."""
        draws = [self._stream(3, block - age).standard_normal() for age in range(4)]
        return float(0.35 * np.dot(draws, (0.7, 0.5, 0.4, 0.3)))

    def _returns(
        self, market: str, block: int
    ) -> tuple[np.random.Generator, Floats, Floats]:
        """Return one day's minute returns, their mood, and the stream after both."""
        who = self._coins[market]
        factor, market_mood = self._factor(block)
        rng = self._stream(2, block, who.stream)
        mood = _mood(rng, level=0.3 * rng.standard_normal()) * np.sqrt(market_mood)
        returns = rng.standard_normal(BLOCK) * mood * who.sigma + who.beta * factor
        if who.coin.code not in PEGGED and rng.random() < _EVENTS_A_DAY:
            size = rng.uniform(0.06, 0.22) * (1 if rng.random() < 0.6 else -1)
            returns = returns + _shock(rng, size=size)
        self._steps[market][block] = float(returns.sum())
        return rng, returns, mood

    def _step(self, market: str, block: int) -> float:
        if block not in self._steps[market]:
            self._returns(market, block)
        return self._steps[market][block]

    def _offset(self, market: str, block: int) -> float:
        """Return log price at the block's start over log price at minute 0."""
        known = self._offsets[market]
        missing = block
        while missing not in known:
            missing += 1 if missing < 0 else -1
        for b in range(missing + 1, block + 1):
            known[b] = known[b - 1] + self._step(market, b - 1)
        for b in range(missing - 1, block - 1, -1):
            known[b] = known[b + 1] - self._step(market, b)
        return known[block]

    def _make_block(self, market: str, block: int) -> Cells:
        who = self._coins[market]
        rng, returns, mood = self._returns(market, block)
        traded = np.flatnonzero(rng.random(BLOCK) < who.trade_rate * np.sqrt(mood))
        start = self._offset(market, block) + np.log(who.price)
        close = (start + np.cumsum(returns))[traded]
        returns, mood = returns[traded], mood[traded]
        wicks = np.abs(rng.standard_normal((2, len(traded)))) * mood * who.sigma * _WICK
        logs = np.stack((close - returns, close, close, close))
        logs[1] = np.maximum(logs[0], close) + wicks[0]
        logs[2] = np.minimum(logs[0], close) - wicks[1]
        opening, high, low, close = who.ticks.round(np.exp(logs))
        typical = (opening + high + low + close) / 4
        size = np.exp(0.9 * rng.standard_normal(len(traded)) - 0.4) * mood
        size *= 0.5 + 0.6 * np.abs(returns) / who.sigma
        volume = np.maximum(np.round(who.quote * size / typical, 8), 1e-8)
        minute = block * BLOCK + traded
        return Cells(minute, opening, high, low, close, volume, volume * typical)

    def _stream(self, kind: int, block: int, *more: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, kind, block + _FAR, *more])


def _mood(rng: np.random.Generator, *, level: float) -> Floats:
    """Return a volatility factor around 1 that clusters in hours and quarters of a day."""
    quarters, hours = np.repeat(rng.standard_normal(4), 6), rng.standard_normal(24)
    mood: Floats = np.exp(level + 0.3 * quarters + 0.25 * hours - 0.13)
    return np.repeat(mood, BLOCK // 24)


def _shock(rng: np.random.Generator, *, size: float) -> Floats:
    """Return the returns of a sudden move and of the partial way back, within a day."""
    start = int(rng.integers(60, 700))
    length = int(rng.integers(15, 60))
    back = int(rng.integers(180, 600))
    jump = float(np.log1p(size))
    returns = np.zeros(BLOCK)
    returns[start : start + length] = jump / length
    fading = np.exp(-np.arange(back) / (back / 3))
    share = rng.uniform(0.3, 0.7)
    returns[start + length : start + length + back] = (
        -jump * share * fading / fading.sum()
    )
    return returns


def _character(coin: Coin, *, seed: int) -> _Character:
    stream = crc32(coin.code.encode())
    rng = np.random.default_rng([seed, 0, stream])
    pegged = coin.code in PEGGED
    major = coin.turnover > 100_000
    level = float(np.exp(np.clip(rng.normal(0, 0.15), -0.3, 0.3)))
    price = coin.price * (1 if pegged else level)
    daily = 0.0015 if pegged else float(rng.uniform(0.012, 0.02 if major else 0.055))
    turnover = coin.turnover * 1e6 * float(np.exp(rng.normal(0, 0.3)))
    rate = float(np.clip(turnover / 6e9, 0.015, 1.0))
    return _Character(
        coin=coin,
        price=price,
        beta=0.01 if pegged else float(rng.uniform(0.7, 1.5)),
        sigma=daily / BLOCK**0.5,
        trade_rate=rate,
        quote=turnover / BLOCK / rate,
        ticks=TickGrid(ticks=ticks_of(market=f"KRW-{coin.code}")),
        stream=stream,
    )


def _listing(coin: Coin) -> Listing:
    return Listing(
        market=f"KRW-{coin.code}",
        korean_name=coin.korean,
        english_name=coin.english,
        warning=coin.code in WARNED,
        caution=CAUTIONED.get(coin.code, ()),
    )
