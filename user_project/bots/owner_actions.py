"""What the owner does to a running round by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from common.money import plain
from user_project.bots import adjustments, events, limits, prices, switches, wording
from user_project.bots.frozen_plan import frozen_rules, planned_stages
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.option_ranges import range_problem
from user_project.bots.problems import BotProblem
from user_project.trading.buys import PRICE_MAX_AGE
from user_project.trading.facts import FIRST_MANUAL_STAGE
from user_project.trading.lifecycle import (
    TERMINAL_CYCLES,
    BotState,
    CycleState,
    OrderState,
)

MANUAL_BUY_WITHIN: Final = timedelta(minutes=2)
"""A wish that could not be carried out by then is dropped."""
DOUBLE_CLICK: Final = timedelta(seconds=5)
BUYING_BOTS: Final = (BotState.RUNNING, BotState.FINISHING)
BELIEVED: Final = 2 * PRICE_MAX_AGE
"""The price shown to the owner; the worker decides on a younger one."""


def buy_now(*, bot: Bot, amount: Decimal, now: datetime) -> Cycle:
    """Buy *amount* won (without fee) more at the market, beside the plan.

    Raises BotProblem where the round, a cap or a block does not allow it. The same
    amount within DOUBLE_CLICK is the same wish.
    """

    def wish(bot: Bot, cycle: Cycle) -> events.Say:
        if _is_asked_already(cycle, amount, now=now):
            return ""
        _check_buy(bot=bot, cycle=cycle, amount=amount, now=now)
        buys = cycle.owner_changes.setdefault("manual_buys", [])
        buys.append(
            {
                "stage": FIRST_MANUAL_STAGE + len(buys),
                "amount": plain(amount),
                "price": plain(_price(bot, cycle, now=now)),
                "until": (now + MANUAL_BUY_WITHIN).isoformat(),
            }
        )
        return lambda: (
            _("소유자가 %(amount)s 추가 매수를 지시했습니다.")
            % {"amount": wording.won(amount)}
        )

    return _change(bot=bot, wish=wish, kind="owner.buy", now=now)


def change_take_profit(*, bot: Bot, take_profit: Decimal, now: datetime) -> Cycle:
    """Take profit of the running round at another net share of its cost."""

    def wish(bot: Bot, cycle: Cycle) -> events.Say:
        problem = range_problem(
            option="take_profit", value=take_profit, in_percent=True
        )
        if problem:
            raise BotProblem("OUT_OF_RANGE", problem, field="take_profit")
        if cycle.owner_changes.get("take_profit") == plain(take_profit):
            return ""
        cycle.owner_changes["take_profit"] = plain(take_profit)
        return lambda: (
            _("소유자가 이번 회차의 익절률을 %(take_profit)s로 바꿨습니다.")
            % {"take_profit": wording.percent(take_profit)}
        )

    return _change(bot=bot, wish=wish, kind="owner.take_profit", now=now)


def skip_stage(*, bot: Bot, stage: int, now: datetime) -> Cycle:
    """Do not buy a stage of the running round; what rests of it is withdrawn."""

    def wish(bot: Bot, cycle: Cycle) -> events.Say:
        skipped = set(cycle.owner_changes.get("skipped", ()))
        if stage in skipped:
            return ""
        _check_skip(cycle, stage)
        cycle.owner_changes["skipped"] = sorted({*skipped, stage})
        return lambda: _("소유자가 %(stage)s차를 건너뛰게 했습니다.") % {"stage": stage}

    return _change(bot=bot, wish=wish, kind="owner.skip", now=now)


def release_coins(*, bot: Bot, by: Any, now: datetime) -> Cycle:
    """End the round without a sale: its coins belong to the owner alone from now on.

    Raises BotProblem while an order of the round may still fill.
    """
    with transaction.atomic():
        locked, cycle = _lock(bot)
        if cycle.state not in (CycleState.OPEN, CycleState.CLOSING, CycleState.FROZEN):
            raise BotProblem("NOTHING_HELD", _("넘겨받을 코인이 없습니다."))
        if Order.objects.live().filter(cycle=cycle).exists():
            raise BotProblem(
                "ORDERS_LIVE",
                _(
                    "아직 걸려 있는 주문이 있습니다. 봇을 정지하고 주문이 취소된 뒤 다시 하세요."
                ),
            )
        # Who is deciding for this bot right now decided on coins it no longer has.
        locked.fence, locked.lease_owner, locked.lease_until = (
            locked.fence + 1,
            "",
            None,
        )
        locked.next_tick_at = now
        locked.save(
            update_fields=("fence", "lease_owner", "lease_until", "next_tick_at")
        )
        return adjustments.release(bot=locked, cycle=cycle, by=by, now=now)


def _change(
    *, bot: Bot, wish: Callable[[Bot, Cycle], events.Say], kind: str, now: datetime
) -> Cycle:
    with transaction.atomic():
        locked, cycle = _lock(bot)
        if cycle.exit_reason or cycle.state not in (
            CycleState.OPENING,
            CycleState.OPEN,
        ):
            raise BotProblem(
                "ROUND_NOT_OPEN",
                _(
                    "정리 중이거나 동결된 회차는 바꿀 수 없습니다. 화면을 새로 고치세요."
                ),
            )
        message = wish(locked, cycle)
        if not message:
            return cycle  # as it is already: clicked twice
        cycle.save(update_fields=("owner_changes",))
        Bot.objects.filter(pk=locked.pk).update(next_tick_at=now)
        events.record(bot=locked, cycle=cycle, kind=kind, message=message)
    return cycle


def _lock(bot: Bot) -> tuple[Bot, Cycle]:
    locked = Bot.objects.select_for_update().get(pk=bot.pk)
    cycle = (
        Cycle.objects.select_for_update()
        .filter(bot=locked)
        .exclude(state__in=TERMINAL_CYCLES)
        .first()
    )
    if cycle is None:
        raise BotProblem(
            "NO_ROUND", _("진행 중인 회차가 없습니다. 봇을 먼저 시작하세요.")
        )
    return locked, cycle


def _is_asked_already(cycle: Cycle, amount: Decimal, *, now: datetime) -> bool:
    for buy in cycle.owner_changes.get("manual_buys", ())[-1:]:
        asked_at = datetime.fromisoformat(buy["until"]) - MANUAL_BUY_WITHIN
        return buy["amount"] == plain(amount) and now - asked_at < DOUBLE_CLICK
    return False


def _check_buy(*, bot: Bot, cycle: Cycle, amount: Decimal, now: datetime) -> None:
    rules = frozen_rules(cycle.plan)
    if bot.state not in BUYING_BOTS or cycle.state != CycleState.OPEN:
        raise BotProblem(
            "NOT_HOLDING",
            _("첫 매수가 체결된 실행 중인 봇에서만 추가로 살 수 있습니다."),
        )
    if rules.is_too_large(amount):
        raise BotProblem(
            "MAX_ORDER",
            _("한 번에 %(max_total)s까지 살 수 있습니다.")
            % {"max_total": wording.won(rules.max_total)},
            field="amount",
        )
    if amount != amount.to_integral_value() or rules.is_too_small(amount):
        raise BotProblem(
            "MIN_ORDER",
            (
                _("금액은 %(min_total)s 이상의 원 단위로 적으세요.")
                % {"min_total": wording.won(rules.min_total)}
            ),
            field="amount",
        )
    why = switches.blocked(bot=bot, now=now) or limits.exceeded(
        account_id=bot.account_id,
        market=cycle.market,
        amount=limits.with_fee(cycle, amount),
        now=now,
        is_new=False,
    )
    if why:
        raise BotProblem(why.value, wording.reason_text(why), field="amount")


def _price(bot: Bot, cycle: Cycle, *, now: datetime) -> Decimal:
    quote = prices.shared(host=bot.account.base_url, market=cycle.market)
    if quote is None or now - quote.received_at > BELIEVED:
        raise BotProblem(
            "STALE_PRICE",
            _("최신 시세가 없어 지금은 살 수 없습니다. 잠시 뒤 다시 하세요."),
        )
    return quote.price


def _check_skip(cycle: Cycle, stage: int) -> None:
    known = {planned.stage for planned in planned_stages(cycle.plan)[1:]}
    if stage not in known:
        raise BotProblem(
            "UNKNOWN_STAGE",
            _("2차부터 마지막 차수까지만 건너뛸 수 있습니다."),
            field="stage",
        )
    bought = cycle.orders.filter(stage=stage, state=OrderState.FILLED).exists()
    if bought:
        raise BotProblem("ALREADY_BOUGHT", _("이미 산 차수입니다."), field="stage")
