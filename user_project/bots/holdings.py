"""What each bot holds, without all that its page shows besides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models.fields.json import KT

from user_project.bots import frozen_plan
from user_project.bots.models import Bot, BotQuerySet, Cycle
from user_project.trading.lifecycle import TERMINAL_CYCLES

BOT_COLUMNS: Final = (
    *("pk", "owner_id", "account_id", "account__base_url", "account__mode"),
    *("name", "state", "reason", "market"),
)
NO_ROUND: Final = ("", None, Decimal(0), Decimal(0), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """A holding in KRW at one price; None where nothing is held or no price is known."""

    value: Decimal | None = None
    unrealised: Decimal | None = None
    """After the fee of selling."""
    rate: Decimal | None = None
    """``unrealised`` as a share of what was paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One bot and its running round; nothing is held without one."""

    bot_id: UUID
    owner_id: int
    account_id: UUID
    host: str
    mode: str
    """``paper`` or ``live``."""
    name: str
    state: str
    reason: str
    market: str
    """The round's coin, else the bot's own; empty where a bot has yet to choose."""
    cycle_id: UUID | None
    volume: Decimal
    cost: Decimal
    """In KRW, fees included."""
    ask_fee: Decimal

    def worth(self, price: Decimal | None, /) -> Valuation:
        """Value it at *price* (KRW)."""
        if price is None or not self.volume:
            return Valuation()
        value = price * self.volume
        unrealised = value * (1 - self.ask_fee) - self.cost
        rate = unrealised / self.cost if self.cost else None
        return Valuation(value=value, unrealised=unrealised, rate=rate)


def total(parts: Iterable[tuple[Holding, Valuation]], /) -> Valuation:
    """Sum what is valued; the rate is a share of what just those holdings cost."""
    valued = [(h, w) for h, w in parts if w.unrealised is not None]
    cost = sum((holding.cost for holding, _ in valued), Decimal(0))
    unrealised = sum((w.unrealised or Decimal(0) for _, w in valued), Decimal(0))
    return Valuation(
        value=sum((w.value or Decimal(0) for _, w in valued), Decimal(0)),
        unrealised=unrealised,
        rate=unrealised / cost if cost else None,
    )


def holdings(*, bots: BotQuerySet) -> list[Holding]:
    """Return what *bots* hold, in their order; two queries however many they are."""
    # The rounds last: one that opens meanwhile is not missed, as a stop must not.
    rows = list(bots.select_related(None).values_list(*BOT_COLUMNS))
    rounds = _rounds(bots)
    return [_holding(row, rounds.get(row[0], NO_ROUND)) for row in rows]


def holding_of(*, bot: Bot, cycle: Cycle | None) -> Holding:
    """Return what *bot* holds in its running round."""
    row = (
        *(bot.pk, bot.owner_id, bot.account_id),
        *(bot.account.base_url, bot.account.mode),
        *(bot.name, bot.state, bot.reason, bot.market),
    )
    if cycle is None:
        return _holding(row, NO_ROUND)
    fee = cycle.plan.get("ask_fee")
    return _holding(row, (cycle.market, cycle.pk, cycle.volume, cycle.cost, fee))


def _rounds(bots: BotQuerySet, /) -> dict[UUID, Any]:
    running = Cycle.objects.exclude(state__in=TERMINAL_CYCLES).order_by()
    rows = (
        running.filter(bot__in=bots.order_by().values("pk"))
        .annotate(fee=KT("plan__ask_fee"))
        .values_list("bot", "market", "pk", "volume", "cost", "fee")
    )
    return {bot: found for bot, *found in rows}


def _holding(row: Any, running: Any, /) -> Holding:
    pk, owner, account, host, mode, name, state, reason, chosen = row
    market, cycle, volume, cost, fee = running
    return Holding(
        bot_id=pk,
        owner_id=owner,
        account_id=account,
        host=host,
        mode=mode,
        name=name,
        state=state,
        reason=reason,
        market=market or chosen,
        cycle_id=cycle,
        volume=volume,
        cost=cost,
        ask_fee=frozen_plan.ask_fee(fee),
    )
