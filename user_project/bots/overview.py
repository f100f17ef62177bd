"""What the screens show of bots and of central, every number with its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from common.money import MarketRules
from common.wire import Recommendation
from user_project.bots import exits, frozen_plan, rounds, wording
from user_project.bots.holdings import Holding, Valuation, holding_of, holdings
from user_project.bots.models import Bot, BotQuerySet, Cycle, Order
from user_project.bots.options import Reentry
from user_project.bots.quotes import quotes_of
from user_project.central_api import ladder
from user_project.central_api.models import CentralSnapshot
from user_project.central_api.services import freshness, latest_snapshot, line_state
from user_project.trading.facts import PlannedStage, Why
from user_project.trading.lifecycle import (
    LIVE_ORDERS,
    BotState,
    OrderState,
)
from user_project.trading.orders import PriceQuote, Side
from user_project.trading.plan import calculate_break_even

RANKS_BEFORE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """One stage of the running round: ``waiting``, ``skipped``, ``resting`` …"""

    stage: int
    price: Decimal
    amount: Decimal
    state: str
    order: Order | None
    gap: Decimal | None
    """Distance from the stage above, as a share of its price; None for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotView:
    """One bot as its owner sees it; None where a number is not known."""

    bot: Bot
    cycle: Cycle | None
    stages: Sequence[StageView]
    price: Decimal | None
    price_at: datetime | None
    day_change: Decimal | None
    """Since the close of the UTC day before, as a share of it."""
    average: Decimal | None
    break_even: Decimal | None
    take_profit_price: Decimal | None
    peak_price: Decimal | None
    trailing_price: Decimal | None
    protected_price: Decimal | None
    stop_price: Decimal | None
    sold_at: datetime | None
    exit_reason: str
    reentry_price: Decimal | None
    """The next round begins at or below it."""
    volume: Decimal
    cost: Decimal
    value: Decimal | None
    unrealised: Decimal | None
    unrealised_rate: Decimal | None
    next_buy_price: Decimal | None
    realised_profit: Decimal
    reason_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RungView:
    """One kind of central's data: how far it may be relied upon, in a sentence."""

    kind: str
    step: str
    name: str
    words: str
    warns_after_seconds: int
    forbids_after_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralView:
    """How old central's analysis is, in figures and in words."""

    level: str
    age_seconds: int | None
    run_id: str
    data_as_of: datetime | None
    message: str
    rungs: Sequence[RungView]
    """Each kind of data at its age; empty without any."""
    line_problem: str
    """Why the last answer is not from now: central is out of reach; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one bot adds to the totals; in KRW."""

    holding: Holding
    quote: PriceQuote | None
    """Of the holding's coin."""
    worth: Valuation
    realised_profit: Decimal


def briefs(*, bots: BotQuerySet) -> list[Brief]:
    """Value all *bots*, without what their pages show besides."""
    return _valued(holdings(bots=bots), earned=_earned(bots))


def _valued(
    held: Sequence[Holding], /, *, earned: Mapping[UUID, Decimal]
) -> list[Brief]:
    quotes = quotes_of(holdings=held)
    return [
        Brief(
            holding=holding,
            quote=quote,
            worth=holding.worth(quote.price if quote else None),
            realised_profit=earned.get(holding.bot_id, Decimal(0)),
        )
        for holding in held
        for quote in [quotes.get(holding.bot_id)]
    ]


def bot_view(*, bot: Bot, now: datetime) -> BotView:
    """Collect what one bot's page shows."""
    return bot_views(bots=[bot], now=now)[0]


def bot_views(
    *, bots: Sequence[Bot], now: datetime, told: Sequence[Brief] = ()
) -> list[BotView]:
    """Collect what the pages show of some bots.

    As many queries for many as for one, and one look at Redis per exchange. Prices and
    earnings *told* already are not asked for again.
    """
    rounds_of = rounds.open_rounds(bots=bots)
    buys = _buys(rounds_of.values())
    gates = _reentry_prices([bot for bot in bots if bot.pk not in rounds_of])
    held = [holding_of(bot=b, cycle=rounds_of.get(b.pk)) for b in bots]
    found = _again(held, told) if told else _valued(held, earned=_earned(bots))
    return [
        _view(
            bot,
            cycle=(cycle := rounds_of.get(bot.pk)),
            buys=buys[cycle.pk] if cycle else (),
            brief=brief,
            gate=gates.get(bot.pk),
            now=now,
        )
        for bot, brief in zip(bots, found, strict=True)
    ]


def _again(held: Sequence[Holding], told: Sequence[Brief], /) -> list[Brief]:
    """Value what is held now; a bot that has chosen another coin since has no price."""
    known = {brief.holding.bot_id: brief for brief in told}
    quotes = {h.bot_id: known[h.bot_id].quote for h in held}
    return [
        Brief(
            holding=holding,
            quote=(quote := _of_coin(holding.market, quotes[holding.bot_id])),
            worth=holding.worth(quote.price if quote else None),
            realised_profit=known[holding.bot_id].realised_profit,
        )
        for holding in held
    ]


def _of_coin(market: str, quote: PriceQuote | None, /) -> PriceQuote | None:
    return quote if quote is not None and quote.market == market else None


def _buys(cycles: Iterable[Cycle], /) -> dict[UUID, list[Order]]:
    found: dict[UUID, list[Order]] = defaultdict(list)
    orders = Order.objects.filter(cycle__in=list(cycles), side=Side.BID)
    for order in orders.order_by("attempt"):
        found[order.cycle_id].append(order)
    return found


def _earned(bots: Iterable[Bot], /) -> dict[UUID, Decimal]:
    sums = Cycle.objects.filter(bot__in=bots).order_by().values_list("bot")
    return dict(sums.annotate(total=Sum("profit")))


def _view(
    bot: Bot,
    /,
    *,
    cycle: Cycle | None,
    buys: Sequence[Order],
    brief: Brief,
    gate: Decimal | None,
    now: datetime,
) -> BotView:
    stages = _stage_views(cycle, buys) if cycle else ()
    holding, quote, worth = brief.holding, brief.quote, brief.worth
    rules = _rules(cycle)
    ways = exits.exits_of(bot=bot, cycle=cycle, now=now) if cycle else exits.Exits()
    waiting = [stage.price for stage in stages if stage.state in ("waiting", "resting")]
    return BotView(
        bot=bot,
        cycle=cycle,
        stages=stages,
        price=quote.price if quote else None,
        price_at=quote.received_at if quote else None,
        day_change=quote.day_change(now=now) if quote else None,
        average=_average(cycle, rules),
        break_even=_break_even(cycle, rules),
        take_profit_price=ways.take_profit,
        peak_price=cycle.peak_price if cycle else None,
        trailing_price=ways.trailing,
        protected_price=ways.protected,
        stop_price=ways.stop,
        sold_at=ways.sold_at,
        exit_reason=cycle.exit_reason if cycle else "",
        reentry_price=gate,
        volume=holding.volume,
        cost=holding.cost,
        value=worth.value,
        unrealised=worth.unrealised,
        unrealised_rate=worth.rate,
        next_buy_price=max(waiting, default=None),
        realised_profit=brief.realised_profit,
        reason_text=wording.reason_text(Why(bot.reason)),
    )


def _stage_views(cycle: Cycle, buys: Sequence[Order], /) -> list[StageView]:
    """Join the frozen plan with the orders that carried it out."""
    orders: dict[int, list[Order]] = {}
    for order in buys:
        orders.setdefault(order.stage, []).append(order)
    planned_stages = frozen_plan.planned_stages(cycle.plan)
    above = [None, *(planned.price for planned in planned_stages)]
    return [
        _stage_view(
            planned,
            orders.get(planned.stage, []),
            skipped=planned.stage in cycle.owner_changes.get("skipped", ()),
            above=higher,
        )
        for planned, higher in zip(planned_stages, above, strict=False)
    ]


def central_view(*, now: datetime) -> CentralView:
    """Say how fresh the last good analysis is."""
    return _central_view(latest_snapshot(), now=now)


def _central_view(snapshot: CentralSnapshot | None, /, *, now: datetime) -> CentralView:
    fresh = freshness(snapshot=snapshot, now=now)
    return CentralView(
        level=fresh.level,
        age_seconds=fresh.age_seconds,
        run_id=snapshot.run_id if snapshot else "",
        data_as_of=snapshot.data_as_of if snapshot else None,
        message=fresh.reason,
        rungs=_rungs(snapshot, now=now),
        line_problem=_line_problem(now=now),
    )


def _line_problem(*, now: datetime) -> str:
    line = line_state()
    if not line.failures:
        return ""
    if line.last_success_at is None:
        return _(wording.NEVER_REACHED)
    age = int((now - line.last_success_at).total_seconds())
    return wording.out_of_reach(seconds=age)


def _rungs(snapshot: CentralSnapshot | None, *, now: datetime) -> list[RungView]:
    if snapshot is None:
        return []
    age = max(now - snapshot.data_as_of, timedelta(0))
    return [
        RungView(
            kind=rung.kind,
            step=rung.step,
            name=_(wording.KIND_NAMES[rung.kind]),
            words=_(wording.STEPS[rung.step]),
            warns_after_seconds=int(rung.warns_after.total_seconds()),
            forbids_after_seconds=int(rung.forbids_after.total_seconds()),
        )
        for rung in ladder.climb(age=age)
    ]


def snapshots() -> QuerySet[CentralSnapshot]:
    """Return what central said, newest first, without the bodies."""
    return CentralSnapshot.objects.defer("body")


def earlier_ranks(*, before: datetime) -> dict[str, int]:
    """Return each coin's rank about an hour before then, as far back as is kept."""
    since = before - RANKS_BEFORE
    earlier = CentralSnapshot.objects.filter(data_as_of__gte=since).last()
    ranked = earlier.bundle.recommendations if earlier else None
    return {coin.symbol: coin.rank for coin in ranked or ()}


def recommendations_view(
    *, now: datetime, limit: int = 50
) -> tuple[CentralView, list[Recommendation]]:
    """Return the last good ranking with its age; empty when none was ever pulled."""
    snapshot = latest_snapshot()
    ranked = snapshot.bundle.recommendations if snapshot else None
    return _central_view(snapshot, now=now), list(ranked or ())[:limit]


def _stage_view(
    planned: PlannedStage,
    orders: Sequence[Order],
    *,
    skipped: bool,
    above: Decimal | None,
) -> StageView:
    last = orders[-1] if orders else None
    if any(order.state == OrderState.FILLED for order in orders):
        state = "filled"
    elif last is not None and last.state in LIVE_ORDERS:
        state = "resting" if last.state == OrderState.OPEN else "pending"
    else:
        state = "skipped" if skipped else "waiting"
    return StageView(
        stage=planned.stage,
        price=planned.price,
        amount=planned.amount,
        state=state,
        order=last,
        gap=planned.price / above - 1 if above else None,
    )


def _rules(cycle: Cycle | None) -> MarketRules:
    """Fees as frozen in the plan: a page asks no exchange."""
    return frozen_plan.frozen_rules(cycle.plan if cycle else {})


def _average(cycle: Cycle | None, rules: MarketRules, /) -> Decimal | None:
    """Average price paid without fees, as Upbit shows it (매수평균가)."""
    if cycle is None or not cycle.volume:
        return None
    return cycle.cost / (1 + rules.bid_fee) / cycle.volume


def _break_even(cycle: Cycle | None, rules: MarketRules, /) -> Decimal | None:
    if cycle is None or not cycle.volume:
        return None
    return calculate_break_even(cost=cycle.cost, volume=cycle.volume, rules=rules)


def _reentry_prices(bots: Sequence[Bot], /) -> dict[UUID, Decimal]:
    running = [bot for bot in bots if bot.state == BotState.RUNNING]
    asks = any(bot.reentry == Reentry.SUPPORT for bot in running)
    snapshot = latest_snapshot() if asks else None
    return rounds.next_reentry_prices(
        bots=running, bundle=snapshot.bundle if snapshot else None
    )
