"""Rest an order, watch it on the private stream, cancel it: AsyncUpbit.

pip install upbit-sdk
python docs/examples/upbit_sdk_async_bot.py --base-url http://127.0.0.1:9000
"""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal

from upbit import AsyncUpbit

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--base-url", default="http://127.0.0.1:9000")
parser.add_argument("--access-key", default="paper-access")
parser.add_argument("--secret-key", default="paper-secret-paper-secret-paper-secret")
parser.add_argument("--market", default="KRW-BTC")
options = parser.parse_args()


async def main() -> None:
    async with AsyncUpbit(
        access_key=options.access_key,
        secret_key=options.secret_key,
        base_url=options.base_url,  # the WebSocket's address follows from it
        max_retries=0,
    ) as client:
        (ticker,), (rules,) = await asyncio.gather(
            client.tickers.list_by_trading_pairs(markets=options.market),
            client.orderbooks.list_instruments(markets=options.market),
        )
        price = low_price(str(ticker.trade_price), str(rules.tick_size))
        async with client.ws_stream.my_order([options.market]) as events:
            order = await client.orders.create(
                market=options.market,
                side="bid",
                ord_type="limit",
                price=f"{price:f}",
                volume=f"{10_000 / price:.8f}",
            )
            async for event in events:
                print(f"{event.state}: {event.remaining_volume} of {event.volume} left")
                if event.uuid == order.uuid and event.state == "wait":
                    await client.orders.cancel(uuid=order.uuid)
                if event.uuid == order.uuid and event.state in ("done", "cancel"):
                    break


def low_price(last: str, tick: str) -> Decimal:
    """Return a price on the grid about a tenth below the last one."""
    # Below, the ticks may be finer; ten of today's fit any grid nearby.
    step = Decimal(tick) * 10
    return Decimal(last) * Decimal("0.9") // step * step


if __name__ == "__main__":
    asyncio.run(main())
