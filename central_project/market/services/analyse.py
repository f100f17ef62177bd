"""Second step: stored candles and fresh prices to levels, scores and the market's mood.

A thin adapter: all judgement is in `central_project.analysis`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
from django.db.models import Min

from central_project.analysis.analyzers import (
    ANALYZERS,
    CoinFacts,
)
from central_project.analysis.candles import (
    CandleSeries,
    NotEnoughHistory,
    hourly_series,
)
from central_project.analysis.indicators import figures_of
from central_project.analysis.market_status import market_status
from central_project.analysis.recommender import (
    CoinRecommender,
    Gates,
    Ranking,
    Weights,
)
from central_project.analysis.support import calculate_support_levels
from central_project.analysis.touches import TouchTable, calibration_of
from central_project.market.models import (
    Candle,
    Coin,
    Publication,
    Recommendation,
    ScoreSettings,
    Unit,
    floor_to,
)
from central_project.market.services.candles import (
    empty_frame,
    read_frames,
    silent_hours,
)
from central_project.market.services.collect import Collected
from central_project.market.sources import Book
from common.money import ticks_of
from common.wire import MarketStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """The results of one run, not yet visible to anybody."""

    facts: list[CoinFacts]
    ranking: Ranking
    status: MarketStatus
    excluded: dict[str, str]
    """Every listed market that is not ranked, with its reason."""
    failed: dict[str, str]
    settings: ScoreSettings


def current_settings() -> ScoreSettings:
    """Return the weights and gates in force: the newest row."""
    return ScoreSettings.objects.latest("pk")


def recommender_of(*, settings: ScoreSettings) -> CoinRecommender:
    """Build the recommender; raise InvalidSettings if the row cannot be meant."""
    return CoinRecommender(
        analyzers=ANALYZERS,
        weights=Weights(
            technical=settings.technical,
            volume=settings.volume,
            volatility=settings.volatility,
            risk=settings.risk,
            version=settings.version,
        ),
        gates=Gates(
            min_turnover_24h=settings.min_turnover_24h,
            min_age_days=settings.min_age_days,
            max_spread=settings.max_spread,
            max_tick_share=settings.max_tick_share,
            max_missing=settings.max_missing,
        ),
    )


def analyse(
    *, collected: Collected, history_days: int, beat: Callable[[], None]
) -> Analysed:
    """Compute everything one run publishes; one coin's failure stops nobody else."""
    settings = current_settings()
    recommender = recommender_of(settings=settings)
    failed = dict(collected.failed)
    unready: dict[str, str] = {}
    facts: list[CoinFacts] = []
    for coin, build in _builders(collected, history_days):
        beat()
        try:
            facts.append(build())
        except NotEnoughHistory:
            unready[coin.market] = "NOT_ENOUGH_HISTORY"
        except Exception:
            log.exception("analysis of %s failed", coin.market)
            failed[coin.market] = "ANALYSIS_FAILED"
    banned = {coin.market for coin in collected.coins if coin.excluded}
    ranking = recommender.get_recommendations(
        coins=[fact for fact in facts if fact.market not in banned],
        incumbents=_incumbents(),
    )
    status = market_status(
        figures={fact.market: fact.figures for fact in facts},
        coins_failed=len(failed),
        pipeline="ok",
        exchange="ok",
    )
    return Analysed(
        facts=facts,
        ranking=ranking,
        status=status,
        excluded=unready
        | dict(ranking.excluded)
        | dict.fromkeys(banned, "EXCLUDED_BY_OPERATOR")
        | failed,
        failed=failed,
        settings=settings,
    )


def _builders(
    collected: Collected, history_days: int, /
) -> list[tuple[Coin, Callable[[], CoinFacts]]]:
    """Read all candles in two queries; return what remains to be computed per coin."""
    this_hour = floor_to(moment=collected.as_of, seconds=3600)
    since = this_hour - timedelta(days=history_days)
    # One day more: the close before the window fills a silent start.
    hours = read_frames(
        unit=Unit.HOUR, since=since - timedelta(days=1), until=this_hour
    )
    minutes = read_frames(unit=Unit.FIVE, since=this_hour, until=collected.as_of)
    maintenance = silent_hours(frames=hours.values(), since=since, until=this_hour)
    first_hours = _first_hours()
    touches = _touch_table(hours, maintenance, collected.as_of, history_days)
    builders = []
    for coin in collected.coins:
        if coin.market in collected.failed:
            continue
        desk = _Desk(
            collected, hours, minutes, maintenance, first_hours, history_days, touches
        )
        builders.append((coin, desk.builder(coin)))
    return builders


@dataclass(frozen=True)
class _Desk:
    """All inputs of one run, from which one coin's facts are built."""

    collected: Collected
    hours: Mapping[str, pd.DataFrame]
    minutes: Mapping[str, pd.DataFrame]
    maintenance: list[datetime]
    first_hours: Mapping[str, datetime]
    history_days: int
    touches: TouchTable

    def builder(self, coin: Coin, /) -> Callable[[], CoinFacts]:
        return lambda: self._facts(coin)

    def _facts(self, coin: Coin, /) -> CoinFacts:
        market, ticker = coin.market, self.collected.tickers[coin.market]
        series = self._series(market)
        ticks = ticks_of(market=market)
        tick = ticks.tick_size(price=ticker.price)
        book = self.collected.books.get(market)
        return CoinFacts(
            market=market,
            korean_name=coin.korean_name,
            english_name=coin.english_name,
            price=ticker.price,
            series=series,
            figures=figures_of(series=series),
            support=calculate_support_levels(
                series=series, price=ticker.price, ticks=ticks, touches=self.touches
            ),
            turnover_24h=ticker.turnover_24h,
            spread=_spread(book),
            spread_ticks=float((book.ask - book.bid) / tick) if book else None,
            depth_krw=float(book.depth_krw) if book else None,
            tick_share=float(tick / ticker.price),
            warning=coin.warning,
            cautions=tuple(coin.cautions),
            first_hour_at=self.first_hours[market],
            as_of=self.collected.as_of,
        )

    def _series(self, market: str, /) -> CandleSeries:
        nothing = empty_frame()
        return hourly_series(
            market=market,
            hours=self.hours.get(market, nothing),
            five_minutes=self.minutes.get(market, nothing),
            now=self.collected.as_of,
            days=self.history_days,
            maintenance=self.maintenance,
        )


def _touch_table(
    hours: Mapping[str, pd.DataFrame],
    maintenance: list[datetime],
    as_of: datetime,
    history_days: int,
    /,
) -> TouchTable:
    """Pool what all coins' stored hours say about levels, before the first coin's turn."""
    known = []
    for market, rows in hours.items():
        with suppress(NotEnoughHistory):
            known.append(
                hourly_series(
                    market=market,
                    hours=rows,
                    five_minutes=empty_frame(),
                    now=as_of,
                    days=history_days,
                    maintenance=maintenance,
                )
            )
    return calibration_of(series=known)


def _spread(book: Book | None, /) -> float | None:
    if book is None:
        return None
    return float((book.ask - book.bid) / ((book.ask + book.bid) / 2))


def _first_hours() -> dict[str, datetime]:
    rows = Candle.objects.filter(unit=Unit.HOUR).order_by("market").values("market")
    return {
        row["market"]: row["first"] for row in rows.annotate(first=Min("started_at"))
    }


def _incumbents() -> list[str]:
    """Return the markets recommended by the run that readers get now."""
    current = Publication.objects.values("current")
    return list(
        Recommendation.objects.filter(run__in=current).values_list("market", flat=True)
    )
