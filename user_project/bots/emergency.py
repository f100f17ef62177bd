"""The emergency stop: say what it would do, do it, tell how far each bot has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from common.money import plain
from user_project.accounts.models import ExchangeAccount
from user_project.bots import prices, services, switches, wording
from user_project.bots.holdings import Holding, holdings
from user_project.bots.models import (
    Bot,
    BotQuerySet,
    EmergencyStop,
    Order,
    ServerSwitch,
)
from user_project.bots.problems import BotProblem
from user_project.trading.facts import ExitReason, Why
from user_project.trading.lifecycle import BotState
from user_project.trading.orders import Side

BUYING: Final = (BotState.RUNNING, BotState.FINISHING)
HOLDS_UP: Final = frozenset(
    {
        *(Why.QUARANTINED, Why.KEY_REFUSED, Why.KEYS_UNREADABLE, Why.LIVE_OFF),
        *(Why.RECONCILE_DUE, Why.MARKET_OFFLINE, Why.FROZEN, Why.DUST, Why.WRONG_HOST),
    }
)
"""Reasons for which even an ordered sale waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the stop does to one bot; amounts in KRW."""

    bot_id: UUID
    mode: str
    """``paper`` or ``live``; empty in stops of a version that did not keep it."""
    name: str
    market: str
    state: str
    buys_withdrawn: int
    take_profit_withdrawn: bool
    volume: Decimal
    cost: Decimal
    estimated_won: Decimal | None
    """What the coins would fetch at the last known price; None without a price."""
    sells: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All effects together; what has no price is counted, not guessed."""

    buys: int
    worth: dict[str, Decimal]
    """Paper and real money apart, by mode."""
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How far one bot has come."""

    bot_id: UUID
    name: str
    done: bool
    message: str


def preview_stop(
    *, owner: Any, account: ExchangeAccount | None = None, sell_all: bool
) -> list[Effect]:
    """Return the effects, bot by bot; nothing is changed. No *owner*: all owners."""
    return [_effect(held, sell_all=sell_all) for held in _held(_bots(owner, account))]


def add_up(effects: Sequence[Effect], /) -> Totals:
    """Sum buys and won."""
    worth: dict[str, Decimal] = {}
    for effect in effects:
        known = effect.estimated_won or Decimal(0)
        worth[effect.mode] = worth.get(effect.mode, Decimal(0)) + known
    return Totals(
        buys=sum(effect.buys_withdrawn for effect in effects),
        worth=worth,
        unpriced=sum(effect.estimated_won is None for effect in effects),
    )


def stop_everything(
    *,
    owner: Any,
    account: ExchangeAccount | None = None,
    sell_all: bool,
    by: Any,
    now: datetime,
) -> EmergencyStop:
    """Turn the kill switch of the scope, withdraw all buys, with *sell_all* sell.

    The bots' workers carry it out; see `results`. What happens to a bot is decided with
    its row locked and the switches on: a first buy committed meanwhile is sold, too.
    """
    for target in _switches(owner, account):
        switches.set_kill_switch(
            target=target, on=True, reason=_("비상 정지"), by=by, now=now
        )
    effects = [
        _stop(bot_id=bot_id, sell_all=sell_all, now=now)
        for bot_id in _bots(owner, account).values_list("pk", flat=True)
    ]
    return EmergencyStop.objects.create(
        owner=owner,
        account=account,
        sell_all=sell_all,
        by=by,
        effects=[_written(effect) for effect in effects],
    )


def results(*, stop: EmergencyStop) -> list[Result]:
    """Return how far each bot has come, from its present state."""
    names = {UUID(row["bot_id"]): row for row in stop.effects}
    held = _held(Bot.objects.filter(pk__in=names))
    return [_result(row, sells=names[row.holding.bot_id]["sells"]) for row in held]


def effects_of(*, stop: EmergencyStop) -> list[Effect]:
    """Read back what a stop set out to do."""
    return [
        Effect(
            **{
                "mode": "",
                **row,
                "bot_id": UUID(row["bot_id"]),
                "volume": Decimal(row["volume"]),
                "cost": Decimal(row["cost"]),
                "estimated_won": None
                if row["estimated_won"] is None
                else Decimal(row["estimated_won"]),
            }
        )
        for row in stop.effects
    ]


def _bots(owner: Any, account: ExchangeAccount | None) -> BotQuerySet:
    bots = Bot.objects.exclude(state=BotState.DRAFT)
    if owner is not None:
        bots = bots.for_user(owner)
    return bots if account is None else bots.filter(account=account)


def _switches(
    owner: Any, account: ExchangeAccount | None
) -> Sequence[ExchangeAccount | ServerSwitch]:
    if account is not None:
        return [account]
    if owner is None:
        return [ServerSwitch(pk=1)]
    return list(ExchangeAccount.objects.for_user(owner))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What one bot holds and has at the exchange."""

    holding: Holding
    buys: int
    sells: int
    price: Decimal | None


def _held(bots: BotQuerySet, /) -> list[_Held]:
    """Read many bots with as many queries as one."""
    found = holdings(bots=bots)
    cycles = [holding.cycle_id for holding in found if holding.cycle_id]
    live = Order.objects.live().filter(cycle__in=cycles).order_by()
    counts = {
        (cycle, side): number
        for cycle, side, number in live.values_list("cycle", "side").annotate(
            number=Count("pk")
        )
    }
    hosts = {holding.host for holding in found}
    tables = {host: prices.known(host=host) for host in hosts}
    return [
        _Held(
            holding=holding,
            buys=counts.get((holding.cycle_id, Side.BID.value), 0),
            sells=counts.get((holding.cycle_id, Side.ASK.value), 0),
            price=quote.price if quote else None,
        )
        for holding in found
        for quote in [tables[holding.host].get(holding.market)]
    ]


def _effect(held: _Held, /, *, sell_all: bool) -> Effect:
    holding, volume = held.holding, held.holding.volume
    # A buy under way may still bring coins: then those are sold, too.
    sells = sell_all and (volume > 0 or held.buys + held.sells > 0)
    worth = None if held.price is None else volume * held.price
    return Effect(
        bot_id=holding.bot_id,
        mode=holding.mode,
        name=holding.name,
        market=holding.market,
        state=holding.state,
        buys_withdrawn=held.buys,
        take_profit_withdrawn=sells and held.sells > 0,
        volume=volume,
        cost=holding.cost,
        estimated_won=worth if volume else Decimal(0),
        sells=sells,
    )


def _stop(*, bot_id: UUID, sell_all: bool, now: datetime) -> Effect:
    with transaction.atomic():
        bot = Bot.objects.select_for_update().get(pk=bot_id)
        (held,) = _held(Bot.objects.filter(pk=bot_id))
        effect = _effect(held, sell_all=sell_all)
        try:
            if effect.sells:
                services.stop_and_sell(bot=bot, now=now, reason=ExitReason.EMERGENCY)
            elif bot.state in BUYING:
                services.pause_bot(bot=bot, now=now)
            elif bot.state == BotState.HALTED:
                # Nobody acts for a halted bot, so its buys would stay. It does not
                # run in between: both are one transaction.
                services.resume_bot(bot=bot, now=now)
                services.pause_bot(bot=bot, now=now)
        except BotProblem:
            # Moved on meanwhile; the kill switch holds whatever it does.
            Bot.objects.filter(pk=bot_id).update(next_tick_at=now)
    return effect


def _result(row: _Held, /, *, sells: bool) -> Result:
    holding, buys, held = row.holding, row.buys, row.holding.volume
    if buys:
        done, text = (
            False,
            (_("매수 주문 %(buys)s건을 거두는 중입니다.") % {"buys": buys}),
        )
    elif sells and held:
        done, text = False, _selling(holding)
    elif held:
        done, text = (
            True,
            (
                _("매수를 거두었습니다. 코인 %(held)s개는 그대로 있습니다.")
                % {"held": plain(held)}
            ),
        )
    else:
        done, text = True, _("보유 코인도 매수 주문도 없습니다.")
    return Result(bot_id=holding.bot_id, name=holding.name, done=done, message=text)


def _selling(holding: Holding) -> str:
    """Name what holds a sale up: somebody must do something about it."""
    text = _("코인 %(held)s개를 파는 중입니다.") % {"held": plain(holding.volume)}
    why = Why(holding.reason)
    return f"{text} {wording.reason_text(why)}" if why in HOLDS_UP else text


def _written(effect: Effect) -> dict[str, Any]:
    return {
        name: plain(value)
        if isinstance(value, Decimal)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in asdict(effect).items()
    }
