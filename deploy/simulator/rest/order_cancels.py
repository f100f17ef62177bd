"""Upbit's cancellations over HTTP: each is a request that takes effect a moment later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web

from deploy.simulator.house import HOUSE
from deploy.simulator.rest.calls import ASKED, json_answer
from deploy.simulator.rest.errors import bad
from deploy.simulator.rest.order_lookups import (
    find,
    find_many,
    is_newest_first,
    waiting_orders,
)
from deploy.simulator.rest.order_views import name_view, order_view
from user_project.trading.matching_orders import (
    Order,
    OrderNotFound,
    OrderRefused,
    State,
)

MOST_BY_ID: Final = 20
MOST_AT_ONCE: Final = 300
MOST_PAIRS: Final = 20


async def one(request: web.Request) -> web.Response:
    """DELETE /v1/order: receives the wish; the order still says wait."""
    order = find(request, request[ASKED])
    assumptions = request.app[HOUSE].assumptions
    if order.state is not State.WAIT and assumptions.cancel_finished == "bad_request":
        raise bad("bad_request", "이미 체결되었거나 취소된 주문입니다.")
    _ask(request, order)
    return json_answer(order_view(order, assumptions=assumptions))


async def by_ids(request: web.Request) -> web.Response:
    """DELETE /v1/orders/uuids: up to 20 orders, by uuid or by identifier."""
    found = find_many(request, most=MOST_BY_ID)
    key = "uuid" if request[ASKED].many("uuids") else "identifier"
    unknown = [{key: name} for name, order in found.items() if order is None]
    known = (order for order in found.values() if order is not None)
    return _outcome(request, known, unknown)


async def matching(request: web.Request) -> web.Response:
    """DELETE /v1/orders/open: up to 300 waiting orders that match all conditions."""
    asked = request[ASKED]
    side = asked.choice("cancel_side", "all", "ask", "bid")
    pairs, excluded = asked.many("pairs"), asked.many("excluded_pairs")
    quotes = asked.many("quote_currencies")
    if pairs and quotes:
        text = "pairs와 quote_currencies는 함께 쓸 수 없습니다."
        raise bad("invalid_parameter", text)
    if max(len(pairs), len(excluded)) > MOST_PAIRS:
        raise bad("invalid_parameter", f"페어는 {MOST_PAIRS}개까지 지정할 수 있습니다.")
    orders = [
        order
        for order in waiting_orders(request)
        if side in ("all", order.request.side)
        and (not pairs or order.request.market in pairs)
        and (not quotes or order.request.market.split("-")[0] in quotes)
        and order.request.market not in excluded
    ]
    if not is_newest_first(asked):
        orders.reverse()
    count = asked.number("count", default=20, most=MOST_AT_ONCE)
    return _outcome(request, orders[:count], [])


def _ask(request: web.Request, order: Order) -> None:
    house = request.app[HOUSE]
    if house.conditions.is_offline(market=order.request.market):
        raise OrderRefused("market_offline", "점검 중인 마켓입니다.")
    house.venue.ask_cancel(order=order, now_ms=house.now_ms())


def _outcome(
    request: web.Request, orders: Iterable[Order], failed: list[dict[str, Any]]
) -> web.Response:
    """Ask for each order's cancellation; answer which wishes were received."""
    done: list[dict[str, Any]] = []
    for order in orders:
        try:
            _ask(request, order)
            done.append(name_view(order))
        except (OrderNotFound, OrderRefused):
            failed.append(name_view(order))
    return json_answer({"success": _group(done), "failed": _group(failed)})


def _group(orders: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(orders), "orders": orders}
