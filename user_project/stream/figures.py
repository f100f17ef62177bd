"""The numbers of a bot that move with the price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.money import MarketRules, plain
from user_project.bots import prices
from user_project.bots.frozen_plan import frozen_rules
from user_project.bots.models import Bot, Cycle
from user_project.bots.rounds import open_rounds
from user_project.bots.valuation import value_holding
from user_project.trading.orders import PriceQuote


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one bot holds, and where its price is found."""

    bot_id: str
    host: str
    market: str
    volume: Decimal
    cost: Decimal
    rules: MarketRules


def holdings(*, owner_ids: Collection[int]) -> dict[int, list[Holding]]:
    """Return the bots of some owners that have a market; two queries in all."""
    bots = list(Bot.objects.filter(owner_id__in=owner_ids).select_related("account"))
    running = open_rounds(bots=bots)
    found: dict[int, list[Holding]] = defaultdict(list)
    for bot in bots:
        cycle = running.get(bot.pk)
        market = cycle.market if cycle else bot.market
        if market:
            found[bot.owner_id].append(_holding(bot, cycle, market))
    return {owner: found[owner] for owner in owner_ids}


def _holding(bot: Bot, cycle: Cycle | None, market: str) -> Holding:
    return Holding(
        bot_id=str(bot.pk),
        host=bot.account.base_url,
        market=market,
        volume=cycle.volume if cycle else Decimal(0),
        cost=cycle.cost if cycle else Decimal(0),
        rules=frozen_rules(cycle.plan if cycle else {}),
    )


def figures(*, holdings: Sequence[Holding], now: datetime) -> dict[str, dict[str, Any]]:
    """Value each holding at the last shared price; bots without one are left out."""
    tables = {
        host: prices.all_shared(host=host)
        for host in {holding.host for holding in holdings}
    }
    return {
        holding.bot_id: _numbers(holding, quote, now=now)
        for holding in holdings
        if (quote := tables[holding.host].get(holding.market)) is not None
    }


def _numbers(holding: Holding, quote: PriceQuote, *, now: datetime) -> dict[str, Any]:
    worth = value_holding(
        volume=holding.volume,
        cost=holding.cost,
        price=quote.price,
        rules=holding.rules,
    )
    numbers: Mapping[str, Decimal | None] = {
        "price": quote.price,
        "value": worth.value,
        "unrealised": worth.unrealised,
        "rate": worth.rate,
        "day_change": quote.day_change(now=now),
    }
    exact = {name: None if n is None else plain(n) for name, n in numbers.items()}
    at = int(quote.received_at.timestamp() * 1000)
    return {**exact, "market": holding.market, "at": at}
