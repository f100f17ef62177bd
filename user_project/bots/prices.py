"""Last prices shared between the watcher and the workers, each with its age."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import redis
from django.utils import timezone

from common.money import plain
from user_project.bots.redis_client import shared_client
from user_project.exchanges.adapter import ExchangeAdapter, ExchangeError
from user_project.trading.decide import PRICE_MAX_AGE
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

KEY: Final = "du:prices:{host}"
"""One table a host: a price of one exchange never decides on another."""
FRESH_ENOUGH: Final = PRICE_MAX_AGE / 2
"""Older than this, a worker asks the exchange itself before deciding."""
KEEP: Final = timedelta(minutes=10)


def publish(*, host: str, quotes: Iterable[PriceQuote]) -> None:
    """Share quotes with the workers; without Redis each asks the exchange itself."""
    values = {quote.market: _text(quote) for quote in quotes}
    if not values:
        return
    try:
        pipe = shared_client().pipeline(transaction=False)
        key = KEY.format(host=host)
        pipe.hset(key, mapping=values)
        pipe.expire(key, KEEP)
        pipe.execute()
    except redis.RedisError as error:
        log.warning("prices were not shared, workers ask the exchange: %s", error)


def shared(*, host: str, market: str) -> PriceQuote | None:
    """Return the last shared quote of *market* on *host*, however old."""
    try:
        value = shared_client().hget(KEY.format(host=host), market)
    except redis.RedisError:
        return None
    return _quote(market, value) if isinstance(value, str) else None


def all_shared(*, host: str) -> dict[str, PriceQuote]:
    """Return the shared quotes of not long ago; raise RedisError when away.

    Redis forgets the table as a whole only: what nobody follows any more would stay
    in it and pass for a price of today.
    """
    values: Any = shared_client().hgetall(KEY.format(host=host))
    quotes = (_quote(market, value) for market, value in values.items())
    since = timezone.now() - KEEP
    return {quote.market: quote for quote in quotes if quote.received_at >= since}


def known(*, host: str) -> dict[str, PriceQuote]:
    """Return what is shared of *host*; nothing while Redis is away."""
    try:
        return all_shared(host=host)
    except redis.RedisError:
        return {}


def latest(
    *, adapter: ExchangeAdapter, host: str, market: str, now: datetime
) -> PriceQuote | None:
    """Return a quote young enough to decide on, asking the exchange if need be."""
    quote = shared(host=host, market=market)
    if quote is not None and now - quote.received_at <= FRESH_ENOUGH:
        return quote
    try:
        return adapter.get_prices(markets=[market]).get(market)
    except ExchangeError as error:
        log.warning("no price of %s: %s", market, error)
        return quote


def _text(quote: PriceQuote, /) -> str:
    """Write ``price|instant|close of the day before``, the last one empty if unknown."""
    close = "" if quote.previous_close is None else plain(quote.previous_close)
    return f"{plain(quote.price)}|{quote.received_at.isoformat()}|{close}"


def _quote(market: str, value: str, /) -> PriceQuote:
    price, received_at, *more = value.split("|")
    close = more[0] if more else ""
    return PriceQuote(
        market=market,
        price=Decimal(price),
        received_at=datetime.fromisoformat(received_at),
        previous_close=Decimal(close) if close else None,
    )
