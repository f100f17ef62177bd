"""Buy, rest a sell order above the market, take it back and sell: ccxt.

pip install ccxt
python docs/examples/ccxt_bot.py --base-url http://127.0.0.1:9000
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import ccxt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--base-url", default="http://127.0.0.1:9000")
parser.add_argument("--access-key", default="paper-access")
parser.add_argument("--secret-key", default="paper-secret-paper-secret-paper-secret")
parser.add_argument("--symbol", default="BTC/KRW")
options = parser.parse_args()


def main() -> None:
    exchange = ccxt.upbit({"apiKey": options.access_key, "secret": options.secret_key})
    # All that has to change: ccxt adds /v1 by itself.
    exchange.urls["api"] = {"public": options.base_url, "private": options.base_url}

    print(f"{len(exchange.load_markets())} markets")
    bought = ended(
        exchange,
        exchange.create_order(
            options.symbol, "market", "buy", None, None, {"cost": 10_000}
        ),
    )
    # ccxt calls a filled market buy "canceled"; what was filled is what counts.
    print(f"bought {bought['filled']} at {bought['average']} ({bought['status']})")

    # ccxt knows no won ticks and sends any price: round it to the market's grid.
    target = exchange.fetch_ticker(options.symbol)["last"] * 1.1 // 10_000 * 10_000
    resting = exchange.create_order(
        options.symbol, "limit", "sell", bought["filled"], target
    )
    print(f"{len(exchange.fetch_open_orders(options.symbol))} order rests at {target}")
    exchange.cancel_order(resting["id"])
    ended(exchange, resting)

    sold = ended(
        exchange,
        exchange.create_order(options.symbol, "market", "sell", bought["filled"]),
    )
    print(f"sold {sold['filled']} at {sold['average']}")
    print(f"{exchange.fetch_balance()['KRW']['total']} won are left")


def ended(exchange: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Wait until an order is no longer open: the first answer is an acceptance only."""
    while order["status"] == "open":
        time.sleep(0.1)
        order = exchange.fetch_order(order["id"])
    return order


if __name__ == "__main__":
    main()
