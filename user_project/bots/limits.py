"""The account's caps, checked while its row is locked: two bots cannot pass at once."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Cycle
from user_project.trading.caps import Caps, OpenRound, exceeded_cap
from user_project.trading.facts import Why
from user_project.trading.lifecycle import TERMINAL_CYCLES


def exceeded(
    *, account_id: UUID, market: str, amount: Decimal, is_new: bool = True
) -> Why:
    """Return which cap *amount* more won would break; call inside a transaction."""
    account = ExchangeAccount.objects.select_for_update().get(pk=account_id)
    running = Cycle.objects.filter(bot__account=account).exclude(
        state__in=TERMINAL_CYCLES
    )
    return exceeded_cap(
        caps=Caps(
            budget=account.cap_budget,
            coin=account.cap_coin,
            cycles=account.cap_cycles,
        ),
        running=[
            OpenRound(market=market, budget=budget)
            for market, budget in running.values_list("market", "budget")
        ],
        market=market,
        amount=amount,
        is_new=is_new,
    )
