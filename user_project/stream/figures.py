"""The numbers of a bot that move with the price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.money import plain
from user_project.bots import holdings as held
from user_project.bots import prices
from user_project.bots.holdings import Holding
from user_project.bots.models import Bot
from user_project.trading.orders import PriceQuote


def holdings(*, owner_ids: Collection[int]) -> dict[int, list[Holding]]:
    """Return the bots of some owners that have a market; two queries in all."""
    found: dict[int, list[Holding]] = defaultdict(list)
    for holding in held.holdings(bots=Bot.objects.filter(owner_id__in=owner_ids)):
        if holding.market:
            found[holding.owner_id].append(holding)
    return {owner: found[owner] for owner in owner_ids}


def figures(*, holdings: Sequence[Holding], now: datetime) -> dict[str, dict[str, Any]]:
    """Value each holding at the last shared price; bots without one are left out."""
    tables = {
        host: prices.all_shared(host=host)
        for host in {holding.host for holding in holdings}
    }
    return {
        str(holding.bot_id): _numbers(holding, quote, now=now)
        for holding in holdings
        if (quote := tables[holding.host].get(holding.market)) is not None
    }


def _numbers(holding: Holding, quote: PriceQuote, *, now: datetime) -> dict[str, Any]:
    worth = holding.worth(quote.price)
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
