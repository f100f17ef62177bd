"""A scripted central on a real socket, and bundles to serve from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.user.factories import NOW

LEVELS = {"aggressive": (7, "97"), "moderate": (30, "94"), "conservative": (90, "90")}


@dataclass
class Reply:
    """One answer: a dict is sent as JSON, bytes as they are."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the bytes to send."""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


class CentralStub:
    """Answers each POST /api/v1/bundle with the next script, the last one for ever."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.script: list[Callable[[dict[str, Any]], Reply]] = []

    def say(self, *replies: Reply | Callable[[dict[str, Any]], Reply]) -> None:
        """Set what is answered from now on, one reply a request."""
        self.script = [
            reply if callable(reply) else (lambda _, fixed=reply: fixed)
            for reply in replies
        ]

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        """Record a request and return the reply to it."""
        self.bodies.append(body)
        self.headers.append(headers)
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return reply(body)


@contextmanager
def running_stub() -> Iterator[CentralStub]:
    """Serve on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = stub.answer(body, {k.lower(): v for k, v in self.headers.items()})
            content = reply.content()
            self.send_response(reply.status)
            for name, value in {
                "Content-Length": str(len(content)),
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stub = CentralStub(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


def levels(symbol: str, *, price: str = "100", **prices: str) -> dict[str, Any]:
    """Return the support levels of one coin, below 100 won unless told otherwise."""
    return {
        "symbol": symbol,
        "price": price,
        "levels": {
            name: {"horizon_days": days, "price": prices.get(name, standard)}
            for name, (days, standard) in LEVELS.items()
        },
    }


def bundle(
    *,
    run_id: str = "run-1",
    as_of: datetime = NOW,
    ranked: tuple[str, ...] = ("KRW-BTC",),
    symbols: tuple[str, ...] = ("KRW-BTC",),
    **changes: Any,
) -> dict[str, Any]:
    """Return a good answer of central's as it is on the wire."""
    return {
        "schema_version": 1,
        "run_id": run_id,
        "data_as_of": as_of.isoformat(),
        "generated_at": as_of.isoformat(),
        "valid_until": (as_of + timedelta(minutes=15)).isoformat(),
        "next_run_at": (as_of + timedelta(minutes=5)).isoformat(),
        "stale": False,
        "recommendations": [_recommendation(i, s) for i, s in enumerate(ranked, 1)],
        "universe_size": 120,
        "excluded_count": 20,
        "score_version": "1",
        "support_levels": {symbol: levels(symbol) for symbol in symbols},
        "market_status": {
            "phase": "normal",
            "coins_analysed": 100,
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
        **changes,
    }


def serve_symbols(ranked: tuple[str, ...], **options: Any) -> Callable[..., Reply]:
    """Return a central that knows the levels of every market it is asked about."""

    def reply(body: dict[str, Any]) -> Reply:
        symbols = tuple(body["support_levels"])
        return Reply(bundle(ranked=ranked, symbols=symbols, **options))

    return reply


def _recommendation(rank: int, symbol: str) -> dict[str, Any]:
    scores = dict.fromkeys(("technical", "volume", "volatility", "risk"), "50")
    return {
        "rank": rank,
        "symbol": symbol,
        "korean_name": "코인",
        "english_name": "Coin",
        "price": "100",
        "score": "50",
        "scores": scores,
    }
