"""An exchange that only tells prices, as fast as it is asked to, and notes when.

Usage: python -m deploy.bench_user_feed --port P --file F. It speaks as much of Upbit's
quotation as a watcher asks for. POST /play {"prices": [[market, price], …], "rate": n}
tells them one by one; F gets a line "nanoseconds market price" for each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from deploy.bench_user_bots import COINS, HIGHEST, market

FIRST: Final = float(HIGHEST + 1)
"""Every coin's price before anything is played; no bot waits for it."""


class Feed:
    """The last prices, who listens, and the file of what was told when."""

    def __init__(self, file: Path) -> None:
        self.prices = {market(number): FIRST for number in range(COINS)}
        self.listeners: set[web.WebSocketResponse] = set()
        self._file = file

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """Keep a WebSocket: all prices at once, then what is played."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == "PING":
                await socket.send_bytes(b'{"status":"UP"}')
                continue
            for name in self.prices:
                await socket.send_bytes(self._ticker(name))
            self.listeners.add(socket)
        self.listeners.discard(socket)
        return socket

    async def play(self, request: web.Request) -> web.Response:
        """Tell prices at an even rate; answer when all are told."""
        asked = await request.json()
        pause = 1 / asked["rate"]
        began = time.monotonic()
        lines = []
        for number, (name, price) in enumerate(asked["prices"]):
            await asyncio.sleep(max(0.0, began + number * pause - time.monotonic()))
            self.prices[name] = price
            lines.append(f"{time.monotonic_ns()} {name} {price}\n")
            for socket in self.listeners:
                await socket.send_bytes(self._ticker(name))
        self._file.write_text("".join(lines))
        return web.json_response({"told": len(lines)})

    async def tickers(self, request: web.Request) -> web.Response:
        """Answer GET /v1/ticker."""
        names = request.query["markets"].split(",")
        return web.json_response([self._row(name) for name in names])

    async def markets(self, request: web.Request) -> web.Response:
        """Answer GET /v1/market/all."""
        return web.json_response(
            [
                {"market": name, "korean_name": name, "english_name": name}
                for name in self.prices
            ]
        )

    async def state(self, request: web.Request) -> web.Response:
        """Tell how many listen."""
        return web.json_response({"listeners": len(self.listeners)})

    def _ticker(self, name: str) -> bytes:
        told = {"type": "ticker", "code": name, "stream_type": "REALTIME"}
        return json.dumps({**told, **self._row(name)}).encode()

    def _row(self, name: str) -> dict[str, Any]:
        now = int(time.time() * 1000)
        price = self.prices.get(name, FIRST)
        return {"market": name, "trade_price": price, "timestamp": now}


def main() -> None:
    """Answer until stopped."""
    parser = ArgumentParser(prog="python -m deploy.bench_user_feed")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    feed = Feed(options.file)
    app = web.Application(client_max_size=10**8)
    app.router.add_get("/healthz", feed.state)
    app.router.add_get("/websocket/v1", feed.listen)
    app.router.add_get("/v1/ticker", feed.tickers)
    app.router.add_get("/v1/market/all", feed.markets)
    app.router.add_post("/play", feed.play)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
