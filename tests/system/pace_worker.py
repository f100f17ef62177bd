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

from tests.system.adapter_world import adapter_at, new_identifier
from user_project.exchanges.adapter import RateLimited
from user_project.trading.orders import OrderKind, OrderRequest, Side

MARKET = "KRW-BTC"


def main(url: str, redis_url: str, rounds: int) -> None:
    """Place an order, read it and the price, again and again."""
    met: Counter[str] = Counter()

    def insist(call: Callable[[], object]) -> None:
        while True:
            try:
                call()
            except RateLimited as error:
                met[error.name] += 1
                if error.name != "own_limit":
                    return
            else:
                return

    with closing(adapter_at(url, redis_url=redis_url, rate_factor=1)) as adapter:
        rules = adapter.get_rules(market=MARKET)
        price = adapter.get_prices(markets=[MARKET])[MARKET].price
        for _ in range(rounds):
            request = OrderRequest(
                identifier=new_identifier(),
                market=MARKET,
                side=Side.BID,
                kind=OrderKind.LIMIT,
                price=rules.floor_tick(price / 2),
                volume=Decimal("0.0002"),
            )
            insist(lambda request=request: adapter.place_limit_order(request=request))
            insist(
                lambda request=request: adapter.get_order(identifier=request.identifier)
            )
            insist(lambda: adapter.get_prices(markets=[MARKET]))
    sys.stdout.write(json.dumps(met))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
