"""Puts an owner, accounts, central's answer and bots into a user server's database.

Usage: python -m deploy.user_bots < JSON, with the server's environment:
{"accounts": [[access, secret], …], "levels": {market: price}, "bots": [{"account": 0, …}]}.
Prints {"bots": [id, …]}; the other names of a bot are columns of its row.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import django

from common.money import KRW_TICKS, plain

HOLDS: Final = timedelta(hours=12)
DEPTHS: Final = {"aggressive": "0.97", "moderate": "0.94", "conservative": "0.90"}
DAYS: Final = {"aggressive": 7, "moderate": 30, "conservative": 90}


def main() -> int:
    """Read what is wanted, write it, tell the bots' ids."""
    django.setup()
    print(json.dumps(write(json.load(sys.stdin))))
    return 0


def write(wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write what is wanted; return the bots' ids. Needs Django."""
    now = datetime.now(UTC)
    owner = _owner()
    accounts = [
        _account(owner, number, pair, now)
        for number, pair in enumerate(wanted["accounts"])
    ]
    if wanted["levels"]:
        _snapshot(wanted["levels"], now)
    bots = [_bot(owner, accounts, dict(bot), now) for bot in wanted["bots"]]
    return {"bots": [str(bot.pk) for bot in bots]}


def _owner() -> Any:
    users: Any = _module("django.contrib.auth").get_user_model().objects
    return users.get_or_create(username="owner")[0]


def _account(owner: Any, number: int, pair: tuple[str, str], now: datetime) -> Any:
    name = f"account {number}"
    known = _module("user_project.accounts.models").ExchangeAccount.objects
    found = known.filter(owner=owner, name=name).first()
    if found is not None:
        return found
    access_key, secret_key = pair
    return _module("user_project.accounts.services").create_account(
        owner=owner,
        name=name,
        mode="paper",
        base_url=_module("django.conf").settings.UPBIT_BASE_URL,
        access_key=access_key,
        secret_key=secret_key,
        now=now,
    )


def _bot(owner: Any, accounts: list[Any], bot: dict[str, Any], now: datetime) -> Any:
    account = accounts[bot.pop("account")]
    values = {"name": "bot", "state": "running", "next_tick_at": now, **bot}
    bots: Any = _module("user_project.bots.models").Bot.objects
    return bots.create(owner=owner, account=account, **values)


def _snapshot(prices: Mapping[str, str], now: datetime) -> None:
    run_id = uuid.uuid4().hex
    times = {
        "data_as_of": now - timedelta(minutes=1),
        "generated_at": now,
        "valid_until": now + HOLDS,
        "next_run_at": now + HOLDS,
    }
    body = {
        "run_id": run_id,
        **{name: at.isoformat() for name, at in times.items()},
        "stale": False,
        "recommendations": [],
        "support_levels": {
            market: _levels(market, Decimal(price)) for market, price in prices.items()
        },
        "market_status": {
            "phase": "normal",
            "coins_analysed": len(prices),
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
    }
    snapshots: Any = _module("user_project.central_api.models").CentralSnapshot.objects
    snapshots.create(
        run_id=run_id, **times, body=json.dumps(body), sha256="0" * 64, fetched_at=now
    )


def _levels(market: str, price: Decimal) -> dict[str, Any]:
    return {
        "symbol": market,
        "price": str(price),
        "levels": {
            name: {
                "horizon_days": DAYS[name],
                "price": plain(KRW_TICKS.floor(price=price * Decimal(depth))),
            }
            for name, depth in DEPTHS.items()
        },
    }


def _module(name: str) -> Any:
    # By name: the checker's Django plugin knows the settings of one server at a time.
    return import_module(name)


if __name__ == "__main__":
    sys.exit(main())
