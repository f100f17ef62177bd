"""Where market data comes from: the port, its values, and Upbit behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from central_project.market.quotation import Quotation, SourceError, read_candles
from common.money import to_decimal

__all__ = [
    "Book",
    "CandleRow",
    "MarketInfo",
    "MarketSource",
    "SourceError",
    "Ticker",
    "UpbitSource",
]

BOOK_LEVELS: Final = 15
BOOK_BATCH: Final = 50
"""Markets per order book call: keeps the address below common length limits."""
_KST: Final = timedelta(hours=9)


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
        """Return up to *count* (1 to 200) candles that started before *before*, oldest first."""


class UpbitSource:
    """Upbit's public quotation."""

    def __init__(self, *, quotation: Quotation) -> None:
        """Read through *quotation*, which knows address, pace and retries."""
        self._quotation = quotation

    def markets(self) -> list[MarketInfo]:
        """One call: all markets with their flags."""
        rows = self._quotation.get("market/all", is_details="true")
        infos = [_info(row) for row in _rows(rows) if _is_krw(row)]
        if not infos:
            raise SourceError("the exchange listed no KRW market")
        return infos

    def tickers(self) -> dict[str, Ticker]:
        """One call for the whole KRW market."""
        rows = self._quotation.get("ticker/all", quote_currencies="KRW")
        return {
            row["market"]: Ticker(
                price=to_decimal(row["trade_price"]),
                turnover_24h=to_decimal(row["acc_trade_price_24h"]),
            )
            for row in _rows(rows, needed=("trade_price", "acc_trade_price_24h"))
            if _is_krw(row) and row["trade_price"]
        }

    def books(self, *, markets: Sequence[str]) -> dict[str, Book]:
        """One call for each 50 markets; an empty book is left out."""
        books: dict[str, Book] = {}
        for start in range(0, len(markets), BOOK_BATCH):
            batch = ",".join(markets[start : start + BOOK_BATCH])
            rows = _rows(self._quotation.get("orderbook", markets=batch))
            books |= {row["market"]: _book(row) for row in rows if _has_both_sides(row)}
        return books

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
        try:
            return [_candle(row) for row in frame.itertuples(name=None)]
        except (ValueError, TypeError) as error:
            raise SourceError(f"{market}: a candle is not usable: {error}") from error


def _rows(body: Any, /, *, needed: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return *body* if it is a list of objects that have ``market`` and the *needed*."""
    if not isinstance(body, list):
        raise SourceError(f"expected a list, got {str(body)[:200]}")
    keys = {"market", *needed}
    for row in body:
        if not isinstance(row, dict) or not keys <= row.keys():
            raise SourceError(f"{sorted(keys)} expected in {str(row)[:200]}")
    return body


def _is_krw(row: dict[str, Any], /) -> bool:
    return str(row["market"]).startswith("KRW-")


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
