"""Market data as stream messages: the REST side's figures under the stream's names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from deploy.simulator.house import House
from deploy.simulator.market.clock import MINUTE_MS
from deploy.simulator.market.feed import Book
from deploy.simulator.market.path import Listing
from deploy.simulator.market.periods import minutes
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.book_views import orderbook_view
from deploy.simulator.rest.candle_views import minute_candles, second_candles
from deploy.simulator.rest.order_views import Json
from deploy.simulator.rest.quotation_views import trade_rows
from deploy.simulator.rest.ticker_views import ticker_view
from deploy.simulator.streams.asked import CANDLE_UNITS

_TICKER: Final = (
    *("opening_price", "high_price", "low_price", "trade_price", "prev_closing_price"),
    *("acc_trade_price", "change", "change_price", "signed_change_price"),
    *("change_rate", "signed_change_rate", "ask_bid", "trade_volume"),
    *("acc_trade_volume", "trade_date", "trade_time", "trade_timestamp"),
    *("acc_ask_volume", "acc_bid_volume", "highest_52_week_price"),
    *("highest_52_week_date", "lowest_52_week_price", "lowest_52_week_date"),
    *("market_state", "is_trading_suspended", "delisting_date", "market_warning"),
    *("timestamp", "acc_trade_price_24h", "acc_trade_volume_24h", "stream_type"),
)
_ORDERBOOK: Final = (
    *("timestamp", "total_ask_size", "total_bid_size", "orderbook_units"),
    *("stream_type", "level"),
)
_CANDLE: Final = (
    *("candle_date_time_utc", "candle_date_time_kst"),
    *("opening_price", "high_price", "low_price", "trade_price"),
    *("candle_acc_trade_volume", "candle_acc_trade_price"),
    *("timestamp", "stream_type"),
)
"""Fields after type and code, in the exchange's order."""
_MOST_CANDLES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicData:
    """One market's messages; *kind* is their stream type, SNAPSHOT or REALTIME."""

    house: House
    tape: Tape
    listing: Listing

    @property
    def market(self) -> str:
        """Return the market's code."""
        return self.tape.market

    def ticker(self, *, kind: str, now_ms: int) -> Json | None:
        """Return the ticker, or None before the first trade."""
        row = ticker_view(self.tape, now_ms=now_ms)
        if row is None:
            return None
        condition = self.house.conditions.of(market=self.market)
        warned = condition.warning
        # Nobody keeps apart what buyers and what sellers traded: each has half.
        asked = round(row["acc_trade_volume"] / 2, 8)
        row |= {
            "ask_bid": _side(self.tape.before(at_ms=now_ms).bid),
            "acc_ask_volume": asked,
            "acc_bid_volume": round(row["acc_trade_volume"] - asked, 8),
            "market_state": "DELISTED" if condition.delisted else "ACTIVE",
            "is_trading_suspended": condition.offline,
            "delisting_date": _day(condition.delisting_date),
            "market_warning": "CAUTION"
            if (self.listing.warning if warned is None else warned)
            else "NONE",
            "stream_type": kind,
        }
        return self._message("ticker", row, _TICKER)

    def has_traded(self, *, after_ms: int, until_ms: int) -> bool:
        """Tell whether there are trades in ``(after_ms, until_ms]``."""
        return len(self.tape.trades(after_ms=after_ms, until_ms=until_ms)) > 0

    def trades(self, *, after_ms: int, until_ms: int, kind: str) -> list[Json]:
        """Return the trades in ``(after_ms, until_ms]``, oldest first."""
        rows = trade_rows(self.tape, after_ms=after_ms, until_ms=until_ms)
        more = self._best(until_ms) | {"stream_type": kind}
        return [self._trade(row) | more for row in rows]

    def last_trade(self, *, kind: str, now_ms: int) -> Json | None:
        """Return the last trade, or None before the first."""
        at_ms = self.tape.before(at_ms=now_ms).at_ms
        rows = trade_rows(self.tape, after_ms=at_ms - 1, until_ms=at_ms)
        if not rows:
            return None
        return self._trade(rows[-1]) | self._best(now_ms) | {"stream_type": kind}

    def _trade(self, row: Json) -> Json:
        change = row["change_price"]
        return {
            "type": "trade",
            "code": self.market,
            "timestamp": row["timestamp"],
            "trade_date": row["trade_date_utc"],
            "trade_time": row["trade_time_utc"],
            "trade_timestamp": row["timestamp"],
            "trade_price": row["trade_price"],
            "trade_volume": row["trade_volume"],
            "ask_bid": row["ask_bid"],
            "prev_closing_price": row["prev_closing_price"],
            "change": "RISE" if change > 0 else "FALL" if change < 0 else "EVEN",
            "change_price": abs(change),
            "sequential_id": row["sequential_id"],
        }

    def _best(self, now_ms: int) -> Json:
        """Return the first level of the book, as each trade shows it."""
        book = self.tape.book(at_ms=now_ms)
        ask, bid = book.asks[0], book.bids[0]
        return {
            "best_ask_price": float(ask.price),
            "best_ask_size": float(ask.size),
            "best_bid_price": float(bid.price),
            "best_bid_size": float(bid.size),
        }

    def book(self, *, now_ms: int) -> Book:
        """Return the book; the same value until it changes."""
        return self.tape.book(at_ms=now_ms)

    def orderbook(
        self, *, depth: int, level: Decimal, kind: str, now_ms: int
    ) -> Json | None:
        """Return *depth* levels of the book, or None where there is no such *level*."""
        row = orderbook_view(self.tape, now_ms=now_ms, levels=depth, level=level)
        if row is None:
            return None
        return self._message("orderbook", row | {"stream_type": kind}, _ORDERBOOK)

    def candles(
        self, *, type: str, since_ms: int | None, kind: str, now_ms: int
    ) -> list[Json]:
        """Return the candles with trades from *since_ms* on, oldest first.

        None: the newest candle alone.
        """
        unit_ms = CANDLE_UNITS[type] * 1000
        passed_ms = 0 if since_ms is None else now_ms - since_ms // unit_ms * unit_ms
        count = min(passed_ms // unit_ms + 1, _MOST_CANDLES)
        rows = [
            self._message(type, row | {"stream_type": kind}, _CANDLE)
            for row in self._candle_rows(CANDLE_UNITS[type], count, now_ms)
        ]
        return [row for row in rows if since_ms is None or row["timestamp"] >= since_ms]

    def _candle_rows(self, seconds: int, count: int, now_ms: int) -> list[Json]:
        history = self.tape.history
        if seconds == 1:
            bars = history.seconds(before_ms=now_ms + 1, count=count, now_ms=now_ms)
            return second_candles(market=self.market, bars=bars)[::-1]
        unit = seconds // 60
        bars = history.candles(
            period=minutes(unit),
            before=now_ms // MINUTE_MS + 1,
            count=count,
            now_ms=now_ms,
        )
        return minute_candles(market=self.market, unit=unit, bars=bars)[::-1]

    def _message(self, kind: str, row: Json, names: tuple[str, ...]) -> Json:
        message: Json = {"type": kind, "code": self.market}
        return message | {name: row[name] for name in names}


def _side(bid: bool) -> str:
    return "BID" if bid else "ASK"


def _day(text: str | None) -> Json | None:
    if text is None:
        return None
    day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    return {"year": day.year, "month": day.month, "day": day.day}
