"""The account's caps, checked while its row is locked: two bots cannot pass at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any
from uuid import UUID

from user_project.accounts.models import ExchangeAccount
from user_project.bots.frozen_plan import frozen_rules
from user_project.bots.models import Cycle
from user_project.trading.caps import Caps, OpenRound, exceeded_cap
from user_project.trading.facts import Why
from user_project.trading.lifecycle import TERMINAL_CYCLES


def exceeded(
    *,
    account_id: UUID,
    market: str,
    amount: Decimal,
    now: datetime,
    is_new: bool = True,
) -> Why:
    """Return which cap *amount* more won would break; call inside a transaction.

    *amount* and all it is added to are KRW with the fee of buying.
    """
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
            OpenRound(market=cycle.market, budget=cycle.budget + _asked(cycle, now=now))
            for cycle in running
        ],
        market=market,
        amount=amount,
        is_new=is_new,
    )


def waiting_buys(cycle: Cycle, /, *, now: datetime) -> Iterator[dict[str, Any]]:
    """Manual buys that were asked for, may still be sent, and were not sent yet."""
    asked = cycle.owner_changes.get("manual_buys", ())
    stages = [buy["stage"] for buy in asked]
    orders = cycle.orders.filter(stage__in=stages) if stages else cycle.orders.none()
    sent = set(orders.values_list("stage", flat=True))
    for buy in asked:
        if buy["stage"] not in sent and datetime.fromisoformat(buy["until"]) > now:
            yield buy


def with_fee(cycle: Cycle, amount: Decimal, /) -> Decimal:
    """Return what buying for *amount* won takes from the account, in whole won."""
    gross = amount * (1 + frozen_rules(cycle.plan).bid_fee)
    return gross.to_integral_value(ROUND_CEILING)


def _asked(cycle: Cycle, *, now: datetime) -> Decimal:
    """Money that is promised already; the budget grows only when the order is made."""
    waiting = waiting_buys(cycle, now=now)
    return sum((with_fee(cycle, Decimal(buy["amount"])) for buy in waiting), Decimal(0))
