"""What a key may learn about itself, its pocket and withdrawals.

Every pocket is the main pocket of an account of its own.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from aiohttp import web

from deploy.simulator.exchange.venue import instant
from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.rest.auth import ApiKey
from deploy.simulator.rest.calls import ASKED, KEY, json_answer
from deploy.simulator.rest.errors import bad
from deploy.simulator.rest.order_views import account_view, kst
from user_project.trading.matching_orders import Wallet


def pocket_uuid(pocket: str, /) -> str:
    """Return a pocket's id, which its name alone decides."""
    return str(uuid5(NAMESPACE_OID, pocket))


async def api_keys(request: web.Request) -> web.Response:
    """GET /v1/api_keys: the caller's keys and when they expire."""
    keys = request.app[HOUSE].keys.of_pocket(pocket=request[CALLER])
    return json_answer(
        [
            {"access_key": key.access_key, "expire_at": kst(key.expire_at)}
            for key in keys
        ]
    )


async def pockets(request: web.Request) -> web.Response:
    """GET /v1/pockets: the caller's pocket."""
    name = request[KEY].pocket
    return json_answer([{"uuid": pocket_uuid(name), "name": name, "type": "main"}])


async def pocket_api_keys(request: web.Request) -> web.Response:
    """GET /v1/pockets/api_keys: the pocket's keys and what each may do, from where."""
    house, asked, pocket = request.app[HOUSE], request[ASKED], request[CALLER]
    now = instant(house.now_ms())
    expired_too = asked.choice("include_expired", "false", "true") == "true"
    uuid, wanted = pocket_uuid(pocket), asked.many("uuids")
    if wanted and uuid not in wanted:
        return json_answer([])
    keys = [
        _key_view(key)
        for key in house.keys.of_pocket(pocket=pocket)
        if expired_too or not key.is_expired(now=now)
    ]
    return json_answer([{"uuid": uuid, "keys": keys}])


def _key_view(key: ApiKey) -> dict[str, Any]:
    return {
        "access_key": key.access_key,
        "permissions": sorted(key.scopes),
        "allowed_ips": list(key.allowed_ips),
        "created_at": kst(key.created_at),
        "expired_at": kst(key.expire_at),
    }


async def none_yet(request: web.Request) -> web.Response:
    """GET /v1/deposits and /v1/withdraws: paper money was never moved."""
    return json_answer([])


async def withdraws_chance(request: web.Request) -> web.Response:
    """GET /v1/withdraws/chance: for keys that may look; nothing ever leaves here."""
    house = request.app[HOUSE]
    currency = request[ASKED].one("currency")
    if currency is None:
        raise bad("validation_error", "currency를 입력해주세요.")
    wallets = house.venue.engine.wallets(account=request[CALLER])
    wallet = wallets.get(currency, Wallet())
    return json_answer(
        {
            "member_level": _MEMBER,
            "currency": {
                "code": currency,
                "withdraw_fee": "0",
                "is_coin": currency != "KRW",
                "wallet_state": "working",
                "wallet_support": ["deposit"],
            },
            "account": account_view(currency, wallet, assumptions=house.assumptions),
            "withdraw_limit": {
                "currency": currency,
                "minimum": "0",
                "remaining_daily_fiat": "0",
                "fiat_currency": "KRW",
                "withdraw_delayed_fiat": "0",
                "fixed": 8,
                "can_withdraw": False,
            },
        }
    )


_MEMBER = {
    "security_level": 3,
    "fee_level": 0,
    "email_verified": True,
    "identity_auth_verified": True,
    "bank_account_verified": True,
    "two_factor_auth_verified": True,
    "locked": False,
    "wallet_locked": True,
}
