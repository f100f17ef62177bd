"""Follow prices over the WebSocket with nothing but `websockets`.

pip install websockets
python docs/examples/websocket_prices.py --base-url http://127.0.0.1:9000 --count 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import connect

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--base-url", default="http://127.0.0.1:9000")
parser.add_argument("--markets", nargs="+", default=["KRW-BTC", "KRW-ETH"])
parser.add_argument("--count", type=int, default=10, help="messages to print")
options = parser.parse_args()

ASKED = [
    {"ticket": str(uuid4())},
    {"type": "ticker", "codes": options.markets},
    {"type": "orderbook", "codes": [f"{code}.1" for code in options.markets]},
    {"format": "DEFAULT"},
]


async def main() -> None:
    url = options.base_url.replace("http", "ws", 1) + "/websocket/v1"
    async with connect(url) as connection:
        await connection.send(json.dumps(ASKED))
        for _ in range(options.count):
            # Upbit sends JSON in binary frames.
            print(line(json.loads(await connection.recv())))


def line(message: dict[str, Any]) -> str:
    """Return one line about a message."""
    who = f"{message['stream_type']:<8} {message['code']}"
    if message["type"] == "ticker":
        return f"{who} last {message['trade_price']}"
    (level,) = message["orderbook_units"]
    return f"{who} {level['bid_price']} / {level['ask_price']}"


if __name__ == "__main__":
    asyncio.run(main())
