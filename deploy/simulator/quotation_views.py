"""Upbit's JSON of market data: values are numbers, times of day UTC and KST."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import numpy as np

from common.money import plain, ticks_of
from deploy.simulator.bars import Bars
from deploy.simulator.clock import MINUTE_MS
from deploy.simulator.order_views import SEOUL
from deploy.simulator.path import Listing
from deploy.simulator.tape import Tape
from deploy.simulator.ticks import TickGrid
from deploy.simulator.venue import exact

Json = dict[str, Any]
CAUTIONS = (
    *("PRICE_FLUCTUATIONS", "TRADING_VOLUME_SOARING", "DEPOSIT_AMOUNT_SOARING"),
    *("GLOBAL_PRICE_DIFFERENCES", "CONCENTRATION_OF_SMALL_ACCOUNTS"),
)
BOOK_LEVELS = 30
_KST_MINUTES = 540


def market_view(listing: Listing, *, details: bool) -> Json:
    """Return one row of the market list."""
    view: Json = {
        "market": listing.market,
        "korean_name": listing.korean_name,
        "english_name": listing.english_name,
    }
    if details:
        view["market_event"] = {
            "warning": listing.warning,
            "caution": {name: name in listing.caution for name in CAUTIONS},
        }
    return view


def _stamps(bars: Bars, *, ahead: int = 0) -> list[str]:
    times = (bars.minute + ahead).astype("datetime64[m]").astype("datetime64[s]")
    return [str(text) for text in np.datetime_as_string(times)]


def minute_candles(*, market: str, unit: int, bars: Bars) -> list[Json]:
    """Return candles of *unit* minutes, newest first."""
    rows = [{**row, "unit": unit} for row in _candles(market, bars)]
    return rows[::-1]


def day_candles(
    *, market: str, bars: Bars, before: Bars, converted: str | None
) -> list[Json]:
    """Return day candles, newest first; *before* = the bar before the oldest, if any."""
    rows = _candles(market, bars)
    previous = float(before.close[-1]) if len(before) else None
    for row in rows:
        close = row["trade_price"]
        base = row["opening_price"] if previous is None else previous
        row["prev_closing_price"] = base
        row["change_price"] = round(close - base, 8)
        row["change_rate"] = round((close - base) / base, 10)
        if converted is not None:
            row["converted_trade_price"] = close
        previous = close
    return rows[::-1]


def _candles(market: str, bars: Bars) -> list[Json]:
    columns = (
        *(_stamps(bars), _stamps(bars, ahead=_KST_MINUTES)),
        *(bars.open.tolist(), bars.high.tolist(), bars.low.tolist()),
        *(bars.close.tolist(), bars.last_ms.tolist()),
        *(np.round(bars.quote, 5).tolist(), np.round(bars.volume, 8).tolist()),
    )
    return [
        {
            "market": market,
            "candle_date_time_utc": utc,
            "candle_date_time_kst": kst,
            "opening_price": opening,
            "high_price": high,
            "low_price": low,
            "trade_price": close,
            "timestamp": last_ms,
            "candle_acc_trade_price": quote,
            "candle_acc_trade_volume": volume,
        }
        for utc, kst, opening, high, low, close, last_ms, quote, volume in zip(
            *columns, strict=True
        )
    ]


def ticker_view(tape: Tape, *, now_ms: int) -> Json | None:
    """Return a market's ticker, or None before its first trade."""
    last, forming = tape.present(now_ms=now_ms)
    if not len(last):
        return None
    day = tape.day(now_ms=now_ms)
    price, at_ms = float(last.close[-1]), int(last.last_ms[-1])
    known = [bars for bars in (day.today, forming) if len(bars)]
    # A day without a trade so far shows its last price all over, as the exchange does.
    opening = float(known[0].open[0]) if known else price
    highest = max((float(bars.high[0]) for bars in known), default=price)
    lowest = min((float(bars.low[0]) for bars in known), default=price)
    previous = opening if math.isnan(day.previous_close) else day.previous_close
    quote = sum(float(bars.quote[0]) for bars in known)
    volume = sum(float(bars.volume[0]) for bars in known)
    more_quote = float(forming.quote.sum())
    more_volume = float(forming.volume.sum())
    return {
        "market": tape.market,
        **_trade_times(at_ms),
        "opening_price": opening,
        "high_price": highest,
        "low_price": lowest,
        "trade_price": price,
        "prev_closing_price": previous,
        **_change(price, previous),
        "trade_volume": round(float(last.volume[-1]), 8),
        "acc_trade_price": round(quote, 5),
        "acc_trade_price_24h": round(day.quote_24h + more_quote, 5),
        "acc_trade_volume": round(volume, 8),
        "acc_trade_volume_24h": round(day.volume_24h + more_volume, 8),
        **_year(tape, highest, lowest, now_ms),
        "timestamp": now_ms,
    }


def _trade_times(at_ms: int) -> Json:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    korean = at.astimezone(SEOUL)
    return {
        "trade_date": f"{at:%Y%m%d}",
        "trade_time": f"{at:%H%M%S}",
        "trade_date_kst": f"{korean:%Y%m%d}",
        "trade_time_kst": f"{korean:%H%M%S}",
        "trade_timestamp": at_ms,
    }


def _change(price: float, previous: float) -> Json:
    signed = round(price - previous, 8)
    rate = round(signed / previous, 10)
    word = "RISE" if signed > 0 else "FALL" if signed < 0 else "EVEN"
    return {
        "change": word,
        "change_price": abs(signed),
        "change_rate": abs(rate),
        "signed_change_price": signed,
        "signed_change_rate": rate,
    }


def _year(tape: Tape, highest: float, lowest: float, now_ms: int) -> Json:
    day, now = tape.day(now_ms=now_ms), now_ms // MINUTE_MS
    high, high_at = max((highest, now), (day.year_high, day.year_high_minute))
    low, low_at = min((lowest, now), (day.year_low, day.year_low_minute))
    return {
        "highest_52_week_price": high,
        "highest_52_week_date": _date(high_at),
        "lowest_52_week_price": low,
        "lowest_52_week_date": _date(low_at),
    }


def _date(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d}"


def orderbook_view(
    tape: Tape, *, grid: TickGrid, levels: int, now_ms: int
) -> Json | None:
    """Return a book around the last price; thin coins have wide and shallow ones."""
    last = tape.last(at_ms=now_ms)
    if not len(last):
        return None
    price = float(last.close[-1])
    turnover = tape.day(now_ms=now_ms).quote_24h
    tick = float(ticks_of(market=tape.market).tick_size(price=exact(price)))
    gap = int(np.clip(3e9 / max(turnover, 1.0), 1, 5))
    asks = np.unique(grid.round(price + tick * np.arange(2.0 * levels)))[:levels]
    below = price - tick * np.arange(float(gap), gap + levels)
    bids = np.unique(grid.round(below[below > tick / 2]))[::-1]
    depth = min(len(asks), len(bids))
    sizes = _sizes(tape.market, now_ms, turnover, price, depth)
    units = [
        {"ask_price": ask, "bid_price": bid, "ask_size": more, "bid_size": less}
        for ask, bid, more, less in zip(
            *(asks[:depth].tolist(), bids[:depth].tolist(), *sizes.tolist()),
            strict=True,
        )
    ]
    return {
        "market": tape.market,
        "timestamp": now_ms,
        "total_ask_size": round(float(sizes[0].sum()), 8),
        "total_bid_size": round(float(sizes[1].sum()), 8),
        "orderbook_units": units,
        "level": 0,
    }


def _sizes(
    market: str, now_ms: int, turnover: float, price: float, depth: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return ask and bid sizes, coins: about a minute's turnover on each level."""
    rng = np.random.default_rng([crc32(market.encode()), now_ms // 1000])
    typical = max(turnover, 1e6) / 1440 / price
    return np.maximum(np.round(typical * rng.lognormal(0, 0.6, (2, depth)), 8), 1e-8)


def instrument_view(tape: Tape, *, now_ms: int) -> Json | None:
    """Return a market's tick at its present price; strings, as the exchange sends."""
    last = tape.last(at_ms=now_ms)
    if not len(last):
        return None
    price = exact(float(last.close[-1]))
    tick = ticks_of(market=tape.market).tick_size(price=price)
    return {
        "market": tape.market,
        "quote_currency": "KRW",
        "tick_size": plain(tick),
        "supported_levels": ["0"],
    }
