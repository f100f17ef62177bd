"""What an owner's accounts are worth, by the last comparison and the shared prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.money import plain
from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.bots import prices
from user_project.trading.orders import Balance

WON = "KRW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """All accounts of one mode together, in KRW."""

    mode: str
    """모의투자 or 실전투자, in the reader's language."""
    total: Decimal
    free: Decimal
    """Won that no order holds (주문가능)."""
    at: datetime
    """Of the oldest comparison."""
    unpriced: int
    """Coins left out, because nobody told their price."""


def written(balances: Mapping[str, Balance], /) -> dict[str, list[str]]:
    """Return balances as an account keeps them."""
    return {
        currency: [plain(balance.free), plain(balance.locked)]
        for currency, balance in balances.items()
    }


def assets_of(*, owner: Any, mode: AccountMode | None = None) -> list[Assets]:
    """Return what *owner* has, paper and real money apart; empty before a comparison.

    *mode* narrows it to one kind of money.
    """
    accounts = ExchangeAccount.objects.for_user(owner).filter(balances_at__isnull=False)
    if mode is not None:
        accounts = accounts.filter(mode=mode)
    by_mode: dict[str, list[ExchangeAccount]] = {}
    for account in accounts:
        by_mode.setdefault(account.mode, []).append(account)
    return [_sum(mode, rows) for mode, rows in sorted(by_mode.items())]


def _sum(mode: str, accounts: list[ExchangeAccount], /) -> Assets:
    total = free = Decimal(0)
    unpriced = 0
    for account in accounts:
        known = prices.known(host=account.base_url)
        for currency, (unlocked, locked) in account.balances.items():
            held = Decimal(unlocked) + Decimal(locked)
            quote = known.get(f"{WON}-{currency}")
            if currency == WON:
                total, free = total + held, free + Decimal(unlocked)
            elif quote is not None:
                total += held * quote.price
            else:
                unpriced += bool(held)
    return Assets(
        mode=str(AccountMode(mode).label),
        total=total,
        free=free,
        at=min(account.balances_at for account in accounts if account.balances_at),
        unpriced=unpriced,
    )
