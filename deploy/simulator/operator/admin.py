"""What the exchange's operator and the accounts' owner do by hand, over HTTP.

These paths exist only with `--faults`. They ask for no signature, so the simulator then
listens on this machine alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from common.money import truncate_volume
from deploy.simulator.exchange.venue import instant
from deploy.simulator.faults import routes as faults_admin
from deploy.simulator.house import HOUSE, House
from deploy.simulator.operator import admin_market, truth
from deploy.simulator.operator.admin_body import (
    AdminRefused,
    amount,
    body_of,
    number,
    positive,
    text,
    texts,
)
from deploy.simulator.operator.truth import ledger_order_view
from deploy.simulator.rest.auth import TRADING, Scope
from deploy.simulator.rest.calls import Handler, problem_of
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.rest.order_requests import new_order
from deploy.simulator.rest.parameters import from_json
from user_project.trading.matching_orders import OrderNotFound, OrderRefused

_MOST_KRW: Final = Decimal(10) ** 12
_ACCOUNT: Final = (
    *("access_key", "secret_key", "krw", "pocket", "scopes", "allowed_ips"),
    "expire_at",
)
_TRADE: Final = ("market", "price", "volume")
_ORDER: Final = (
    *("account", "market", "side", "ord_type", "price", "volume"),
    *("time_in_force", "smp_type"),
)


async def add_account(request: web.Request) -> web.Response:
    """POST /simulator/accounts: give out an API key, for a new pocket or an old one.

    `krw` is the paper money of a new pocket; one that exists keeps what it has.
    """
    house = request.app[HOUSE]
    body = await body_of(request, allowed=_ACCOUNT)
    access_key, secret = (
        body.needed("access_key", text),
        body.needed("secret_key", text),
    )
    pocket = body.given("pocket", text) or access_key
    krw, scopes = body.needed("krw", _krw), body.given("scopes", _scopes)
    if _is_known(house, access_key):
        raise AdminRefused(f"the key {access_key!r} exists; revoke it or name another")
    key = house.keys.add(
        access_key=access_key,
        secret=secret,
        now=instant(house.now_ms()),
        pocket=pocket,
        scopes=TRADING if scopes is None else scopes,
        allowed_ips=body.given("allowed_ips", texts) or (),
        expire_at=body.given("expire_at", _instant),
    )
    house.venue.open_account(account=pocket, krw=krw)
    return web.json_response(
        {
            "access_key": key.access_key,
            "pocket": key.pocket,
            "scopes": sorted(key.scopes),
            "allowed_ips": list(key.allowed_ips),
            "expire_at": key.expire_at.isoformat(),
        },
        status=201,
    )


async def revoke_key(request: web.Request) -> web.Response:
    """POST /simulator/keys/{access_key}/revoke: refuse a key from now on."""
    house, access_key = request.app[HOUSE], request.match_info["access_key"]
    if not _is_known(house, access_key):
        raise AdminRefused(f"no key {access_key!r}", status=404)
    house.keys.revoke(access_key=access_key)
    return web.json_response({"revoked": access_key})


async def move_funds(request: web.Request) -> web.Response:
    """POST /simulator/funds: the owner brings money or coins, or takes them away."""
    house = request.app[HOUSE]
    body = await body_of(request, allowed=("account", "currency", "amount"))
    account = body.needed("account", _account_of(house))
    currency, moved = body.needed("currency", text), body.needed("amount", number)
    try:
        house.venue.engine.deposit(account=account, currency=currency, amount=moved)
    except ValueError as error:
        raise AdminRefused(f"the account has less {currency} than that") from error
    return web.json_response(truth.account_view(house.venue.engine, account=account))


async def place_order(request: web.Request) -> web.Response:
    """POST /simulator/orders: the owner orders by hand, without key and identifier."""
    house = request.app[HOUSE]
    body = await body_of(request, allowed=_ORDER)
    house.venue.advance(now_ms=house.now_ms())
    order = house.venue.place(
        account=body.needed("account", _account_of(house)),
        request=new_order(
            from_json(await request.read()), assumptions=house.assumptions
        ),
        now_ms=house.now_ms(),
    )
    return web.json_response(ledger_order_view(order), status=201)


async def cancel_order(request: web.Request) -> web.Response:
    """DELETE /simulator/orders/{uuid}: the owner cancels any order by hand."""
    house = request.app[HOUSE]
    house.venue.advance(now_ms=house.now_ms())
    order = house.venue.engine.order(uuid=request.match_info["uuid"])
    house.venue.ask_cancel(order=order, now_ms=house.now_ms())
    return web.json_response(ledger_order_view(order))


async def trade(request: web.Request) -> web.Response:
    """POST /simulator/trades: somebody else trades; resting orders it reaches fill."""
    house = request.app[HOUSE]
    body = await body_of(request, allowed=_TRADE)
    market = body.needed("market", text)
    price, volume = body.needed("price", positive), body.needed("volume", positive)
    if not house.venue.rules(market=market).ticks.is_on_tick(price=price):
        raise AdminRefused("price is off the market's ticks")
    if volume != truncate_volume(volume):
        raise AdminRefused("volume can have 8 decimals")
    house.venue.inject(market=market, price=price, volume=volume, now_ms=house.now_ms())
    return web.json_response({"market": market}, status=201)


def _is_known(house: House, access_key: str) -> bool:
    try:
        house.keys.key(access_key=access_key)
    except KeyError:
        return False
    return True


def _krw(name: str, value: Any) -> Decimal:
    krw = amount(name, value)
    if krw > _MOST_KRW:
        raise AdminRefused(f"{name} can be 0 to {_MOST_KRW}")
    return krw


def _scopes(name: str, value: Any) -> frozenset[Scope]:
    try:
        return frozenset(Scope(one) for one in texts(name, value))
    except ValueError as error:
        raise AdminRefused(f"{name} lists some of {', '.join(Scope)}") from error


def _instant(name: str, value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(text(name, value))
    except ValueError as error:
        raise AdminRefused(f"{name} is a time like 2026-01-31T00:00+09:00") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _account_of(house: House) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        account, known = text(name, value), house.venue.engine.accounts()
        if account not in known:
            raise AdminRefused(f"no account {account!r}; there are {', '.join(known)}")
        return account

    return read


_ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("POST", "/simulator/faults"): faults_admin.add_fault,
    ("GET", "/simulator/faults"): faults_admin.list_faults,
    ("DELETE", "/simulator/faults"): faults_admin.clear_faults,
    ("GET", "/simulator/faults/log"): faults_admin.fault_log,
    ("DELETE", "/simulator/faults/{id}"): faults_admin.remove_fault,
    ("POST", "/simulator/clock"): faults_admin.set_clock,
    ("POST", "/simulator/accounts"): add_account,
    ("POST", "/simulator/keys/{access_key}/revoke"): revoke_key,
    ("POST", "/simulator/funds"): move_funds,
    ("POST", "/simulator/orders"): place_order,
    ("DELETE", "/simulator/orders/{uuid}"): cancel_order,
    ("POST", "/simulator/trades"): trade,
    ("POST", "/simulator/markets/{market}"): admin_market.change_market,
    ("POST", "/simulator/maintenance"): admin_market.set_maintenance,
    ("POST", "/simulator/assumptions"): admin_market.choose,
    ("GET", "/simulator/assumptions"): admin_market.list_choices,
    ("GET", "/simulator/ledger"): truth.ledger,
    ("GET", "/simulator/requests"): truth.requests,
}


def add_routes(app: web.Application, /) -> None:
    """Open the operator's paths."""
    for (method, path), handler in _ROUTES.items():
        app.router.add_route(method, path, _explained(handler))


def _explained(handler: Handler) -> Handler:
    """Return a handler whose refusals say in JSON what is allowed."""

    async def call(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except AdminRefused as error:
            return _refusal(error.status, "refused", str(error))
        except (UpbitProblem, OrderRefused, OrderNotFound) as error:
            problem = problem_of(error)
            return _refusal(problem.status, problem.name, problem.message)

    return call


def _refusal(status: int, name: str | int, message: str) -> web.Response:
    return web.json_response(
        {"error": {"name": name, "message": message}}, status=status
    )
