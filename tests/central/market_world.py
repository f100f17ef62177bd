"""An exchange in memory for the pipeline, and rows of a published run for the API."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from central_project.market.models import (
    AnalysisRun,
    Coin,
    Publication,
    Recommendation,
    RunState,
    ScoreSettings,
    SupportLevel,
)
from central_project.market.sources import (
    Book,
    CandleRow,
    MarketInfo,
    SourceError,
    Ticker,
    Usage,
)

NOW = datetime(2026, 11, 23, 9, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIVE = timedelta(minutes=5)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MARKETS = tuple(
    f"KRW-{code}"
    for code in (
        "BTC",
        "ETH",
        "XRP",
        "SOL",
        "DOGE",
        "ADA",
        "TRX",
        "LINK",
        "AVAX",
        "DOT",
    )
)


def price_at(market: str, moment: datetime) -> Decimal:
    """Return a smooth, market-specific path with waves of hours and days."""
    hours, phase = (moment - EPOCH) / HOUR, sum(market.encode()) % 17
    wave = (
        0.05 * math.sin(hours / 31 + phase)
        + 0.02 * math.sin(hours / (5 + phase / 9))
        + 0.004 * math.sin(hours * 3.1 + phase)
    )
    return Decimal(round(10_000 * (1 + phase) * (1 + wave)))


@lru_cache(maxsize=100_000)
def five_minutes(market: str, started_at: datetime) -> CandleRow:
    """Return one 5-minute candle of the path."""
    opening = price_at(market, started_at)
    closing = price_at(market, started_at + FIVE)
    volume = Decimal("1000.5")
    return CandleRow(
        started_at=started_at,
        open=opening,
        high=max(opening, closing) + 3,
        low=min(opening, closing) - 3,
        close=closing,
        volume=volume,
        quote_volume=volume * opening,
    )


@lru_cache(maxsize=100_000)
def hour_of(market: str, started_at: datetime) -> CandleRow:
    """Return the hour that the twelve 5-minute candles make."""
    parts = [five_minutes(market, started_at + i * FIVE) for i in range(12)]
    return CandleRow(
        started_at=started_at,
        open=parts[0].open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=parts[-1].close,
        volume=sum((part.volume for part in parts), Decimal(0)),
        quote_volume=sum((part.quote_volume for part in parts), Decimal(0)),
    )


class MemorySource:
    """A MarketSource without a network; counts its calls and fails where told."""

    def __init__(
        self, *, now: datetime = NOW, markets: Iterable[str] = MARKETS
    ) -> None:
        self.now = now
        self.listed = list(markets)
        self.born: dict[str, datetime] = {}
        self.silent_hours: set[datetime] = set()
        self.quiet: dict[str, set[datetime]] = {}
        self.late: dict[str, dict[datetime, datetime]] = {}
        self.empty_answers = 0
        self.broken: set[str] = set()
        self.is_down = False
        self.calls: Counter[str] = Counter()
        self.asked: list[tuple[str, int, datetime, int]] = []
        self.before_candles: Callable[[], None] = lambda: None

    def markets(self) -> list[MarketInfo]:
        self._check("markets")
        return [
            MarketInfo(
                market=market,
                korean_name=f"코인 {market[4:]}",
                english_name=market[4:],
                warning=False,
                cautions=(),
            )
            for market in self.listed
        ]

    def tickers(self) -> dict[str, Ticker]:
        self._check("tickers")
        return {
            market: Ticker(
                price=price_at(market, self.now),
                turnover_24h=Decimal(5_000_000_000),
                signed_change_rate=Decimal("0.0125"),
            )
            for market in self.listed
        }

    def books(self, *, markets: Collection[str]) -> dict[str, Book]:
        self._check("books")
        books = {}
        for market in markets:
            price = price_at(market, self.now)
            books[market] = Book(bid=price, ask=price + 10, depth_krw=Decimal(10**9))
        return books

    def candles(
        self, *, market: str, unit: int, before: datetime, count: int
    ) -> list[CandleRow]:
        self._check("candles")
        self.before_candles()
        self.asked.append((market, unit, before, count))
        if market in self.broken:
            raise SourceError(f"{market} is broken")
        assert 1 <= count <= 200
        if self.empty_answers:
            self.empty_answers -= 1
            return []
        step, make = (FIVE, five_minutes) if unit == 5 else (HOUR, hour_of)
        oldest = self.born.get(market, EPOCH)
        rows: list[CandleRow] = []
        moment = EPOCH + math.ceil((before - EPOCH) / step) * step - step
        while len(rows) < count and moment >= oldest:
            if self._is_there(market, moment):
                rows.append(make(market, moment))
            moment -= step
        return rows[::-1]

    def _is_there(self, market: str, moment: datetime) -> bool:
        hour = moment.replace(minute=0)
        return (
            hour not in self.silent_hours
            and hour not in self.quiet.get(market, ())
            and self.late.get(market, {}).get(moment, EPOCH) <= self.now
        )

    def usage(self) -> Usage:
        return Usage(calls=self.calls.total())

    def _check(self, call: str) -> None:
        self.calls[call] += 1
        if self.is_down:
            raise SourceError("the exchange is down")


def levels(price: int) -> dict[str, dict[str, object]]:
    """Return three levels below *price* as the support rows keep them."""
    return {
        name: {"horizon_days": days, "price": str(price * share // 100), "reason": None}
        for name, days, share in (
            ("aggressive", 7, 95),
            ("moderate", 30, 90),
            ("conservative", 90, 80),
        )
    }


def publish_run(
    *,
    now: datetime,
    symbols: Iterable[str] = MARKETS,
    valid_for: timedelta = timedelta(minutes=15),
) -> AnalysisRun:
    """Store a published run with one recommendation and one support row a symbol."""
    run = AnalysisRun.objects.create(
        window_start=now.replace(second=0, microsecond=0),
        state=RunState.PUBLISHED,
        started_at=now,
        data_as_of=now,
        published_at=now,
        valid_until=now + valid_for,
        next_run_at=now + timedelta(minutes=5),
        market_status={
            "phase": "normal",
            "breadth": "0.5",
            "coins_analysed": 10,
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
        universe_size=12,
        excluded_count=2,
        settings=ScoreSettings.objects.latest("pk"),
    )
    for rank, symbol in enumerate(symbols, 1):
        Coin.objects.get_or_create(
            market=symbol, defaults={"korean_name": symbol, "english_name": symbol}
        )
        SupportLevel.objects.create(
            run=run,
            market=symbol,
            price=1000 * rank,
            levels=levels(1000 * rank),
            aggressive=950 * rank,
            moderate=900 * rank,
            conservative=800 * rank,
        )
        Recommendation.objects.create(
            run=run,
            rank=rank,
            market=symbol,
            korean_name=f"코인 {rank}",
            english_name=symbol[4:],
            price=1000 * rank,
            score=Decimal(90 - rank),
            scores=dict.fromkeys(("technical", "volume", "volatility", "risk"), "50.5"),
            reasons=[
                {"code": "RSI_LOW", "ko": "RSI 27: 과매도", "en": "RSI 27: oversold"}
            ],
            metrics={"rsi": "27.1"},
        )
    Publication.objects.update(current=run)
    return run
