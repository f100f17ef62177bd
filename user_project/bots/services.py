"""What people and programs can do with bots; every caller goes through here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.wire import BundleAnswer, Level
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import cycles, events, planning, wording
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.options import NOT_COLUMNS, BotOptions
from user_project.bots.planning import NoProposal, Proposal
from user_project.bots.problems import BotProblem
from user_project.central_api.services import freshness, latest_snapshot, pull
from user_project.exchanges.adapter import ExchangeError
from user_project.trading.facts import ORDERED_EXITS, ExitReason, Why
from user_project.trading.lifecycle import (
    BOT_TRANSITIONS,
    TERMINAL_CYCLES,
    BotState,
    BotTrigger,
    InvalidTransition,
    next_state,
)
from user_project.trading.plan import Plan

SELLS: Final = _noop("보유 코인을 시장가로 팔고 정지합니다.")
OPTION_COLUMNS: Final = tuple(
    field.name for field in fields(BotOptions) if field.name not in NOT_COLUMNS
)


"""Looked at only between rounds: the running one has its frozen plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a bot would do if it started now, in won."""

    market: str
    korean_name: str
    level: Level
    support: Decimal
    price: Decimal
    price_at: datetime
    day_change: Decimal | None
    """Since the close of the UTC day before, as a share of it."""
    run_id: str
    data_as_of: datetime
    stale: bool
    plan: Plan
    notes: tuple[str, ...]
    touch_probability: Decimal | None
    """Chance (0 to 1) that the price reaches the support, as central calibrated it."""
    touch_days: int | None
    """Within so many days."""


def preview_bot(*, owner: Any, options: BotOptions, now: datetime) -> Preview:
    """Plan without changing anything; raise BotProblem when no plan can be made."""
    account = find_account(owner=owner, account_id=options.account_id)
    bundle, stale = _bundle_for(options.market, now=now)
    proposal = _propose(account=account, options=options, bundle=bundle, now=now)
    return Preview(
        market=proposal.state.market,
        korean_name=proposal.state.korean_name,
        level=proposal.level,
        support=proposal.support,
        price=proposal.quote.price,
        price_at=proposal.quote.received_at,
        day_change=proposal.quote.day_change(now=now),
        run_id=bundle.run_id,
        data_as_of=bundle.data_as_of,
        stale=stale,
        plan=proposal.plan,
        notes=(
            *_notes(proposal, wanted=options.level),
            *_money_notes(account=account, budget=options.budget),
        ),
        **_touch(bundle, market=proposal.state.market, level=proposal.level),
    )


def _touch(bundle: BundleAnswer, *, market: str, level: Level) -> dict[str, Any]:
    levels = bundle.support_levels.get(market)
    support = levels.levels.get(level) if levels else None
    return {
        "touch_probability": support.touch_probability if support else None,
        "touch_days": support.touch_days if support else None,
    }


def create_bot(*, owner: Any, options: BotOptions, now: datetime) -> Bot:
    """Create a bot in DRAFT; the options must allow a plan right now."""
    preview = preview_bot(owner=owner, options=options, now=now)
    account = find_account(owner=owner, account_id=options.account_id)
    auto = not options.market
    with transaction.atomic():
        bot = Bot.objects.create(
            owner=owner,
            account=account,
            name=options.name or (_("자동 선택 봇") if auto else preview.korean_name),
            market=options.market,
            auto_select=auto,
            **options.columns(),
            reason=Why.DRAFT.value,
        )
        events.record(bot=bot, kind="bot.created", message=_noop("봇을 만들었습니다."))
    return bot


def start_bot(*, bot: Bot, now: datetime) -> Bot:
    """Let the bot buy; a stopped one goes on with what it holds."""
    return _move(
        bot=bot, trigger=BotTrigger.START, message=_noop("시작했습니다."), now=now
    )


def pause_bot(*, bot: Bot, now: datetime) -> Bot:
    """No new buys; resting buys are withdrawn, the take profit stays."""
    return _move(
        bot=bot, trigger=BotTrigger.PAUSE, message=_noop("일시정지했습니다."), now=now
    )


def resume_bot(*, bot: Bot, now: datetime) -> Bot:
    """Go on after a pause or after a person looked at a halted bot."""
    return _move(
        bot=bot, trigger=BotTrigger.RESUME, message=_noop("재개했습니다."), now=now
    )


def finish_bot(*, bot: Bot, now: datetime) -> Bot:
    """Finish the running round, then stop."""
    return _move(
        bot=bot,
        trigger=BotTrigger.FINISH,
        message=_noop("이번 회차를 마치면 정지합니다."),
        now=now,
    )


def stop_bot(*, bot: Bot, now: datetime) -> Bot:
    """Withdraw all resting orders and stop; coins that were bought stay."""
    return _move(
        bot=bot,
        trigger=BotTrigger.STOP,
        message=_noop(
            "정지했습니다. 미체결 주문을 취소하고 보유 코인은 그대로 둡니다."
        ),
        now=now,
    )


def stop_and_sell(
    *, bot: Bot, now: datetime, reason: ExitReason = ExitReason.OWNER
) -> Bot:
    """Withdraw everything, sell the coins at the market, then stop.

    A bot that holds nothing is only stopped. Asking twice changes nothing.
    """
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        cycle = lock_open_cycle(locked)
        if cycle is None or not _may_hold(cycle):
            if locked.state == BotState.STOPPED:
                return locked
            return stop_bot(bot=locked, now=now)
        # An ordered sale overtakes a stop under way: it alone passes a kill switch.
        is_new = cycle.exit_reason not in ORDERED_EXITS
        if is_new:
            cycle.exit_reason = reason.value
            cycle.save(update_fields=("exit_reason",))
        if locked.state != BotState.FINISHING:
            return _move(bot=locked, trigger=BotTrigger.FINISH, message=SELLS, now=now)
        Bot.objects.filter(pk=locked.pk).update(next_tick_at=now)
        if is_new:
            events.record(bot=locked, cycle=cycle, kind="bot.finishing", message=SELLS)
        return locked


def _may_hold(cycle: Cycle) -> bool:
    """Tell whether the round has coins, or a buy under way that may still bring some."""
    return cycle.volume > 0 or Order.objects.live().filter(cycle=cycle).exists()


def clone_bot(*, bot: Bot, name: str, now: datetime) -> Bot:
    """Return a new bot in DRAFT with the same options and account."""
    options = {field: getattr(bot, field) for field in OPTION_COLUMNS}
    with transaction.atomic():
        copy = Bot.objects.create(
            owner_id=bot.owner_id,
            account_id=bot.account_id,
            name=(name.strip() or (_("%(name)s 복사") % {"name": bot.name}))[:60],
            market="" if bot.auto_select else bot.market,
            auto_select=bot.auto_select,
            reason=Why.DRAFT.value,
            **options,
        )
        events.record(
            bot=copy,
            kind="bot.created",
            message=lambda: _("'%(name)s' 봇을 복사했습니다.") % {"name": bot.name},
        )
    return copy


def lock_open_cycle(bot: Bot) -> Cycle | None:
    """Return the round that is not over, locked until the transaction ends."""
    return (
        Cycle.objects.select_for_update()
        .filter(bot=bot)
        .exclude(state__in=TERMINAL_CYCLES)
        .first()
    )


def possible_triggers(*, bot: Bot) -> frozenset[BotTrigger]:
    """Return what the bot's state allows now."""
    state = BotState(bot.state)
    return frozenset(trigger for origin, trigger in BOT_TRANSITIONS if origin is state)


def find_account(*, owner: Any, account_id: UUID | None) -> ExchangeAccount:
    """Return the owner's account; without an id there must be exactly one."""
    accounts = list(ExchangeAccount.objects.for_user(owner))
    if account_id is not None:
        accounts = [account for account in accounts if account.pk == account_id]
    if not accounts:
        raise BotProblem(
            "NO_ACCOUNT",
            _("거래소 계정이 없습니다. 먼저 모의투자 계정을 추가하세요."),
            field="account",
        )
    if len(accounts) > 1:
        raise BotProblem(
            "WHICH_ACCOUNT",
            _("계정이 여러 개입니다. 하나를 고르세요."),
            field="account",
        )
    return accounts[0]


def _move(*, bot: Bot, trigger: BotTrigger, message: events.Say, now: datetime) -> Bot:
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        try:
            target = next_state(BOT_TRANSITIONS, BotState(locked.state), trigger)
        except InvalidTransition as error:
            raise BotProblem(
                "INVALID_STATE",
                (
                    _(
                        "'%(get_state_display)s' 상태에서는 할 수 없습니다. 화면을 새로 고쳐 지금 상태를 확인하세요."
                    )
                    % {"get_state_display": locked.get_state_display()}
                ),
            ) from error
        locked.state = target
        locked.next_tick_at = now
        locked.tick_failures = 0
        # The worker refines it; until then the page must not show the old one.
        locked.reason = _REASON_OF.get(target, Why.NOTHING).value
        locked.reason_at = now
        locked.save(
            update_fields=(
                *("state", "next_tick_at", "tick_failures"),
                *("reason", "reason_at"),
            )
        )
        events.record(bot=locked, kind=f"bot.{target}", message=message)
    return locked


_REASON_OF: Final = {
    BotState.PAUSED: Why.PAUSED,
    BotState.STOPPED: Why.STOPPED,
    BotState.HALTED: Why.HALTED,
}


def _bundle_for(market: str, *, now: datetime) -> tuple[BundleAnswer, bool]:
    """Return the last good analysis; ask central for a coin it does not cover yet."""
    snapshot = latest_snapshot()
    if snapshot is None or (market and market not in snapshot.bundle.support_levels):
        pull(now=now, extra_symbols=[market] if market else [])
        snapshot = latest_snapshot()
    if snapshot is None:
        raise BotProblem(
            "CENTRAL_UNAVAILABLE",
            _(
                "본사 분석을 아직 받지 못했습니다. 본사 주소와 키를 확인하고 `manage_user.py pull`로 다시 시도하세요."
            ),
        )
    fresh = freshness(snapshot=snapshot, now=now)
    return snapshot.bundle, not fresh.new_cycles_allowed


def _propose(
    *,
    account: ExchangeAccount,
    options: BotOptions,
    bundle: BundleAnswer,
    now: datetime,
) -> Proposal:
    seed = cycles.plan_seed(bot_id="preview", cycle=1, run_id=bundle.run_id, now=now)
    try:
        adapter = adapter_for(account=account)
        if options.market:
            return planning.propose(
                adapter=adapter,
                options=options,
                market=options.market,
                bundle=bundle,
                seed=seed,
            )
        return planning.propose_best(
            adapter=adapter,
            options=options,
            bundle=bundle,
            seed=seed,
            held=cycles.markets_in_use(account_id=account.pk),
        )
    except NoProposal as error:
        raise BotProblem(error.code, str(error), field=error.field) from error
    except AccountProblem as error:
        raise BotProblem(error.code, str(error), field="account") from error


def _money_notes(*, account: ExchangeAccount, budget: Decimal) -> list[str]:
    """Say when the account's free won does not cover the budget."""
    try:
        balance = adapter_for(account=account).get_balances().get("KRW")
    except (ExchangeError, AccountProblem):
        return []  # the preview needs no balance
    if balance is None or balance.free >= budget:
        return []
    short = wording.won(budget - balance.free)
    return [
        (
            _(
                "주문가능 원화 %(free)s이 예산보다 %(short)s 모자랍니다. 모자란 차수는 입금할 때까지 기다립니다."
            )
            % {"free": wording.won(balance.free), "short": short}
        )
    ]


def _notes(proposal: Proposal, *, wanted: Level) -> list[str]:
    notes = list(planning.plan_notes(proposal.plan))
    if proposal.level is not wanted:
        notes.append(
            _("고른 지지선이 현재가보다 낮지 않아 한 단계 깊은 지지선을 씁니다.")
        )
    if proposal.state.cautions:
        notes.append(
            _("거래소가 주의를 표시한 코인입니다: ")
            + ", ".join(proposal.state.cautions)
        )
    return notes
