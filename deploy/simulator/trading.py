"""Upbit's accounts and orders over HTTP; every caller is one account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from common.upbit import CLOSED_ORDERS_WINDOW_DAYS
from deploy.simulator.errors import UpbitProblem
from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.order_views import account_view, chance_view, kst, order_view
from deploy.simulator.venue import instant
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderType,
    Wallet,
)
from user_project.trading.orders import Side

SMP_TYPES = frozenset({"cancel_maker", "cancel_taker", "reduce", "none"})
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?")
_WINDOW = timedelta(days=CLOSED_ORDERS_WINDOW_DAYS)


async def accounts(request: web.Request) -> web.Response:
    """GET /v1/accounts: what the caller owns; coins never held are missing."""
    wallets = request.app[HOUSE].venue.engine.wallets(account=request[CALLER])
    return web.json_response(
        [account_view(currency=code, wallet=one) for code, one in wallets.items()]
    )


async def chance(request: web.Request) -> web.Response:
    """GET /v1/orders/chance: rules of one market and the caller's means."""
    venue = request.app[HOUSE].venue
    rules = venue.rules(market=_needed(request, "market"))
    wallets = venue.engine.wallets(account=request[CALLER])
    coin = rules.market.split("-", 1)[1]
    return web.json_response(
        chance_view(
            rules=rules,
            cash=wallets.get("KRW", Wallet()),
            coins=wallets.get(coin, Wallet()),
        )
    )


async def create_order(request: web.Request) -> web.Response:
    """POST /v1/orders: accepted is not yet traded; answers 201 with state wait."""
    house = request.app[HOUSE]
    order = house.venue.place(
        account=request[CALLER],
        request=_new_order(await _json(request)),
        now_ms=house.now_ms(),
    )
    return web.json_response(order_view(order), status=201)


async def get_order(request: web.Request) -> web.Response:
    """GET /v1/order: one order with its trades."""
    return web.json_response(order_view(_asked(request), with_trades=True))


async def cancel_order(request: web.Request) -> web.Response:
    """DELETE /v1/order: receives the wish; the order still says wait."""
    house = request.app[HOUSE]
    if not request.query and await request.read():
        raise _bad(
            "QUERY_PARAMETER_NOT_SUPPORTED", "파라미터는 쿼리로 전달해야 합니다."
        )
    order = _asked(request)
    house.venue.ask_cancel(order=order, now_ms=house.now_ms())
    return web.json_response(order_view(order))


async def orders_by_ids(request: web.Request) -> web.Response:
    """GET /v1/orders/uuids: up to 100 orders, by uuid or by identifier."""
    uuids, identifiers = _many(request, "uuids"), _many(request, "identifiers")
    if bool(uuids) == bool(identifiers) or len(uuids or identifiers) > 100:
        raise _bad("validation_error", "uuids 또는 identifiers를 1~100개 입력해주세요.")
    wanted, market = set(uuids or identifiers), request.query.get("market")
    found = [
        order
        for order in _mine(request)
        if (order.uuid if uuids else order.request.identifier) in wanted
        and market in (None, order.request.market)
    ]
    return web.json_response([order_view(order) for order in _sorted(request, found)])


async def orders_open(request: web.Request) -> web.Response:
    """GET /v1/orders/open: waiting orders in pages of up to 100."""
    states = _states(request, {"wait", "watch"}, {"wait"})
    limit, page = _size(request, "limit", 100, 100), _size(request, "page", 1, 10**6)
    found = _filtered(request, states)
    rows = _sorted(request, found)[(page - 1) * limit : page * limit]
    return web.json_response([order_view(order) for order in rows])


async def orders_closed(request: web.Request) -> web.Response:
    """GET /v1/orders/closed: finished orders created within a window of 7 days."""
    states = _states(request, {"done", "cancel"}, {"done", "cancel"})
    limit = _size(request, "limit", 100, 1000)
    start, end = _window(request)
    found = [o for o in _filtered(request, states) if start <= o.created_at <= end]
    rows = _sorted(request, found)[:limit]
    return web.json_response([order_view(order) for order in rows])


async def api_keys(request: web.Request) -> web.Response:
    """GET /v1/api_keys: the caller's key and when it expires."""
    key = request.app[HOUSE].keys.key(access_key=request[CALLER])
    return web.json_response(
        [{"access_key": key.access_key, "expire_at": kst(key.expire_at)}]
    )


async def withdraws_chance(request: web.Request) -> web.Response:
    """GET /v1/withdraws/chance: keys of this exchange may never withdraw."""
    raise UpbitProblem(
        status=401, name="out_of_scope", message="허용되지 않은 기능입니다."
    )


def _bad(name: str, message: str) -> UpbitProblem:
    return UpbitProblem(status=400, name=name, message=message)


def _needed(request: web.Request, name: str) -> str:
    value = request.query.get(name)
    if not value:
        raise _bad("validation_error", f"{name} is missing")
    return value


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read(), parse_float=str, parse_int=str)
    except ValueError as error:
        raise _bad("bad_request", "JSON 본문을 확인해주세요.") from error
    if not isinstance(body, dict):
        raise _bad("bad_request", "JSON 본문은 객체여야 합니다.")
    return body


def _new_order(body: dict[str, Any]) -> NewOrder:
    try:
        side, kind = Side(str(body.get("side"))), OrderType(str(body.get("ord_type")))
    except ValueError as error:
        raise _bad(
            "invalid_parameter",
            "side는 bid, ask, ord_type은 limit, price, market이어야 합니다.",
        ) from error
    if body.get("time_in_force") is not None:
        raise _bad("invalid_time_in_force", "지원하지 않는 time_in_force입니다.")
    smp_type, identifier = body.get("smp_type"), body.get("identifier")
    if smp_type is not None and smp_type not in SMP_TYPES:
        raise _bad("invalid_parameter", "smp_type을 확인해주세요.")
    return NewOrder(
        market=str(body.get("market") or ""),
        side=side,
        ord_type=kind,
        price=_amount(body, "price"),
        volume=_amount(body, "volume"),
        identifier=None if identifier is None else str(identifier),
        smp_type=smp_type,
    )


def _amount(body: dict[str, Any], name: str) -> Decimal | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise _bad("invalid_parameter", f"{name} must be a plain decimal number")
    return Decimal(value)


def _asked(request: web.Request) -> Order:
    uuid, identifier = request.query.get("uuid"), request.query.get("identifier")
    if not uuid and not identifier:
        raise _bad("validation_error", "uuid 또는 identifier를 입력해주세요.")
    engine = request.app[HOUSE].venue.engine
    return engine.find(
        account=request[CALLER], uuid=uuid or None, identifier=identifier or None
    )


def _many(request: web.Request, name: str) -> list[str]:
    given = [*request.query.getall(f"{name}[]", []), *request.query.getall(name, [])]
    return [part for value in given for part in value.split(",") if part]


def _mine(request: web.Request) -> Iterator[Order]:
    return request.app[HOUSE].venue.engine.orders(account=request[CALLER])


def _states(request: web.Request, known: set[str], default: set[str]) -> set[str]:
    states = {*_many(request, "states"), *_many(request, "state")}
    if not states <= known:
        raise _bad("invalid_parameter", f"state must be one of {sorted(known)}")
    return states or default


def _filtered(request: web.Request, states: set[str]) -> list[Order]:
    market = request.query.get("market")
    return [
        order
        for order in _mine(request)
        if str(order.state) in states and market in (None, order.request.market)
    ]


def _sorted(request: web.Request, newest_first: list[Order]) -> list[Order]:
    order_by = request.query.get("order_by", "desc")
    if order_by not in ("asc", "desc"):
        raise _bad("invalid_parameter", "order_by must be asc or desc")
    return newest_first if order_by == "desc" else newest_first[::-1]


def _size(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise _bad("invalid_parameter", f"{name} must be 1 to {most}")
    return int(text)


def _window(request: web.Request) -> tuple[datetime, datetime]:
    """Return the window of creation times; at most 7 days, by default the last ones."""
    start, end = _time(request, "start_time"), _time(request, "end_time")
    if end is None:
        now = instant(request.app[HOUSE].now_ms())
        end = now if start is None else start + _WINDOW
    if start is None:
        start = end - _WINDOW
    if not timedelta(0) <= end - start <= _WINDOW:
        raise _bad("invalid_parameter", "조회 기간은 최대 7일입니다.")
    return start, end


def _time(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if not text:
        return None
    if text.isdecimal():
        return instant(int(text))
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise _bad("invalid_parameter", f"{name} must be ISO-8601 or ms") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
