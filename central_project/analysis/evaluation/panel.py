"""What was said: scores, levels and probabilities by date and coin, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from central_project.analysis.evaluation.inference import Floats, Integers
from central_project.analysis.evaluation.prices import PriceHistory
from common.wire import Level


@dataclass(frozen=True, kw_only=True)
class StatedLevel:
    """A support level as it was given out."""

    price: float
    probability: float | None
    """Stated chance that the level is touched within *days*; None: nothing was said."""
    days: int


@dataclass(frozen=True, kw_only=True)
class CoinView:
    """One coin in one snapshot."""

    market: str
    price: float
    eligible: bool
    """It passed the gates: it belongs to the universe the list was chosen from."""
    rank: int | None = None
    """Place by the recommender, 1 is best; None if not ranked or not kept."""
    score: float | None = None
    parts: Mapping[str, float]
    """Scores by analyzer and rank shares by factor; higher is said to be better."""
    levels: Mapping[Level, StatedLevel]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything said at one moment."""

    as_of: datetime
    coins: Sequence[CoinView]


@dataclass(frozen=True, kw_only=True)
class LevelPanel:
    """One kind of level: prices and stated probabilities, dates x coins, NaN = none."""

    price: Floats
    probability: Floats
    days: int


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All snapshots, dates x coins; coins are those of the price history."""

    as_of: tuple[datetime, ...]
    rows: Integers
    """First hour of each date's future in the price history."""
    step_days: int
    price: Floats
    eligible: Floats
    """1 where the coin passed the gates and has a price, else 0."""
    rank: Floats
    score: Floats
    parts: Mapping[str, Floats]
    levels: Mapping[Level, LevelPanel]

    @property
    def days(self) -> Integers:
        """Return the day number of each date."""
        return np.array([moment.toordinal() for moment in self.as_of], dtype=np.int64)

    def windows(self, days: int, /) -> int:
        """Return how many dates one outcome window of *days* spans."""
        return -(-days // self.step_days)


def panel_of(
    *, snapshots: Sequence[Snapshot], prices: PriceHistory, step_days: int
) -> Panel:
    """Arrange *snapshots* by date and coin; coins without any price are left out."""
    ordered = sorted(snapshots, key=lambda one: one.as_of)
    column = {market: n for n, market in enumerate(prices.markets)}
    shape = (len(ordered), len(column))
    cells = [
        (date, column[coin.market], coin)
        for date, snapshot in enumerate(ordered)
        for coin in snapshot.coins
        if coin.market in column
    ]

    def table(read: Callable[[CoinView], float | None]) -> Floats:
        values = np.full(shape, np.nan)
        for date, place, coin in cells:
            value = read(coin)
            if value is not None:
                values[date, place] = value
        return values

    names = sorted({name for _, _, coin in cells for name in coin.parts})
    return Panel(
        as_of=tuple(one.as_of for one in ordered),
        rows=np.array([prices.row(one.as_of) for one in ordered], dtype=np.int64),
        step_days=step_days,
        price=table(lambda coin: coin.price),
        eligible=np.nan_to_num(table(lambda coin: float(coin.eligible))),
        rank=table(lambda coin: coin.rank),
        score=table(lambda coin: coin.score),
        parts={name: table(_part(name)) for name in names},
        levels={level: _level(level, cells, shape) for level in Level},
    )


def _part(name: str, /) -> Callable[[CoinView], float | None]:
    return lambda coin: coin.parts.get(name)


def _level(
    level: Level, cells: list[tuple[int, int, CoinView]], shape: tuple[int, int], /
) -> LevelPanel:
    price, probability = np.full(shape, np.nan), np.full(shape, np.nan)
    days = 0
    for date, place, coin in cells:
        stated = coin.levels.get(level)
        if stated is None:
            continue
        days = stated.days
        price[date, place] = stated.price
        if stated.probability is not None:
            probability[date, place] = stated.probability
    return LevelPanel(price=price, probability=probability, days=days)
