"""What people and programs can do with bots; every caller goes through here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from common.wire import BundleAnswer, Level
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import booking, cycles, events, planning
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.options import BotOptions
from user_project.bots.planning import NoProposal, Proposal
from user_project.bots.problems import BotProblem
from user_project.central_api.services import freshness, latest_snapshot, pull
from user_project.trading.facts import Why
from user_project.trading.lifecycle import (
    BOT_TRANSITIONS,
    BotState,
    BotTrigger,
    InvalidTransition,
    OrderState,
    OrderTrigger,
    next_state,
)
from user_project.trading.plan import Plan

WATCH_AT_LEAST: Final = timedelta(hours=24)
"""So long a request may still arrive, as far as anybody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a bot would do if it started now, in won."""

    market: str
    korean_name: str
    level: Level
    support: Decimal
    price: Decimal
    price_at: datetime
    run_id: str
    data_as_of: datetime
    stale: bool
    plan: Plan
    notes: tuple[str, ...]


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
        run_id=bundle.run_id,
        data_as_of=bundle.data_as_of,
        stale=stale,
        plan=proposal.plan,
        notes=tuple(_notes(proposal, wanted=options.level)),
    )


def create_bot(*, owner: Any, options: BotOptions, now: datetime) -> Bot:
    """Create a bot in DRAFT; the options must allow a plan right now."""
    preview = preview_bot(owner=owner, options=options, now=now)
    account = find_account(owner=owner, account_id=options.account_id)
    auto = not options.market
    with transaction.atomic():
        bot = Bot.objects.create(
            owner=owner,
            account=account,
            name=options.name or ("자동 선택 봇" if auto else preview.korean_name),
            market=options.market,
            auto_select=auto,
            **options.columns(),
            reason=Why.DRAFT.value,
        )
        events.record(bot=bot, kind="bot.created", message="봇을 만들었습니다.")
    return bot


def start_bot(*, bot: Bot, now: datetime) -> Bot:
    """Let the bot buy; a stopped one goes on with what it holds."""
    return _move(bot=bot, trigger=BotTrigger.START, message="시작했습니다.", now=now)


def pause_bot(*, bot: Bot, now: datetime) -> Bot:
    """No new buys; resting buys are withdrawn, the take profit stays."""
    return _move(
        bot=bot, trigger=BotTrigger.PAUSE, message="일시정지했습니다.", now=now
    )


def resume_bot(*, bot: Bot, now: datetime) -> Bot:
    """Go on after a pause or after a person looked at a halted bot."""
    return _move(bot=bot, trigger=BotTrigger.RESUME, message="재개했습니다.", now=now)


def finish_bot(*, bot: Bot, now: datetime) -> Bot:
    """Finish the running round, then stop."""
    return _move(
        bot=bot,
        trigger=BotTrigger.FINISH,
        message="이번 회차를 마치면 정지합니다.",
        now=now,
    )


def stop_bot(*, bot: Bot, now: datetime) -> Bot:
    """Withdraw all resting orders and stop; coins that were bought stay."""
    return _move(
        bot=bot,
        trigger=BotTrigger.STOP,
        message="정지했습니다. 미체결 주문을 취소하고 보유 코인은 그대로 둡니다.",
        now=now,
    )


def close_watched_order(*, order: Order, now: datetime) -> None:
    """Say for a person that an order given up a day ago never was; its money is freed.

    Should it appear on the exchange after all, the reconciliation quarantines the account.
    """
    with transaction.atomic():
        bot = Bot.objects.select_for_update().get(pk=order.bot_id)
        cycle = Cycle.objects.select_for_update().get(pk=order.cycle_id)
        order = Order.objects.select_for_update().get(pk=order.pk)
        _check_watched(order, now=now)
        booking.release_reservation(order=order, cycle=cycle)
        cycle.save(update_fields=("reserved",))
        booking.move_order(
            order=order,
            trigger=OrderTrigger.CLOSE,
            reserved=order.reserved,
            verdict="closed by a person",
            closed_at=now,
        )
        bot.next_tick_at = now
        bot.save(update_fields=("next_tick_at",))
        events.record(
            bot=bot,
            order=order,
            cycle=cycle,
            kind="order.closed_by_person",
            message=f"{booking.stage_name(order)} 주문이 거래소에 없음을 사람이"
            " 확인하고 감시를 끝냈습니다.",
        )


def _check_watched(order: Order, *, now: datetime) -> None:
    if order.state != OrderState.ABANDONED_WATCH:
        raise BotProblem(
            "NOT_WATCHED", "'감시 중'인 주문만 닫을 수 있습니다. 새로 고쳐 확인하세요."
        )
    if now - (order.posted_at or order.created_at) < WATCH_AT_LEAST:
        raise BotProblem(
            "WATCHED_TOO_SHORT",
            "보낸 지 24시간이 지나야 닫을 수 있습니다. 그 전에는 늦게 접수될 수 있습니다.",
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
            "거래소 계정이 없습니다. 먼저 모의투자 계정을 추가하세요.",
            field="account",
        )
    if len(accounts) > 1:
        raise BotProblem(
            "WHICH_ACCOUNT", "계정이 여러 개입니다. 하나를 고르세요.", field="account"
        )
    return accounts[0]


def _move(*, bot: Bot, trigger: BotTrigger, message: str, now: datetime) -> Bot:
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        try:
            target = next_state(BOT_TRANSITIONS, BotState(locked.state), trigger)
        except InvalidTransition as error:
            raise BotProblem(
                "INVALID_STATE",
                f"'{locked.get_state_display()}' 상태에서는 할 수 없습니다."
                " 화면을 새로 고쳐 지금 상태를 확인하세요.",
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
            "본사 분석을 아직 받지 못했습니다. 본사 주소와 키를 확인하고"
            " `manage_user.py pull`로 다시 시도하세요.",
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


def _notes(proposal: Proposal, *, wanted: Level) -> list[str]:
    notes = list(planning.plan_notes(proposal.plan))
    if proposal.level is not wanted:
        notes.append("고른 지지선이 현재가보다 낮지 않아 한 단계 깊은 지지선을 씁니다.")
    if proposal.state.cautions:
        notes.append(
            "거래소가 주의를 표시한 코인입니다: " + ", ".join(proposal.state.cautions)
        )
    return notes
