"""Which exchanges there are; a new one is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from user_project.exchanges.adapter import ExchangeAdapter
from user_project.exchanges.limiter import RateLimiter

EXCHANGES: Final = {"upbit": "user_project.exchanges.upbit.UpbitAdapter"}


class UnknownExchange(ValueError):
    """No adapter of that name; EXCHANGES lists those there are."""


def build_adapter(
    *,
    exchange: str,
    base_url: str,
    access_key: str,
    secret_key: str,
    rate_factor: float,
    redis_url: str,
    pocket: str,
) -> ExchangeAdapter:
    """Build an adapter; with empty keys only public data can be read."""
    if exchange not in EXCHANGES:
        raise UnknownExchange(f"{exchange!r} is none of {', '.join(sorted(EXCHANGES))}")
    module, _, name = EXCHANGES[exchange].rpartition(".")
    adapter = getattr(import_module(module), name)(
        base_url=base_url,
        access_key=access_key,
        secret_key=secret_key,
        limiter=RateLimiter(
            redis_url=redis_url, pocket=pocket, rate_factor=rate_factor
        ),
    )
    return cast(ExchangeAdapter, adapter)
