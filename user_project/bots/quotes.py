"""Prices for many bots at once: shared ones, and the exchange's where none is shared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import prices
from user_project.bots.models import Bot, Cycle
from user_project.exchanges.adapter import ExchangeError
from user_project.trading.orders import PriceQuote


def quotes_of(
    *, bots: Sequence[Bot], rounds_of: Mapping[UUID, Cycle]
) -> dict[UUID, PriceQuote]:
    """Return the last price of each bot's coin, however old; without one no entry.

    *rounds_of* are the bots' open rounds: their coin counts before the bot's own.
    """
    markets = {
        bot.pk: cycle.market if (cycle := rounds_of.get(bot.pk)) else bot.market
        for bot in bots
    }
    accounts = {bot.account.base_url: bot.account for bot in bots}
    tables = {
        host: _table(
            account,
            markets={markets[bot.pk] for bot in bots if bot.account.base_url == host},
        )
        for host, account in accounts.items()
    }
    found = {bot.pk: tables[bot.account.base_url].get(markets[bot.pk]) for bot in bots}
    return {pk: quote for pk, quote in found.items() if quote is not None}


def _table(
    account: ExchangeAccount, /, *, markets: Collection[str]
) -> Mapping[str, PriceQuote]:
    shared = prices.known(host=account.base_url)
    missing = sorted({market for market in markets if market} - shared.keys())
    if not missing:
        return shared
    try:
        adapter = adapter_for(account=account)
        return {**shared, **adapter.get_prices(markets=missing)}
    except (AccountProblem, ExchangeError):
        return shared
