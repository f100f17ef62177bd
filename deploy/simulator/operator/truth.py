"""The exchange's truth, for tests: who owns, ordered, traded and paid what, who called."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from common.money import plain
from deploy.simulator.house import HOUSE
from deploy.simulator.operator.admin_body import AdminRefused
from deploy.simulator.operator.received import CALLS
from deploy.simulator.operator.truth_checks import violations
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import Order

Json = dict[str, Any]


async def ledger(request: web.Request) -> web.Response:
    """GET /simulator/ledger[?account=]: every account, matched up to now."""
    house, calls = request.app[HOUSE], request.app[CALLS]
    house.venue.advance(now_ms=house.now_ms())
    engine = house.venue.engine
    names = _accounts_asked(request, engine)
    broken = [
        text for name in names for text in violations(engine=engine, account=name)
    ]
    return web.json_response(
        {
            "at_ms": house.now_ms(),
            "accounts": {name: account_view(engine, account=name) for name in names},
            "posts": {
                "by_identifier": dict(calls.posts_by_identifier),
                "by_endpoint": dict(calls.posts_by_endpoint),
            },
            "invariants": {"hold": not broken, "broken": broken},
        }
    )


async def requests(request: web.Request) -> web.Response:
    """GET /simulator/requests[?endpoint=]: the latest calls, the oldest first."""
    wanted = request.query.get("endpoint")
    log = request.app[CALLS].log
    return web.json_response(
        [one.view() for one in log if wanted in (None, one.endpoint)]
    )


def _accounts_asked(request: web.Request, engine: MatchingEngine) -> tuple[str, ...]:
    wanted = request.query.get("account")
    if wanted is None:
        return engine.accounts()
    if wanted not in engine.accounts():
        known = ", ".join(engine.accounts())
        raise AdminRefused(f"no account {wanted!r}; there are {known}", status=404)
    return (wanted,)


def account_view(engine: MatchingEngine, /, *, account: str) -> Json:
    """Return all that an account owns and ever did; amounts are text."""
    return {
        "balances": {
            currency: _written(asdict(wallet))
            for currency, wallet in engine.wallets(account=account).items()
        },
        "deposits": [
            {"currency": one.currency, "amount": plain(one.amount)}
            for one in engine.deposits(account=account)
        ],
        "burned": list(engine.burned(account=account)),
        "orders": [
            ledger_order_view(one)
            for one in reversed([*engine.orders(account=account)])
        ],
    }


def ledger_order_view(order: Order, /) -> Json:
    """Return an order with every number the engine knows of it."""
    rows: Json = _written(asdict(order))
    request = rows.pop("request")
    rows.pop("account")
    derived = {
        name: _written(getattr(order, name))
        for name in (
            "remaining_volume",
            "reserved_fee",
            "remaining_fee",
            "locked",
            "prevented_locked",
        )
    }
    return {**request, **rows, **derived}


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _written(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_written(one) for one in value]
    return value
