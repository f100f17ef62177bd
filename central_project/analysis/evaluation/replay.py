"""The recommender of today on the candles of then: one past moment at a time.

Each moment sees only candles that had closed by then. What history does not tell stays
unknown and refuses nobody: order books (spread, depth) and the exchange's warning flags.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import pandas as pd

from central_project.analysis.analyzers import CoinFacts
from central_project.analysis.candles import (
    COLUMNS,
    DAY,
    CandleSeries,
    NotEnoughHistory,
    hourly_series,
)
from central_project.analysis.evaluation.panel import CoinView, Snapshot, StatedLevel
from central_project.analysis.indicators import figures_of
from central_project.analysis.recommender import CoinRecommender, ScoredCoin
from central_project.analysis.rounding import leave_float
from central_project.analysis.support import calculate_support_levels
from central_project.analysis.support_ground import HORIZONS
from central_project.analysis.touches import TouchTable, calibration_of
from common.money import WON, ticks_of
from common.wire import Level, SupportLevels

QUIET: Final = timedelta(days=1)
"""A coin without a candle for so long was no longer traded."""
PRICE_STEP: Final = Decimal("0.000000000001")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """All coins' candles, from which any past moment is recomputed."""

    histories: Mapping[str, _History]
    recommender: CoinRecommender
    days: int
    """Length of the history the analysis sees."""
    silent: pd.DatetimeIndex
    """Hours in which no coin traded: maintenance of the exchange."""

    def snapshots(self, moments: Collection[datetime], /) -> Iterator[Snapshot]:
        """Yield what would have been said at each of *moments*, oldest first."""
        incumbents: list[str] = []
        for moment in sorted(moments):
            coins = self._facts(moment)
            ranking = self.recommender.get_recommendations(
                coins=coins, incumbents=incumbents
            )
            incumbents = [one.symbol for one in ranking.recommendations]
            scored = {one.symbol: one for one in ranking.scored}
            views = [coin_view(coin, scored.get(coin.market)) for coin in coins]
            yield Snapshot(as_of=moment, coins=views)

    def _facts(self, moment: datetime, /) -> list[CoinFacts]:
        """Return what was known about every coin traded at *moment*."""
        found = {
            market: _series(market, history, self, moment)
            for market, history in self.histories.items()
        }
        series = {market: one for market, one in found.items() if one is not None}
        table = calibration_of(series=list(series.values()))
        return [
            _coin_facts(one, table, self.histories[market].starts[0], moment)
            for market, one in series.items()
        ]


def replay_of(
    *, frames: Mapping[str, pd.DataFrame], recommender: CoinRecommender, days: int
) -> Replay:
    """Prepare hourly *frames* (``started_at`` and COLUMNS), one per market."""
    histories = {
        market: _History.of(frame) for market, frame in frames.items() if len(frame)
    }
    seen = pd.DatetimeIndex([], tz="UTC")
    for history in histories.values():
        seen = seen.union(history.starts)
    grid = pd.date_range(seen[0], seen[-1], freq="h") if len(seen) else seen
    return Replay(
        histories=histories,
        recommender=recommender,
        days=days,
        silent=grid.difference(seen),
    )


@dataclass(frozen=True, kw_only=True)
class _History:
    """One coin's candles, oldest first."""

    frame: pd.DataFrame
    starts: pd.DatetimeIndex

    @classmethod
    def of(cls, frame: pd.DataFrame, /) -> _History:
        ordered = frame.sort_values("started_at")[["started_at", *COLUMNS]]
        starts = pd.DatetimeIndex(ordered["started_at"]).tz_convert("UTC")
        return cls(frame=ordered, starts=starts)

    def before(self, moment: datetime, /, *, days: int) -> pd.DataFrame:
        """Return the candles that closed by *moment*, one day more than *days*."""
        end = pd.Timestamp(moment) - pd.Timedelta(hours=1)
        first = self.starts.searchsorted(pd.Timestamp(moment) - (days + 1) * DAY)
        last = self.starts.searchsorted(end, side="right")
        return self.frame.iloc[first:last]


def _series(
    market: str, history: _History, replay: Replay, moment: datetime, /
) -> CandleSeries | None:
    """Return one coin's candles so far; None if it was not traded or is too young."""
    seen = history.before(moment, days=replay.days)
    if seen.empty or seen["started_at"].iloc[-1] < moment - QUIET:
        return None
    try:
        return hourly_series(
            market=market,
            hours=seen,
            five_minutes=seen.iloc[:0],
            now=moment,
            days=replay.days,
            maintenance=_between(replay.silent, seen["started_at"].iloc[0], moment),
        )
    except NotEnoughHistory:
        return None


def _between(
    hours: pd.DatetimeIndex, start: datetime, end: datetime, /
) -> list[datetime]:
    first, last = hours.searchsorted([pd.Timestamp(start), pd.Timestamp(end)])
    inside = hours[first:last]
    return [hour.to_pydatetime() for hour in inside]


def _coin_facts(
    series: CandleSeries,
    table: TouchTable,
    first_hour_at: pd.Timestamp,
    moment: datetime,
    /,
) -> CoinFacts:
    """Put the production functions together as a run does, with the last close as price."""
    market = series.market
    price = leave_float(float(series.frame["close"].iloc[-1]), step=PRICE_STEP)
    ticks = ticks_of(market=market)
    turnover = float(series.frame["quote_volume"].iloc[-24:].sum())
    return CoinFacts(
        market=market,
        korean_name=market,
        english_name=market,
        price=price,
        series=series,
        figures=figures_of(series=series),
        support=calculate_support_levels(
            series=series, price=price, ticks=ticks, touches=table
        ),
        turnover_24h=leave_float(turnover, step=WON),
        spread=None,
        spread_ticks=None,
        depth_krw=None,
        tick_share=float(ticks.tick_size(price=price) / price),
        warning=False,
        cautions=(),
        first_hour_at=first_hour_at.to_pydatetime(),
        as_of=moment,
    )


def coin_view(coin: CoinFacts, scored: ScoredCoin | None, /) -> CoinView:
    """Return what was said about one coin; *scored* is None if it did not pass the gates."""
    return CoinView(
        market=coin.market,
        price=float(coin.price),
        eligible=scored is not None,
        rank=scored.rank if scored else None,
        score=float(scored.score) if scored else None,
        parts=parts_of(scored.components) if scored else {},
        levels=stated_levels(coin.support),
    )


def parts_of(components: Mapping[str, Mapping[str, str | None]], /) -> dict[str, float]:
    """Return each factor's rank share and each analyzer's mean of them."""
    shares = {
        name: float(part["share"])
        for name, part in components.items()
        if part["share"] is not None
    }
    by_analyzer: dict[str, list[float]] = {}
    for name, share in shares.items():
        by_analyzer.setdefault(str(components[name]["analyzer"]), []).append(share)
    means = {f"={name}": sum(all_) / len(all_) for name, all_ in by_analyzer.items()}
    return means | shares


def stated_levels(support: SupportLevels, /) -> dict[Level, StatedLevel]:
    """Return the levels that could be given, with the probability stated for them."""
    return {
        level: StatedLevel(
            price=float(one.price),
            probability=None
            if one.touch_probability is None
            else float(one.touch_probability),
            days=one.touch_days or HORIZONS[level].touch_days,
        )
        for level, one in support.levels.items()
        if one.price is not None
    }
