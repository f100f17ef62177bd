"""One price a minute of each watched market: what the crash brake looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from user_project.bots.models import Brake, PriceSample
from user_project.trading.brake import LOOK_BACK, Sample, assess
from user_project.trading.orders import PriceQuote

MINUTE: Final = timedelta(minutes=1)
KEEP: Final = timedelta(hours=2)


def keep(*, host: str, quotes: Mapping[str, PriceQuote], now: datetime) -> None:
    """Store the prices that are of this minute, and what they mean for the brake."""
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
    _judge(host=host, now=now)


def _judge(*, host: str, now: datetime) -> None:
    rows = PriceSample.objects.filter(host=host, at__gte=now - LOOK_BACK)
    samples = [
        Sample(market=market, at=at, price=price)
        for market, at, price in rows.values_list("market", "at", "price")
    ]
    state = assess(samples=samples, now=now)
    Brake.objects.update_or_create(
        host=host,
        defaults={"until": state.until, "reason": state.reason, "updated_at": now},
    )
