"""Where market data comes from: the port, its values, and Upbit behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from central_project.market.quotation import Quotation, Usage, read_candles
from central_project.market.source_errors import (
    ImplausibleCandles,
    SourceError,
    UnknownMarket,
)
from common.money import NotADecimal, to_decimal

__all__ = [
    "Book",
    "CandleRow",
    "MarketInfo",
    "MarketSource",
    "SourceError",
    "Ticker",
    "UpbitSource",
    "Usage",
]

log = logging.getLogger(__name__)

BOOK_LEVELS: Final = 15
BOOK_BATCH: Final = 50
"""Markets per order book call: keeps the address below common length limits."""
MOST_UNKNOWN: Final = 3
"""Unknown markets that are looked for in one run's order books."""
MOST_CHANGE: Final = 1_000_000
"""No coin becomes so many times dearer in a day: such a rate is nonsense."""
_KST: Final = timedelta(hours=9)
_CODE: Final = re.compile(r"KRW-[A-Z0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class MarketInfo:
    """A listed KRW market and the exchange's flags on it."""

    market: str
    korean_name: str
    english_name: str
    warning: bool
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last price and rolling 24-hour turnover, both KRW."""

    price: Decimal
    turnover_24h: Decimal
    signed_change_rate: Decimal | None = None
    """Since the close at 09:00 in Korea, as a share of it; None when not told."""


@dataclass(frozen=True, slots=True)
class Book:
    """Best prices and the KRW within the best 15 levels of both sides."""

    bid: Decimal
    ask: Decimal
    depth_krw: Decimal


@dataclass(frozen=True, slots=True)
class CandleRow:
    """One candle as the exchange gave it; ``started_at`` is UTC."""

    started_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal


class MarketSource(Protocol):
    """What the pipeline needs of an exchange. Every method raises SourceError."""

    def markets(self) -> Sequence[MarketInfo]:
        """Return all KRW markets."""

    def tickers(self) -> dict[str, Ticker]:
        """Return the last price of every KRW market."""

    def books(self, *, markets: Sequence[str]) -> dict[str, Book]:
        """Return the order books that could be read."""

    def candles(
        self, *, market: str, unit: int, before: datetime, count: int
    ) -> list[CandleRow]:
        """Return up to *count* (1 to 200) candles that started before *before*, oldest first.

        Each is plausible and no start occurs twice; raises ImplausibleCandles otherwise.
        """

    def usage(self) -> Usage:
        """Return what this process asked so far, to be compared before and after."""


class UpbitSource:
    """Upbit's public quotation."""

    def __init__(self, *, quotation: Quotation) -> None:
        """Read through *quotation*, which knows address, pace and retries."""
        self._quotation = quotation

    def markets(self) -> list[MarketInfo]:
        """One call: all markets with their flags."""
        rows = _rows(self._quotation.get("market/all", is_details="true"))
        with _usable("the list of markets"):
            infos = {row["market"]: _info(row) for row in rows if _is_krw(row)}
        if not infos:
            raise SourceError("the exchange listed no KRW market")
        return list(infos.values())

    def tickers(self) -> dict[str, Ticker]:
        """One call for the whole KRW market; a market without a price is left out."""
        body = self._quotation.get("ticker/all", quote_currencies="KRW")
        rows = _rows(body, needed=("trade_price", "acc_trade_price_24h"))
        with _usable("the list of prices"):
            tickers = {
                row["market"]: Ticker(
                    price=to_decimal(row["trade_price"]),
                    turnover_24h=to_decimal(row["acc_trade_price_24h"]),
                    signed_change_rate=_rate(row.get("signed_change_rate")),
                )
                for row in rows
                if _is_krw(row) and row["trade_price"]
            }
        if not tickers:
            raise SourceError("the exchange gave no price")
        return {name: one for name, one in tickers.items() if one.price > 0}

    def books(self, *, markets: Sequence[str]) -> dict[str, Book]:
        """One call for each 50 markets; an empty book is left out.

        The exchange refuses a whole call for one market it does not know (delisted since
        the list was read): that one is looked for by halves and left out.
        """
        books: dict[str, Book] = {}
        waiting = [
            markets[start : start + BOOK_BATCH]
            for start in range(0, len(markets), BOOK_BATCH)
        ]
        unknown: list[str] = []
        while waiting:
            batch = waiting.pop()
            try:
                books |= self._books(batch)
            except UnknownMarket:
                half = len(batch) // 2
                unknown += batch if not half else []
                waiting += [batch[:half], batch[half:]] if half else []
            if len(unknown) > MOST_UNKNOWN:
                raise UnknownMarket(f"the exchange does not know {', '.join(unknown)}")
        if unknown:
            log.warning("market.books.unknown: %s", ", ".join(unknown))
        return books

    def _books(self, markets: Sequence[str], /) -> dict[str, Book]:
        rows = _rows(self._quotation.get("orderbook", markets=",".join(markets)))
        with _usable("an order book"):
            return {row["market"]: _book(row) for row in rows if _has_both_sides(row)}

    def candles(
        self, *, market: str, unit: int, before: datetime, count: int
    ) -> list[CandleRow]:
        """One call; ``before`` is always explicit, so a forming candle can be kept out."""
        frame = read_candles(
            self._quotation,
            market=market,
            unit=unit,
            count=count,
            to=before.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
        with _usable(f"a candle of {market}"):
            rows = [_candle(row) for row in frame.itertuples(name=None)]
        return _checked(rows, market, unit, before)

    def usage(self) -> Usage:
        """Return the counters of the wire."""
        return self._quotation.usage


@contextmanager
def _usable(what: str, /) -> Iterator[None]:
    """Turn what a strange answer does to a reader into a SourceError."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as bad:
        raise SourceError(f"{what} is not usable: {type(bad).__name__}: {bad}") from bad


def _checked(
    rows: Sequence[CandleRow], market: str, unit: int, before: datetime, /
) -> list[CandleRow]:
    """Return the rows, each start once; raise ImplausibleCandles for what cannot be true."""
    once = {row.started_at: row for row in rows}
    for row in rows:
        if (why := _flaw(row, unit, before)) or once[row.started_at] != row:
            raise ImplausibleCandles(
                f"{market}: the candle of {row.started_at:%Y-%m-%d %H:%M} UTC"
                f" {why or 'was given twice, and differently'}; nothing of the answer is"
                " kept, the next run asks again"
            )
    return list(once.values())


def _flaw(row: CandleRow, unit: int, before: datetime, /) -> str | None:
    """Say why a candle cannot be true; None = it can."""
    ends = (row.open, row.close)
    if row.low > row.high:
        return f"has its high {row.high} below its low {row.low}"
    if not 0 < row.low <= min(ends) or max(ends) > row.high:
        return "has a price outside its range"
    if row.volume < 0 or row.quote_volume < 0:
        return "has a negative volume"
    if row.started_at >= before:
        return f"comes from the future: it was asked for before {before:%H:%M}"
    if row.started_at.timestamp() % (unit * 60):
        return f"does not start at a full {unit} minutes"
    return None


def _rows(body: Any, /, *, needed: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return *body* if it is a list of objects that have ``market`` and the *needed*."""
    if not isinstance(body, list):
        raise SourceError(f"expected a list, got {str(body)[:200]}")
    keys = {"market", *needed}
    for row in body:
        if not isinstance(row, dict) or not keys <= row.keys():
            raise SourceError(f"{sorted(keys)} expected in {str(row)[:200]}")
    return body


def _rate(value: Any, /) -> Decimal | None:
    """Read what is only shown: nonsense there must not cost the run its prices."""
    try:
        rate = to_decimal(value)
    except NotADecimal:
        return None
    return rate if -1 <= rate < MOST_CHANGE else None


def _is_krw(row: dict[str, Any], /) -> bool:
    return _CODE.fullmatch(str(row["market"])) is not None


def _info(row: dict[str, Any], /) -> MarketInfo:
    event = row.get("market_event") or {}
    cautions = event.get("caution") or {}
    return MarketInfo(
        market=row["market"],
        korean_name=row.get("korean_name") or row["market"],
        english_name=row.get("english_name") or row["market"],
        warning=bool(event.get("warning")),
        cautions=tuple(sorted(name for name, is_set in cautions.items() if is_set)),
    )


def _has_both_sides(row: dict[str, Any], /) -> bool:
    units = row.get("orderbook_units") or []
    return bool(units) and bool(units[0]["ask_price"]) and bool(units[0]["bid_price"])


def _book(row: dict[str, Any], /) -> Book:
    levels = row["orderbook_units"][:BOOK_LEVELS]
    sides = (("ask_price", "ask_size"), ("bid_price", "bid_size"))
    return Book(
        bid=to_decimal(levels[0]["bid_price"]),
        ask=to_decimal(levels[0]["ask_price"]),
        depth_krw=sum(
            (
                to_decimal(level[price]) * to_decimal(level[size])
                for level in levels
                for price, size in sides
            ),
            Decimal(0),
        ),
    )


def _candle(row: tuple[Any, ...], /) -> CandleRow:
    # pyupbit's index is Korean time without a zone.
    started_at = (row[0].to_pydatetime() - _KST).replace(tzinfo=UTC)
    return CandleRow(started_at, *(_number(value) for value in row[1:7]))


def _number(value: Any, /) -> Decimal:
    # A column of whole numbers becomes numpy integers in pyupbit's frame.
    return to_decimal(int(value) if hasattr(value, "dtype") else value)
