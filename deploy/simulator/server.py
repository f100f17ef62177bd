"""The HTTP side: which path is answered by whom, and the matching timer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from deploy.simulator.exchange.venue import instant
from deploy.simulator.faults import http as faults_http
from deploy.simulator.faults.ways import breakable
from deploy.simulator.house import HOUSE, House
from deploy.simulator.market.lookahead import keep_ahead
from deploy.simulator.operator import admin
from deploy.simulator.rest import (
    candles,
    order_cancels,
    order_lookups,
    pockets,
    quotation,
    trading,
)
from deploy.simulator.rest.auth import Scope
from deploy.simulator.rest.calls import (
    LONGEST_BODY,
    Handler,
    in_upbits_words,
    private,
    public,
)
from deploy.simulator.streams.endpoints import add_streams
from deploy.simulator.upstream import relay as upstream_relay

BEAT_SECONDS: Final = 0.25
log = logging.getLogger("simulator")

QUOTATION: Final[dict[tuple[str, str], tuple[str, Handler]]] = {
    ("GET", "/v1/market/all"): ("market", quotation.market_all),
    ("GET", "/v1/ticker"): ("ticker", quotation.ticker),
    ("GET", "/v1/ticker/all"): ("ticker", quotation.ticker_all),
    ("GET", "/v1/candles/seconds"): ("candle", candles.of_seconds),
    ("GET", "/v1/candles/minutes/{unit}"): ("candle", candles.of_minutes),
    ("GET", "/v1/candles/days"): ("candle", candles.of_days),
    ("GET", "/v1/candles/weeks"): ("candle", candles.of_weeks),
    ("GET", "/v1/candles/months"): ("candle", candles.of_months),
    ("GET", "/v1/candles/years"): ("candle", candles.of_years),
    ("GET", "/v1/orderbook"): ("orderbook", quotation.orderbook),
    ("GET", "/v1/orderbook/instruments"): ("orderbook", quotation.instruments),
    ("GET", "/v1/orderbook/supported_levels"): (
        "orderbook",
        quotation.supported_levels,
    ),
    ("GET", "/v1/trades/ticks"): ("trade", quotation.trades_ticks),
}

_SEE_MONEY, _SEE_ORDERS, _ORDER = (
    Scope.VIEW_ACCOUNT,
    Scope.VIEW_ORDERS,
    Scope.MAKE_ORDERS,
)
EXCHANGE: Final[dict[tuple[str, str], tuple[str, Scope | None, Handler]]] = {
    ("GET", "/v1/accounts"): ("default", _SEE_MONEY, trading.accounts),
    ("GET", "/v1/orders/chance"): ("default", _SEE_ORDERS, trading.chance),
    ("POST", "/v1/orders"): ("order", _ORDER, trading.create_order),
    ("POST", "/v1/orders/test"): ("order-test", _ORDER, trading.test_order),
    ("POST", "/v1/orders/cancel_and_new"): ("order", _ORDER, trading.cancel_and_new),
    ("GET", "/v1/order"): ("default", _SEE_ORDERS, order_lookups.one),
    ("GET", "/v1/orders/uuids"): ("default", _SEE_ORDERS, order_lookups.by_ids),
    ("GET", "/v1/orders/open"): ("default", _SEE_ORDERS, order_lookups.still_open),
    ("GET", "/v1/orders/closed"): ("default", _SEE_ORDERS, order_lookups.closed),
    ("GET", "/v1/orders"): ("default", _SEE_ORDERS, order_lookups.any_state),
    ("DELETE", "/v1/order"): ("default", _ORDER, order_cancels.one),
    ("DELETE", "/v1/orders/uuids"): ("default", _ORDER, order_cancels.by_ids),
    ("DELETE", "/v1/orders/open"): ("order-cancel-all", _ORDER, order_cancels.matching),
    ("GET", "/v1/api_keys"): ("default", None, pockets.api_keys),
    ("GET", "/v1/pockets"): ("default", Scope.MANAGE_POCKETS, pockets.pockets),
    ("GET", "/v1/pockets/api_keys"): (
        "default",
        Scope.MANAGE_POCKETS,
        pockets.pocket_api_keys,
    ),
    ("GET", "/v1/deposits"): ("default", Scope.VIEW_DEPOSITS, pockets.none_yet),
    ("GET", "/v1/withdraws"): ("default", Scope.VIEW_WITHDRAWALS, pockets.none_yet),
    ("GET", "/v1/withdraws/chance"): (
        "default",
        Scope.VIEW_WITHDRAWALS,
        pockets.withdraws_chance,
    ),
}


def application(*, house: House) -> web.Application:
    """Return the simulator's web application."""
    middlewares = [in_upbits_words]
    if house.faults is not None:
        middlewares.insert(0, faults_http.watched)
    app = web.Application(middlewares=middlewares, client_max_size=LONGEST_BODY)
    app[HOUSE] = house
    for (method, path), (group, done) in QUOTATION.items():
        answer = done if house.upstream is None else upstream_relay.quotation
        handler = _struck(answer, house)
        _add(app, method, path, public(group=group, handler=handler))
    for (method, path), (group, scope, done) in EXCHANGE.items():
        handler = _struck(done, house)
        _add(app, method, path, private(group=group, scope=scope, handler=handler))
    app.router.add_get("/healthz", healthz)
    add_streams(app)
    if house.upstream is not None:
        upstream_relay.prepare(app)
    app.cleanup_ctx.append(_matching)
    if house.faults is not None:
        faults_http.prepare(app=app)
        admin.add_routes(app)
    return app


def _struck(handler: Handler, house: House) -> Handler:
    """Return a handler as faults may change it, where there can be any."""
    if house.faults is None:
        return handler
    return breakable(handler=handler, faults=house.faults)


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    app.router.add_route(method, path, handler)
    if method == "GET":
        app.router.add_route("HEAD", path, handler)


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz: that it runs, and how."""
    house = request.app[HOUSE]
    return web.json_response({"status": "ok", **_how(house)})


def _how(house: House) -> dict[str, object]:
    if house.upstream is not None:
        return {"upstream": house.upstream.url, "away": house.upstream.away}
    if house.clock is None:
        return {}
    now = house.now_ms()
    return {
        "speed": house.clock.speed,
        "markets": len(house.listings),
        "started_at": instant(house.clock.start_ms).isoformat(),
        "path_start": instant(house.clock.path_start_ms).isoformat(),
        "path_now": instant(int(house.clock.path_at(now))).isoformat(),
    }


async def _matching(app: web.Application) -> AsyncIterator[None]:
    """Keep matching going although nobody asks, and markets ready to be asked."""
    tasks = [
        asyncio.create_task(_match_for_ever(app[HOUSE])),
        asyncio.create_task(keep_ahead(app[HOUSE])),
    ]
    yield
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


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
    if house.clock is None:
        return before
    reached = house.clock.path_at(house.now_ms()) / 60_000
    ends = [tape.ends_minute for tape in house.tapes.values()]
    ended = sum(end is not None and end <= reached for end in ends)
    if ended and (ended == len(ends) or not before) and ended != before:
        log.warning(
            "the recording of %d of %d markets has ended; their last price is held",
            ended,
            len(ends),
        )
    return ended
