"""Rows and a quiet exchange for tests, built by hand: only what a test names differs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model

from common.money import MarketRules, ticks_of
from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Bot, BotEvent, Cycle, Fill, LedgerEntry, Order
from user_project.central_api.models import CentralSnapshot
from user_project.exchanges.adapter import (
    ExchangeAdapter,
    KeyReport,
    MarketState,
    Refused,
)
from user_project.trading.lifecycle import CycleState, OrderState
from user_project.trading.orders import OrderKind, PriceQuote, Side

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_user(name: str, **options: Any) -> Any:
    """Return a saved user; without a password, because hashing one is slow."""
    users: Any = get_user_model().objects
    return users.create_user(username=name, **options)


def make_account(owner: Any, **options: Any) -> ExchangeAccount:
    """Return a paper account on a port where nobody listens."""
    values = {
        "name": f"모의 {next(_numbers)}",
        "base_url": "http://127.0.0.1:9",
        "access_key_last4": "abcd",
        "sealed_keys": b"",
        "reconciled_at": NOW,
    }
    return ExchangeAccount.objects.create(owner=owner, **{**values, **options})


def make_bot(owner: Any, **options: Any) -> Bot:
    """Return a bot on KRW-BTC in DRAFT."""
    values = {"name": "비트코인", "market": "KRW-BTC", "budget": Decimal(1_000_000)}
    if "account" not in options:
        options["account"] = make_account(owner)
    return Bot.objects.create(owner=owner, **{**values, **options})


def frozen_plan(**options: Any) -> dict[str, Any]:
    """Return the JSON a cycle keeps: three stages on KRW-BTC."""
    return {
        "market": "KRW-BTC",
        "korean_name": "비트코인",
        "take_profit": "0.015",
        "bid_fee": "0.0005",
        "ask_fee": "0.0005",
        "stages": [
            {"stage": 1, "price": "100000000", "amount": "200000"},
            {"stage": 2, "price": "97000000", "amount": "250000"},
            {"stage": 3, "price": "94000000", "amount": "312000"},
        ],
        **options,
    }


def make_cycle(bot: Bot, **options: Any) -> Cycle:
    """Return an open round whose first stage is filled at 100 million won."""
    values = {
        "seq": 1,
        "market": "KRW-BTC",
        "state": CycleState.OPEN.value,
        "plan": frozen_plan(),
        "budget": bot.budget,
        "spent": Decimal("200100"),
        "volume": Decimal("0.002"),
        "cost": Decimal("200100"),
    }
    return Cycle.objects.create(bot=bot, **{**values, **options})


def make_order(cycle: Cycle, **options: Any) -> Order:
    """Return the filled market buy of stage 1."""
    number = next(_numbers)
    values = {
        "stage": 1,
        "side": Side.BID.value,
        "attempt": 1,
        "identifier": f"dt1-test-{number}",
        "market": cycle.market,
        "kind": OrderKind.MARKET.value,
        "funds": Decimal(200_000),
        "body_sha256": "0" * 64,
        "state": OrderState.FILLED.value,
        "fence": 1,
        "exchange_uuid": f"uuid-{number}",
        "executed_volume": Decimal("0.002"),
        "executed_funds": Decimal(200_000),
        "paid_fee": Decimal(100),
        "closed_at": NOW,
    }
    return Order.objects.create(bot=cycle.bot, cycle=cycle, **{**values, **options})


def make_fill(order: Order, **options: Any) -> Fill:
    """Return one execution of *order* with its cash leg."""
    values = {
        "trade_uuid": f"trade-{next(_numbers)}",
        "price": Decimal(100_000_000),
        "volume": Decimal("0.002"),
        "funds": Decimal(200_000),
        "fee": Decimal(100),
        "traded_at": NOW,
    }
    fill = Fill.objects.create(order=order, **{**values, **options})
    LedgerEntry.objects.create(
        fill=fill,
        cycle=order.cycle,
        owner=order.bot.owner,
        account=LedgerEntry.Account.CASH,
        currency="KRW",
        amount=Decimal("-200100"),
        at=fill.traded_at,
    )
    return fill


def make_profit(cycle: Cycle, *, won: int, at: datetime) -> LedgerEntry:
    """Return the booking of a sale that earned *won*."""
    fill = make_fill(make_order(cycle, side="ask"), traded_at=at)
    return LedgerEntry.objects.create(
        fill=fill,
        cycle=cycle,
        owner=cycle.bot.owner,
        account=LedgerEntry.Account.PROFIT,
        currency="KRW",
        amount=-won,
        at=at,
    )


def make_event(bot: Bot, message: str = "1차 매수 체결 100,000,000원") -> BotEvent:
    """Return one line of the bot's diary."""
    return BotEvent.objects.create(bot=bot, kind="order.filled", message=message)


def make_story(owner: Any, **options: Any) -> Bot:
    """Return a running bot with one row of everything."""
    bot = make_bot(owner, **{"state": "running", "reason": "WAIT_PRICE", **options})
    order = make_order(make_cycle(bot))
    make_fill(order)
    make_event(bot)
    return bot


class QuietExchange(ExchangeAdapter):
    """Answers questions about KRW-BTC; an order would be a bug of the caller."""

    def __init__(
        self, *, price: str = "101000000", now: datetime = NOW, warning: bool = False
    ) -> None:
        self.price = Decimal(price)
        self.previous_close: Decimal | None = None
        self.now = now
        self.warning = warning

    def place_market_order(self, *, request: Any) -> Any:
        raise AssertionError("nothing here may send an order")

    place_limit_order = place_market_order

    def cancel_order(self, *, uuid: str) -> None:
        raise AssertionError("nothing here may cancel an order")

    def get_order(self, *, uuid: Any = None, identifier: Any = None) -> Any:
        raise AssertionError("nothing here needs an order")

    def list_orders(self, **_: Any) -> Any:
        return []

    def get_balances(self) -> Any:
        return {}

    def get_rules(self, *, market: str) -> MarketRules:
        self._known(market)
        return MarketRules(market=market, ticks=ticks_of(market=market))

    def get_market(self, *, market: str) -> MarketState:
        self._known(market)
        return MarketState(
            market=market,
            korean_name="비트코인",
            english_name="Bitcoin",
            warning=self.warning,
            cautions=(),
        )

    def get_prices(self, *, markets: Sequence[str]) -> dict[str, PriceQuote]:
        return {
            market: PriceQuote(
                market=market,
                price=self.price,
                received_at=self.now,
                previous_close=self.previous_close,
            )
            for market in markets
            if market == "KRW-BTC"
        }

    def check_key(self) -> KeyReport:
        return KeyReport(
            accepted=True,
            expires_at=self.now + timedelta(days=90),
            withdraw_refused=True,
            message="",
        )

    def _known(self, market: str) -> None:
        if market != "KRW-BTC":
            raise Refused("no such market", name="notfoundmarket")


def make_snapshot(now: datetime, **options: Any) -> CentralSnapshot:
    """Return central's answer of a minute ago: KRW-BTC ranked first, with levels."""
    envelope = {
        "run_id": "run-1",
        "data_as_of": (now - timedelta(minutes=1)).isoformat(),
        "generated_at": now.isoformat(),
        "valid_until": (now + timedelta(minutes=14)).isoformat(),
        "next_run_at": (now + timedelta(minutes=4)).isoformat(),
        "stale": False,
        **options,
    }
    body = {
        **envelope,
        "recommendations": [_coin()],
        "support_levels": _levels(),
        "market_status": {
            "phase": "normal",
            "coins_analysed": 1,
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
    }
    return CentralSnapshot.objects.create(
        **{name: envelope[name] for name in _ENVELOPE},
        body=json.dumps(body),
        sha256="0" * 64,
        fetched_at=now,
    )


_ENVELOPE = ("run_id", "data_as_of", "generated_at", "valid_until", "next_run_at")


def _coin() -> dict[str, Any]:
    scores = dict.fromkeys(("technical", "volume", "volatility", "risk"), "61.5")
    return {
        "rank": 1,
        "symbol": "KRW-BTC",
        "korean_name": "비트코인",
        "english_name": "Bitcoin",
        "price": "101000000",
        "score": "72.25",
        "scores": scores,
        "reasons": [{"code": "UP", "ko": "거래가 늘었습니다.", "en": "More trades."}],
    }


def _levels() -> dict[str, Any]:
    prices = {"aggressive": "96000000", "moderate": "90000000"}
    days = {"aggressive": 7, "moderate": 30, "conservative": 90}
    levels = {
        name: {"horizon_days": count, "price": prices.get(name, "80000000")}
        for name, count in days.items()
    }
    return {"KRW-BTC": {"symbol": "KRW-BTC", "price": "101000000", "levels": levels}}
