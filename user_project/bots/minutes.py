"""One price a minute of each watched market: what the crash brake looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from user_project.bots.models import PriceSample
from user_project.trading.orders import PriceQuote

MINUTE: Final = timedelta(minutes=1)
KEEP: Final = timedelta(hours=2)


def keep(*, host: str, quotes: Mapping[str, PriceQuote], now: datetime) -> None:
    """Store the minute's prices, those that are young enough to be of this minute."""
    minute = now.replace(second=0, microsecond=0)
    PriceSample.objects.bulk_create(
        (
            PriceSample(host=host, market=quote.market, at=minute, price=quote.price)
            for quote in quotes.values()
            if now - quote.received_at < MINUTE
        ),
        ignore_conflicts=True,
    )
    PriceSample.objects.filter(host=host, at__lt=minute - KEEP).delete()
