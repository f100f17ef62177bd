"""One coin's facts: the hours stored before the run began, and what the run added.

The stored hours of all coins are read once, by one COPY, while the first calls to the
exchange are under way. What a coin's own call brought is read when its turn has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from central_project.analysis.analyzers import CoinFacts
from central_project.analysis.candles import (
    CandleSeries,
    NotEnoughHistory,
    hourly_series,
)
from central_project.analysis.indicators import figures_of
from central_project.analysis.support import calculate_support_levels
from central_project.analysis.touches import TouchTable, calibration_of
from central_project.market.models import Candle, Coin, Unit, floor_to
from central_project.market.services.candles import (
    HOUR,
    empty_frame,
    read_frames,
    silent_hours,
)
from central_project.market.sources import Book, Ticker
from common.money import ticks_of

DAY: Final = timedelta(days=1)


class History:
    """The hours of all coins, kept up to date coin by coin."""

    def __init__(self, *, as_of: datetime, days: int) -> None:
        """Read every listed market's closed hours of the *days* before *as_of*."""
        self.as_of = as_of
        self._days = days
        self._this_hour = floor_to(moment=as_of, seconds=3600)
        self._since = self._this_hour - timedelta(days=days)
        # One day more: the close before the window fills a silent start.
        self._hours = read_frames(
            unit=Unit.HOUR,
            since=self._since - DAY,
            until=self._this_hour,
            markets=Coin.objects.filter(listed=True).values_list("market", flat=True),
        )
        self._minutes: dict[str, pd.DataFrame] = {}
        # Of hours that no coin has read yet nobody knows whether they were silent.
        self._maintenance = self._silent(_end(self._hours, self._since))
        self._touches = self._pooled()

    @property
    def markets(self) -> list[str]:
        """Return the markets with stored hours, by name."""
        return sorted(self._hours)

    def facts(self, *, coin: Coin, ticker: Ticker, book: Book | None) -> CoinFacts:
        """Return all that is known of a coin; raise NotEnoughHistory below 24 hours.

        Candles stored since the run began are read first.
        """
        self._renew(coin.market)
        return self._facts(coin, ticker, book)

    def again(self, *, coin: Coin, ticker: Ticker, book: Book | None) -> CoinFacts:
        """Return the facts once more, after `has_new_maintenance` was true."""
        return self._facts(coin, ticker, book)

    def has_new_maintenance(self) -> bool:
        """Look, with every coin's new hours, for hours in which no market traded.

        True = there are some that the facts so far do not know; they are known now.
        """
        before, self._maintenance = self._maintenance, self._silent(self._this_hour)
        return before != self._maintenance

    def _renew(self, market: str, /) -> None:
        """Read what a run can change: the last stored hour on, and the unfinished hour.

        A late trade changes the last closed hour.
        """
        known = self._hours.get(market)
        since = self._since - DAY if known is None else known["started_at"].iloc[-1]
        newer = read_frames(
            unit=Unit.HOUR, since=since, until=self._this_hour, markets=[market]
        ).get(market)
        if newer is not None:
            older = known.iloc[:-1] if known is not None else newer.iloc[:0]
            self._hours[market] = pd.concat([older, newer], ignore_index=True)
        self._minutes |= read_frames(
            unit=Unit.FIVE, since=self._this_hour, until=self.as_of, markets=[market]
        )

    def _facts(self, coin: Coin, ticker: Ticker, book: Book | None, /) -> CoinFacts:
        market, price = coin.market, ticker.price
        series = self._series(market, self._minutes)
        ticks = ticks_of(market=market)
        tick = ticks.tick_size(price=price)
        return CoinFacts(
            market=market,
            korean_name=coin.korean_name,
            english_name=coin.english_name,
            price=price,
            series=series,
            figures=figures_of(series=series),
            support=calculate_support_levels(
                series=series, price=price, ticks=ticks, touches=self._touches
            ),
            turnover_24h=ticker.turnover_24h,
            signed_change_rate=ticker.signed_change_rate,
            spread=_spread(book),
            spread_ticks=float((book.ask - book.bid) / tick) if book else None,
            depth_krw=float(book.depth_krw) if book else None,
            tick_share=float(tick / price),
            warning=coin.warning,
            cautions=tuple(coin.cautions),
            first_hour_at=_first_hour(market),
            as_of=self.as_of,
        )

    def _series(
        self, market: str, minutes: Mapping[str, pd.DataFrame], /
    ) -> CandleSeries:
        nothing = empty_frame()
        return hourly_series(
            market=market,
            hours=self._hours.get(market, nothing),
            five_minutes=minutes.get(market, nothing),
            now=self.as_of,
            days=self._days,
            maintenance=self._maintenance,
        )

    def _silent(self, until: datetime, /) -> list[datetime]:
        return silent_hours(frames=self._hours.values(), since=self._since, until=until)

    def _pooled(self) -> TouchTable:
        """Pool what all coins' stored hours say about levels, before the first's turn."""
        known = []
        for market in self.markets:
            with suppress(NotEnoughHistory):
                known.append(self._series(market, {}))
        return calibration_of(series=known)


def _end(hours: Mapping[str, pd.DataFrame], since: datetime, /) -> datetime:
    """Return the end of the newest hour that any market has; *since* without any."""
    ends = [rows["started_at"].iloc[-1].to_pydatetime() for rows in hours.values()]
    return max(ends) + HOUR if ends else since


def _first_hour(market: str, /) -> datetime:
    """Return the start of the oldest stored hour: the coin's age, at any length."""
    rows = Candle.objects.filter(market=market, unit=Unit.HOUR).order_by("started_at")
    first: datetime = rows.values_list("started_at", flat=True)[:1].get()
    return first


def _spread(book: Book | None, /) -> float | None:
    if book is None:
        return None
    return float((book.ask - book.bid) / ((book.ask + book.bid) / 2))
