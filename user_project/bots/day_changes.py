"""How far ranked coins have moved since 09:00 in Korea (전일대비)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.conf import settings

from common.wire import Recommendation
from user_project.bots import prices
from user_project.trading.orders import PriceQuote, trading_day

METRIC: Final = "signed_change_rate"
"""Named by central as by the exchange; an older central does not tell it."""


def day_changes(
    *, coins: Iterable[Recommendation], told_at: datetime | None, now: datetime
) -> dict[str, Decimal]:
    """Return the change of each coin (by symbol) of which it is known.

    The watcher follows bots' coins only, so of the others central's word of *told_at*
    counts, until at 09:00 another close becomes the last one.
    """
    quotes = prices.known(host=settings.UPBIT_BASE_URL)
    found = {
        coin.symbol: _change(coin, quotes.get(coin.symbol), told_at=told_at, now=now)
        for coin in coins
    }
    return {symbol: change for symbol, change in found.items() if change is not None}


def _change(
    coin: Recommendation,
    quote: PriceQuote | None,
    /,
    *,
    told_at: datetime | None,
    now: datetime,
) -> Decimal | None:
    """Take the quote's change if it is the younger word."""
    if told_at is None:
        return None
    if quote is not None and quote.received_at >= told_at:
        live = quote.day_change(now=now)
        if live is not None:
            return live
    same_day = trading_day(told_at) == trading_day(now)
    return coin.metrics.get(METRIC) if same_day else None
