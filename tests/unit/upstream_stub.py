"""A small upstream exchange inside the test's own loop: what it was asked, what it says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import WSMsgType, web

MARKET = "KRW-BTC"
PATIENCE_SECONDS = 10.0


async def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


def trade_row(number: int, price: int, *, ms: int, volume: float = 1.0) -> Any:
    """Return a trade as `trades/ticks` tells it."""
    return {
        "market": MARKET,
        "timestamp": ms,
        "trade_price": price,
        "trade_volume": volume,
        "ask_bid": "ASK",
        "sequential_id": number,
    }


def trade_frame(number: int, price: int, *, ms: int, kind: str = "REALTIME") -> Any:
    """Return a trade as the stream tells it."""
    return {
        "type": "trade",
        "code": MARKET,
        "timestamp": ms + 40,
        "trade_timestamp": ms,
        "trade_price": price,
        "trade_volume": 1.0,
        "sequential_id": number,
        "stream_type": kind,
    }


def book_units(bid: int, ask: int) -> Any:
    unit = {"ask_price": ask, "bid_price": bid, "ask_size": 2.5, "bid_size": 1.5}
    return [unit]


@dataclass(kw_only=True)
class Asked:
    """One request as it arrived."""

    target: str
    headers: dict[str, str]


@dataclass(kw_only=True)
class StubExchange:
    """Serves tickers, books, trades and a stream on a port of 127.0.0.1."""

    trades: list[Any] = field(default_factory=list)
    """Oldest first."""
    special: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    """Answers by path that come instead of the usual ones."""
    hangs: set[str] = field(default_factory=set)
    """Paths that are never answered."""
    price: int = 100_000
    listed: set[str] = field(default_factory=lambda: {MARKET})
    streams: bool = True
    """Whether WebSocket handshakes are answered."""
    asked: list[Asked] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    subscriptions: list[Any] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    """Openings and closings of the stream in their order."""
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.come()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go()

    async def come(self) -> None:
        app = web.Application()
        app.router.add_get("/websocket/v1", self._stream)
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def go(self) -> None:
        """End as a killed process does."""
        for socket in list(self.sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def paths(self) -> list[str]:
        return [one.target.partition("?")[0] for one in self.asked]

    async def say(self, frame: Any) -> None:
        for socket in self.sockets:
            await socket.send_bytes(json.dumps(frame).encode())

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(target=request.path_qs, headers=dict(request.headers)))
        if request.path in self.hangs:
            await asyncio.Event().wait()
        if request.path in self.special:
            return self.special[request.path]()
        headers = {"Remaining-Req": "group=x; min=600; sec=9"}
        return web.json_response(self._rows(request), headers=headers)

    def _rows(self, request: web.Request) -> Any:
        match request.path:
            case "/v1/market/all":
                return [{"market": market} for market in (*self.listed, "BTC-ETH")]
            case "/v1/ticker":
                return [self._ticker(code) for code in self._codes(request)]
            case "/v1/orderbook":
                units = book_units(self.price - 100, self.price + 100)
                return [{"market": MARKET, "orderbook_units": units}]
            case "/v1/trades/ticks":
                return self._ticks(request)
            case _:
                return []

    def _codes(self, request: web.Request) -> list[str]:
        codes = request.query["markets"].split(",")
        if not self.listed.issuperset(codes):
            raise web.HTTPNotFound
        return codes

    def _ticker(self, code: str) -> Any:
        rows = [row for row in self.trades if row["market"] == code]
        price = rows[-1]["trade_price"] if rows else self.price
        at = rows[-1]["timestamp"] if rows else 1
        return {"market": code, "trade_price": price, "trade_timestamp": at}

    def _ticks(self, request: web.Request) -> Any:
        rows = self.trades[::-1]
        if "cursor" in request.query:
            before = int(request.query["cursor"])
            rows = [row for row in rows if row["sequential_id"] < before]
        if "to" in request.query:
            to = request.query["to"]
            rows = [row for row in rows if _time_of(row) < to]
        return rows[: int(request.query["count"])]

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        self.asked.append(Asked(target=request.path_qs, headers=dict(request.headers)))
        if not self.streams:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections.append("open")
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._subscribe(socket, message.data)
        finally:
            self.sockets.remove(socket)
            self.connections.append("close")
        return socket

    async def _subscribe(self, socket: web.WebSocketResponse, text: str) -> None:
        if text == "PING":
            await socket.send_str('{"status":"UP"}')
            return
        self.subscriptions.append(json.loads(text))
        units = book_units(self.price - 100, self.price + 100)
        frame = {"type": "orderbook", "code": MARKET, "orderbook_units": units}
        await socket.send_bytes(json.dumps(frame).encode())


def _time_of(row: Any) -> str:
    return f"{datetime.fromtimestamp(row['timestamp'] / 1000, UTC):%H%M%S}"
