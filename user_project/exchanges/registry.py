"""Which exchanges there are, and how to reach one: a new one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from user_project.exchanges.adapter import ExchangeAdapter

EXCHANGES: Final = {"upbit": "user_project.exchanges.upbit.UpbitAdapter"}


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
    """Return an adapter; empty keys allow the public calls only."""
    module, _, name = EXCHANGES[exchange].rpartition(".")
    adapter: ExchangeAdapter = getattr(import_module(module), name)(
        base_url=base_url,
        access_key=access_key,
        secret_key=secret_key,
        rate_factor=rate_factor,
        redis_url=redis_url,
        pocket=pocket,
    )
    return adapter
