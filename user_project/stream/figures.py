"""The numbers of a bot that move with the price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from common.money import plain
from user_project.bots import holdings as held
from user_project.bots import prices
from user_project.bots.holdings import Holding, Valuation, total
from user_project.bots.models import Bot
from user_project.trading.orders import PriceQuote

TOTALS: Final = "totals-{mode}"
"""Where a bot's number would be: the sums over all of an owner's bots of one mode."""


def holdings(*, owner_ids: Collection[int]) -> dict[int, list[Holding]]:
    """Return the bots of some owners that have a market; two queries in all."""
    found: dict[int, list[Holding]] = defaultdict(list)
    for holding in held.holdings(bots=Bot.objects.filter(owner_id__in=owner_ids)):
        if holding.market:
            found[holding.owner_id].append(holding)
    return {owner: found[owner] for owner in owner_ids}


def figures(*, holdings: Sequence[Holding], now: datetime) -> dict[str, dict[str, Any]]:
    """Value each holding at the last shared price; bots without one are left out.

    ``TOTALS`` is what all of one kind of money are worth together, left out while one
    of their coins has no price.
    """
    tables = {
        host: prices.all_shared(host=host)
        for host in {holding.host for holding in holdings}
    }
    quoted = [(h, tables[h.host].get(h.market)) for h in holdings]
    found = {
        str(holding.bot_id): _numbers(holding, quote, now=now)
        for holding, quote in quoted
        if quote is not None
    }
    held = [(holding, quote) for holding, quote in quoted if holding.volume]
    for mode in {holding.mode for holding, _ in held}:
        found |= _totals(mode, [(h, quote) for h, quote in held if h.mode == mode])
    return found


def _totals(
    mode: str, quoted: Sequence[tuple[Holding, PriceQuote | None]], /
) -> dict[str, dict[str, Any]]:
    """Return the one entry of what is held; none while a price is missing."""
    priced = [(holding, quote) for holding, quote in quoted if quote is not None]
    if len(priced) < len(quoted):
        return {}
    worth = total((holding, holding.worth(quote.price)) for holding, quote in priced)
    oldest = min(quote.received_at for _, quote in priced)
    return {TOTALS.format(mode=mode): {**_written(worth), "at": _ms(oldest)}}


def _numbers(holding: Holding, quote: PriceQuote, *, now: datetime) -> dict[str, Any]:
    return {
        **_written(holding.worth(quote.price)),
        "price": plain(quote.price),
        "day_change": _plain(quote.day_change(now=now)),
        "market": holding.market,
        "at": _ms(quote.received_at),
    }


def _written(worth: Valuation, /) -> dict[str, str | None]:
    return {
        "value": _plain(worth.value),
        "unrealised": _plain(worth.unrealised),
        "rate": _plain(worth.rate),
    }


def _plain(value: Decimal | None, /) -> str | None:
    return None if value is None else plain(value)


def _ms(at: datetime, /) -> int:
    return int(at.timestamp() * 1000)
