"""`python -m deploy.bench_still`: a server that always says the same; the floor for HTTP."""

from __future__ import annotations

import logging
from argparse import ArgumentParser

from aiohttp import web

ORDER = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "market": "KRW-BTC",
    "side": "bid",
    "ord_type": "limit",
    "state": "wait",
    "created_at": "2026-01-01T09:00:00+09:00",
    "price": "100000",
    "volume": "1",
    "remaining_volume": "1",
    "executed_volume": "0",
    "reserved_fee": "50",
    "remaining_fee": "50",
    "paid_fee": "0",
    "locked": "100050",
    "trades_count": 0,
}
ANSWER = web.json_response(ORDER).body


async def _say(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


def main() -> None:
    """Answer every path with one order until stopped."""
    parser = ArgumentParser(prog="python -m deploy.bench_still")
    parser.add_argument("--port", type=int, required=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _say)
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, print=None)


if __name__ == "__main__":
    main()
