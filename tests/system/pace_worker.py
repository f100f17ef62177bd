"""One of several worker processes that trade as fast as the limiter lets them.

``python -m tests.system.pace_worker URL REDIS_URL ROUNDS``: prints what it met.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial

from tests.system.adapter_world import adapter_at, new_identifier
from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.upbit import UpbitAdapter
from user_project.trading.orders import OrderKind, OrderRequest, Side

MARKET = "KRW-BTC"
READS = 3


def main(url: str, redis_url: str, rounds: int) -> None:
    """Place orders, read them, read prices: one group after the other, at full speed."""
    met: Counter[str] = Counter()
    with closing(adapter_at(url, redis_url=redis_url, rate_factor=1)) as adapter:
        requests = [order(adapter) for _ in range(rounds)]
        for request in requests:
            insist(partial(adapter.place_limit_order, request=request), met)
        for request in requests * READS:
            insist(partial(adapter.get_order, identifier=request.identifier), met)
        for _ in requests:
            insist(partial(adapter.get_prices, markets=[MARKET]), met)
    sys.stdout.write(json.dumps(met))


def order(adapter: UpbitAdapter) -> OrderRequest:
    """Return a small buy far below the market."""
    price = adapter.get_rules(market=MARKET).ticks.floor(price=Decimal(50_000_000))
    return OrderRequest(
        identifier=new_identifier(),
        market=MARKET,
        side=Side.BID,
        kind=OrderKind.LIMIT,
        price=price,
        volume=Decimal("0.0002"),
    )


def insist(call: Callable[[], object], met: Counter[str]) -> None:
    """Call again while it is our own turn that is missing; note every refusal."""
    while True:
        try:
            call()
        except RateLimited as error:
            met[error.name] += 1
            if error.name == "own_limit":
                continue
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
