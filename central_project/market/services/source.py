"""The composition root of the pipeline: the exchange that settings name."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from central_project.market.limiter import CallLimiter
from central_project.market.quotation import Quotation
from central_project.market.sources import MarketSource, UpbitSource


@cache
def exchange_source() -> MarketSource:
    """Return Upbit at ``UPBIT_BASE_URL``, one per process."""
    limiter = CallLimiter(
        redis_url=settings.REDIS_URL, rate_factor=settings.RATE_FACTOR
    )
    return UpbitSource(
        quotation=Quotation(base_url=settings.UPBIT_BASE_URL, limiter=limiter)
    )
