"""Prices for many bots at once: shared ones, and the exchange's where none is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import prices
from user_project.bots.holdings import Holding
from user_project.exchanges.adapter import ExchangeError
from user_project.trading.orders import PriceQuote


def quotes_of(*, holdings: Sequence[Holding]) -> dict[UUID, PriceQuote]:
    """Return the last price of each bot's coin, however old; without one no entry."""
    hosts = {holding.host for holding in holdings}
    tables = {
        host: _table([holding for holding in holdings if holding.host == host])
        for host in hosts
    }
    found = {h.bot_id: tables[h.host].get(h.market) for h in holdings}
    return {pk: quote for pk, quote in found.items() if quote is not None}


def _table(holdings: Sequence[Holding], /) -> Mapping[str, PriceQuote]:
    """Return the prices of one host."""
    shared = prices.known(host=holdings[0].host)
    markets = {holding.market for holding in holdings if holding.market}
    missing = sorted(markets - shared.keys())
    if not missing:
        return shared
    try:
        account = ExchangeAccount.objects.get(pk=holdings[0].account_id)
        adapter = adapter_for(account=account)
        return {**shared, **adapter.get_prices(markets=missing)}
    except (AccountProblem, ExchangeError):
        return shared
