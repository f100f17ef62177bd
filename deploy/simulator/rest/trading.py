"""Upbit's accounts and new orders over HTTP; every pocket is one account."""

from __future__ import annotations

from aiohttp import web

from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.rest.calls import ASKED, json_answer
from deploy.simulator.rest.errors import bad
from deploy.simulator.rest.order_lookups import find
from deploy.simulator.rest.order_requests import new_order, successor
from deploy.simulator.rest.order_views import account_view, chance_view, order_view
from user_project.trading.matching_orders import NewOrder, Order, OrderRefused


async def accounts(request: web.Request) -> web.Response:
    """GET /v1/accounts: what the caller owns; coins never held are missing."""
    house = request.app[HOUSE]
    wallets = house.venue.engine.wallets(account=request[CALLER])
    return json_answer(
        [
            account_view(code, wallet, assumptions=house.assumptions)
            for code, wallet in wallets.items()
        ]
    )


async def chance(request: web.Request) -> web.Response:
    """GET /v1/orders/chance: rules of one market and the caller's means."""
    house = request.app[HOUSE]
    market = request[ASKED].one("market")
    if market is None:
        raise bad("validation_error", "market을 입력해주세요.")
    return json_answer(
        chance_view(
            rules=house.venue.rules(market=market),
            is_online=not house.conditions.is_offline(market=market),
            wallets=house.venue.engine.wallets(account=request[CALLER]),
            assumptions=house.assumptions,
        )
    )


async def create_order(request: web.Request) -> web.Response:
    """POST /v1/orders: accepted is not yet traded; answers 201 with state wait."""
    house = request.app[HOUSE]
    asked = new_order(request[ASKED], assumptions=house.assumptions)
    await house.prepare(market=asked.market)
    try:
        order = house.venue.place(
            account=request[CALLER], request=asked, now_ms=house.now_ms()
        )
    except OrderRefused:
        if house.assumptions.burn_refused == "yes":
            _burn(request, asked)
        raise
    return json_answer(
        order_view(order, assumptions=house.assumptions, is_new=True), status=201
    )


async def test_order(request: web.Request) -> web.Response:
    """POST /v1/orders/test: what POST /v1/orders would answer; nothing is ordered."""
    house = request.app[HOUSE]
    asked = new_order(request[ASKED], assumptions=house.assumptions)
    await house.prepare(market=asked.market)
    order = house.venue.check(
        account=request[CALLER], request=asked, now_ms=house.now_ms()
    )
    if house.assumptions.burn_tested == "yes":
        _burn(request, asked)
    return json_answer(
        order_view(order, assumptions=house.assumptions, is_new=True), status=201
    )


def _burn(request: web.Request, asked: NewOrder) -> None:
    if asked.identifier:
        request.app[HOUSE].venue.engine.burn(
            account=request[CALLER], identifier=asked.identifier
        )


async def cancel_and_new(request: web.Request) -> web.Response:
    """POST /v1/orders/cancel_and_new: the old order as it was, and the new one's ids.

    The new order is made only once the old one is cancelled; if that fills first, or
    the money does not suffice by then, the new one's ids are never found.
    """
    house, asked = request.app[HOUSE], request[ASKED]
    old = find(request, asked.without_prefix("prev_order_"))
    new, remain_only = successor(
        asked.without_prefix("new_"), old=old, assumptions=house.assumptions
    )
    await house.prepare(market=new.market)
    _check_successor(request, new)
    uuid = house.venue.cancel_and_new(
        order=old, request=new, remain_only=remain_only, now_ms=house.now_ms()
    )
    return json_answer(_succession(request, old, new, uuid), status=201)


def _check_successor(request: web.Request, new: NewOrder) -> None:
    house = request.app[HOUSE]
    try:
        house.venue.check(account=request[CALLER], request=new, now_ms=house.now_ms())
    except OrderRefused as error:
        # The old order still binds money that the new one will have.
        if not error.name.startswith("insufficient_funds"):
            raise


def _succession(
    request: web.Request, old: Order, new: NewOrder, uuid: str
) -> dict[str, object]:
    view = order_view(old, assumptions=request.app[HOUSE].assumptions)
    view["new_order_uuid"] = uuid
    if new.identifier is not None:
        view["new_order_identifier"] = new.identifier
    return view
