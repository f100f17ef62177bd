"""Read candles and prices, buy and sell: pyupbit, with its address turned round.

    pip install pyupbit
    python docs/examples/pyupbit_bot.py --base-url http://127.0.0.1:9000

pyupbit fixes Upbit's address in every method. All its calls pass through one module,
and the object put there also brings the time-out that the library lacks.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace
from typing import Any

import pyupbit
import requests
from pyupbit import request_api

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--base-url", default="http://127.0.0.1:9000")
parser.add_argument("--access-key", default="paper-access")
parser.add_argument("--secret-key", default="paper-secret-paper-secret-paper-secret")
parser.add_argument("--market", default="KRW-BTC")
options = parser.parse_args()


def turned(method: str) -> Any:
    """Return requests.get and so on, for another host."""

    def call(url: str, **arguments: Any) -> requests.Response:
        here = url.replace("https://api.upbit.com", options.base_url)
        return requests.request(method, here, timeout=10, **arguments)

    return call


def main() -> None:
    request_api.requests = SimpleNamespace(
        get=turned("GET"), post=turned("POST"), delete=turned("DELETE")
    )
    hours = pyupbit.get_ohlcv(options.market, interval="minute60", count=48)
    print(f"{len(hours)} hours, the last one closed at {hours['close'].iloc[-2]}")
    print(f"now {pyupbit.get_current_price(options.market)}")

    upbit = pyupbit.Upbit(options.access_key, options.secret_key)
    order = ended(upbit, upbit.buy_market_order(options.market, 10_000))
    print(f"bought {order['executed_volume']} ({order['state']})")
    order = ended(
        upbit, upbit.sell_market_order(options.market, order["executed_volume"])
    )
    print(f"sold {order['executed_volume']} ({order['state']})")
    print(f"{upbit.get_balance('KRW')} won are left")


def ended(upbit: Any, order: Any) -> dict[str, Any]:
    """Wait until an order is no longer open.

    pyupbit answers None for most failures and an error as if it were an order for the
    rest, so both have to be told from an order.
    """
    while order is not None and "error" not in order:
        if order["state"] != "wait":
            return dict(order)
        time.sleep(0.1)
        order = upbit.get_order(order["uuid"])
    raise SystemExit(f"no order: {order}")


if __name__ == "__main__":
    main()
