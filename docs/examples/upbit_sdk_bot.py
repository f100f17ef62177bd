"""Buy, wait for what was bought, and sell it again: upbit-sdk against the simulator.

pip install upbit-sdk
python docs/examples/upbit_sdk_bot.py --base-url http://127.0.0.1:9000
"""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import Any
from uuid import uuid4

from upbit import APIConnectionError, InternalServerError, NotFoundError, Upbit
from upbit.types.order import Order

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--base-url", default="http://127.0.0.1:9000")
parser.add_argument("--access-key", default="paper-access")
parser.add_argument("--secret-key", default="paper-secret-paper-secret-paper-secret")
parser.add_argument("--market", default="KRW-BTC")
options = parser.parse_args()


def main() -> None:
    # The SDK repeats failed calls by itself, orders included: an order that was
    # accepted but whose answer got lost is then sent again. So: no repeats.
    with Upbit(
        access_key=options.access_key,
        secret_key=options.secret_key,
        base_url=options.base_url,
        max_retries=0,
    ) as client:
        bought = order(client, side="bid", ord_type="price", price="10000")
        # A market buy that bought ends as "cancel": a few won are always left over.
        print(f"bought {bought.executed_volume} {options.market} ({bought.state})")
        volume = str(bought.executed_volume)
        sold = order(client, side="ask", ord_type="market", volume=volume)
        print(f"sold {sold.executed_volume}, paid {sold.paid_fee} won of fees")
        for account in client.accounts.list():
            print(f"{account.currency}: {account.balance} free, {account.locked} bound")


def order(client: Upbit, **wanted: Any) -> Order:
    """Order under a name of our own and ask by that name what became of it."""
    name = f"example-{uuid4()}"[:36]
    try:
        client.orders.create(market=options.market, identifier=name, **wanted)
    except (APIConnectionError, InternalServerError) as problem:
        print(f"no clear answer ({problem}); it may have been accepted all the same")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # A new order may be invisible for a moment.
        with contextlib.suppress(NotFoundError):
            found = client.orders.retrieve(identifier=name)
            if found.state != "wait":
                return found
        time.sleep(0.1)
    raise SystemExit(f"{name} did not end within 30 s")


if __name__ == "__main__":
    main()
