"""The HTTP side: routes, rate groups, signatures, error answers, the matching timer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from deploy.simulator import quotation, trading
from deploy.simulator.errors import UpbitProblem
from deploy.simulator.house import CALLER, HOUSE, House, look_through
from deploy.simulator.venue import instant
from user_project.trading.matching_orders import OrderNotFound, OrderRefused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BEAT_SECONDS: Final = 0.25
log = logging.getLogger("simulator")

QUOTATION: Final[dict[tuple[str, str], tuple[str, Handler]]] = {
    ("GET", "/v1/market/all"): ("market", quotation.market_all),
    ("GET", "/v1/ticker"): ("ticker", quotation.ticker),
    ("GET", "/v1/ticker/all"): ("ticker", quotation.ticker_all),
    ("GET", "/v1/candles/minutes/{unit}"): ("candle", quotation.candles_minutes),
    ("GET", "/v1/candles/days"): ("candle", quotation.candles_days),
    ("GET", "/v1/orderbook"): ("orderbook", quotation.orderbook),
    ("GET", "/v1/orderbook/instruments"): ("orderbook", quotation.instruments),
}
EXCHANGE: Final[dict[tuple[str, str], tuple[str, Handler]]] = {
    ("GET", "/v1/accounts"): ("default", trading.accounts),
    ("GET", "/v1/orders/chance"): ("default", trading.chance),
    ("GET", "/v1/order"): ("default", trading.get_order),
    ("DELETE", "/v1/order"): ("default", trading.cancel_order),
    ("POST", "/v1/orders"): ("order", trading.create_order),
    ("GET", "/v1/orders/uuids"): ("default", trading.orders_by_ids),
    ("GET", "/v1/orders/open"): ("default", trading.orders_open),
    ("GET", "/v1/orders/closed"): ("default", trading.orders_closed),
    ("GET", "/v1/api_keys"): ("default", trading.api_keys),
    ("GET", "/v1/withdraws/chance"): ("default", trading.withdraws_chance),
}


def application(*, house: House) -> web.Application:
    """Return the simulator's web application."""
    app = web.Application(middlewares=[_unknown_path])
    app[HOUSE] = house
    for (method, path), (group, handler) in QUOTATION.items():
        app.router.add_route(method, path, _public(group, handler))
    for (method, path), (group, handler) in EXCHANGE.items():
        app.router.add_route(method, path, _private(group, handler))
    app.router.add_get("/healthz", healthz)
    app.cleanup_ctx.append(_matching)
    return app


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz: that it runs, and how."""
    house = request.app[HOUSE]
    now = house.now_ms()
    return web.json_response(
        {
            "status": "ok",
            "speed": house.clock.speed,
            "markets": len(house.listings),
            "started_at": instant(house.clock.start_ms).isoformat(),
            "path_start": instant(house.clock.path_start_ms).isoformat(),
            "path_now": instant(int(house.clock.path_at(now))).isoformat(),
        }
    )


@web.middleware
async def _unknown_path(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        problem = UpbitProblem(
            status=error.status, name=error.status, message=error.reason
        )
        return web.json_response(problem.body(), status=error.status)


def _public(group: str, handler: Handler) -> Handler:
    async def call(request: web.Request) -> web.StreamResponse:
        return await _limited(request, group, request.remote or "", handler)

    return call


def _private(group: str, handler: Handler) -> Handler:
    async def call(request: web.Request) -> web.StreamResponse:
        house = request.app[HOUSE]
        try:
            request[CALLER] = house.keys.authenticate(
                header=request.headers.get("Authorization"),
                query=request.rel_url.raw_query_string,
                body=await request.read(),
                now=datetime.now(UTC),
            )
        except UpbitProblem as problem:
            return web.json_response(problem.body(), status=problem.status)
        return await _limited(request, group, request[CALLER], handler)

    return call


async def _limited(
    request: web.Request, group: str, who: str, handler: Handler
) -> web.StreamResponse:
    """Count the call, bring the orders up to date, answer; refusals in Upbit's words."""
    house = request.app[HOUSE]
    left = house.limits.take(group=group, who=who, now_ms=house.now_ms())
    if left is None:
        response: web.StreamResponse = _too_many(exchange=group in _EXCHANGE_GROUPS)
    else:
        if group in _EXCHANGE_GROUPS:  # market data does not depend on orders
            house.venue.advance(now_ms=house.now_ms())
        response = await _answered(request, handler)
    response.headers["Remaining-Req"] = house.limits.header(group=group, left=left or 0)
    return response


_EXCHANGE_GROUPS: Final = frozenset(group for group, _ in EXCHANGE.values())


def _too_many(*, exchange: bool) -> web.Response:
    problem = UpbitProblem(
        status=429,
        name="too_many_requests" if exchange else 429,
        message="요청 수 제한을 초과했습니다. 잠시 후 다시 시도해주세요.",
    )
    return web.json_response(problem.body(), status=429)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (UpbitProblem, OrderRefused, OrderNotFound) as error:
        problem = _problem(error)
        return web.json_response(problem.body(), status=problem.status)


def _problem(error: UpbitProblem | OrderRefused | OrderNotFound) -> UpbitProblem:
    if isinstance(error, UpbitProblem):
        return error
    if isinstance(error, OrderNotFound):
        text = "주문을 찾지 못했습니다."
        return UpbitProblem(status=404, name="order_not_found", message=text)
    status = 403 if error.name == "market_offline" else 400
    return UpbitProblem(status=status, name=error.name, message=error.message)


async def _matching(app: web.Application) -> AsyncIterator[None]:
    """Keep matching going although nobody asks, and look through history once."""
    tasks = [
        asyncio.create_task(_match_for_ever(app[HOUSE])),
        asyncio.create_task(_warm_up(app[HOUSE])),
    ]
    yield
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _warm_up(house: House) -> None:
    """Compute each market's year, one at a time, before somebody asks for all."""
    await look_through(house, house.venue.tapes.values())


async def _match_for_ever(house: House) -> None:
    ended = 0
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            house.venue.advance(now_ms=house.now_ms())
        except Exception:
            log.exception("matching failed; it is tried again with the next beat")
        ended = _report_ends(house, ended)


def _report_ends(house: House, before: int) -> int:
    """Say when recordings have run out; their last price is held from then on."""
    reached = house.clock.path_at(house.now_ms()) / 60_000
    ends = [tape.ends_minute for tape in house.venue.tapes.values()]
    ended = sum(end is not None and end <= reached for end in ends)
    if ended and (ended == len(ends) or not before) and ended != before:
        log.warning(
            "the recording of %d of %d markets has ended; their last price is held",
            ended,
            len(ends),
        )
    return ended
