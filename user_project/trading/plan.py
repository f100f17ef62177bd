"""Staged-buy planning: one pure function from a request to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from typing import Final

from common.money import VOLUME_STEP, WON, truncate_volume
from user_project.trading.amounts import (
    PRECISE,
    Shape,
    calculate_minimum_budget,
    calculate_order_amounts,
    calculate_table_amounts,
    minimum_for,
)
from user_project.trading.plan_request import (
    InvalidPlan,
    PlanRequest,
    TableStage,
    check_request,
)
from user_project.trading.prices import (
    MIN_GAP,
    calculate_intervals,
    is_apart,
    make_seed,
    start_delay_seconds,
)
from user_project.trading.profit import calculate_break_even, calculate_take_profit
from user_project.trading.reasons import PlanReason, describe

__all__ = [
    "InvalidPlan",
    "Plan",
    "PlanReason",
    "PlanRequest",
    "Shape",
    "Stage",
    "calculate_break_even",
    "calculate_intervals",
    "calculate_minimum_budget",
    "calculate_order_amounts",
    "calculate_parameters",
    "calculate_take_profit",
    "describe",
    "make_seed",
    "start_delay_seconds",
]

LOW_TAKE_PROFIT_TICKS: Final = 3
_SHARE_STEP: Final = Decimal("0.000001")
_AVERAGE: Final = Context(prec=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One buy, and where the position stands if everything down to here has filled."""

    stage: int
    price: Decimal
    amount: Decimal
    """Whole won, without fee."""
    average: Decimal
    """KRW per coin without fees, 16 significant digits."""
    break_even: Decimal
    take_profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The stages, why they are as they are, and what they mean for the owner."""

    request: PlanRequest
    stages: tuple[Stage, ...]
    reasons: tuple[PlanReason, ...]
    minimum_budget: Decimal
    """KRW that would afford every wanted stage."""
    drop: Decimal = Decimal(0)
    """Share from the first to the last stage."""
    rebound: Decimal = Decimal(0)
    """Share the price must rise from the last stage to reach its take profit."""
    worst_case: Decimal = Decimal(0)
    """KRW lost, fees included, if all is bought and then sold at the last stage."""

    @property
    def feasible(self) -> bool:
        """Tell whether there is anything to buy."""
        return bool(self.stages)


def calculate_parameters(*, request: PlanRequest) -> Plan:
    """Return the plan for *request*; raise InvalidPlan only for nonsense input."""
    check_request(request=request)
    with localcontext(PRECISE):
        return _plan(request)


def _plan(request: PlanRequest) -> Plan:
    if request.table is not None:
        return _plan_table(request, request.table)
    support, clamped = _clamp(request)
    ladder = _prices(request, support, stages=request.stages)
    amounts = _amounts(request, stages=request.stages)
    problem = _problem(request, ladder=ladder, amounts=amounts)
    if problem is not None:
        return _refuse(request, problem)
    affordable = len(amounts)
    prices = (
        ladder
        if affordable == request.stages
        else _prices(request, support, stages=affordable)
    )
    if len(prices) < affordable:
        amounts = _amounts(request, stages=len(prices))
    reasons = _reasons(
        request, clamped=clamped, affordable=affordable, count=len(prices)
    )
    return _assemble(request, prices=prices, amounts=amounts, reasons=reasons)


def _plan_table(request: PlanRequest, table: Sequence[TableStage]) -> Plan:
    """Plan by the owner's own table; what does not fit is left out, never moved."""
    top = request.rules.floor_tick(request.price)
    rows: list[tuple[Decimal, Decimal]] = []
    for row in table:
        price = request.rules.floor_tick(top * (1 - row.drop))
        if not rows or is_apart(upper=rows[-1][0], lower=price, rules=request.rules):
            rows.append((price, row.weight))
    amounts = calculate_table_amounts(
        total_budget=request.budget,
        weights=[weight for _, weight in rows],
        bid_fee=request.rules.bid_fee,
        min_lot=_min_lot(request),
    )
    if not amounts:
        return _refuse(request, PlanReason.INFEASIBLE_BUDGET)
    prices = tuple(price for price, _ in rows[: len(amounts)])
    reduced = {
        PlanReason.REDUCED_MIN_ORDER: len(amounts) < len(rows),
        PlanReason.REDUCED_TICK_GAP: len(rows) < len(table),
    }
    reasons = tuple(reason for reason, applies in reduced.items() if applies)
    return _assemble(
        request,
        prices=prices,
        amounts=amounts,
        reasons=reasons + _warnings(request),
    )


def _clamp(request: PlanRequest) -> tuple[Decimal, bool]:
    deepest = request.price * (1 - request.max_depth)
    return max(request.support, deepest), request.support < deepest


def _problem(
    request: PlanRequest, *, ladder: tuple[Decimal, ...], amounts: tuple[Decimal, ...]
) -> PlanReason | None:
    if not ladder:
        return PlanReason.SUPPORT_ABOVE_PRICE
    # The whole budget in one buy is not what somebody who asked for stages expects.
    # Judged without the money: a larger budget must never lose stages.
    if len(ladder) == 1 < request.stages:
        return PlanReason.SUPPORT_TOO_CLOSE
    return None if amounts else PlanReason.INFEASIBLE_BUDGET


def _prices(
    request: PlanRequest, support: Decimal, *, stages: int
) -> tuple[Decimal, ...]:
    return calculate_intervals(
        current_price=request.price,
        support_level=support,
        stages=stages,
        rules=request.rules,
        gamma=request.gamma,
        jitter=request.jitter,
        seed=request.seed,
    )


def _amounts(request: PlanRequest, *, stages: int) -> tuple[Decimal, ...]:
    return calculate_order_amounts(
        total_budget=request.budget,
        stages=stages,
        multiplier=request.multiplier,
        shape=request.shape,
        bid_fee=request.rules.bid_fee,
        min_lot=_min_lot(request),
    )


def _min_lot(request: PlanRequest) -> Decimal:
    # Cutting the volume costs up to one volume step; the rest must still be accepted.
    accepted = request.rules.min_total + request.price * VOLUME_STEP
    return max(request.min_lot, accepted)


def _reasons(
    request: PlanRequest, *, clamped: bool, affordable: int, count: int
) -> tuple[PlanReason, ...]:
    found = {
        PlanReason.REDUCED_MIN_ORDER: count == affordable < request.stages,
        PlanReason.REDUCED_TICK_GAP: count < affordable,
        PlanReason.DEPTH_CLAMPED: clamped,
    }
    applying = tuple(reason for reason, applies in found.items() if applies)
    return applying + _warnings(request)


def _warnings(request: PlanRequest) -> tuple[PlanReason, ...]:
    price, rules = request.price, request.rules
    tick = rules.tick_size(price)
    round_trip = price * (rules.bid_fee + rules.ask_fee)
    least_profit = max(LOW_TAKE_PROFIT_TICKS * tick, round_trip + tick)
    found = {
        PlanReason.TICK_COARSE: tick > price * MIN_GAP,
        PlanReason.LOW_TAKE_PROFIT: request.take_profit * price < least_profit,
    }
    return tuple(reason for reason, applies in found.items() if applies)


def _assemble(
    request: PlanRequest,
    *,
    prices: tuple[Decimal, ...],
    amounts: tuple[Decimal, ...],
    reasons: tuple[PlanReason, ...],
) -> Plan:
    stages: list[Stage] = []
    funds = volume = Decimal(0)
    for number, (price, amount) in enumerate(zip(prices, amounts, strict=True), 1):
        bought = truncate_volume(amount / price)
        funds, volume = funds + bought * price, volume + bought
        stages.append(_stage(request, number, price, amount, funds, volume))
    last = stages[-1]
    if request.rules.is_too_large(volume * last.take_profit):
        return _refuse(request, PlanReason.OVER_MAX_ORDER)
    cost = funds * (1 + request.rules.bid_fee)
    left = volume * last.price * (1 - request.rules.ask_fee)
    return Plan(
        request=request,
        stages=tuple(stages),
        reasons=reasons,
        minimum_budget=_minimum_budget(request),
        drop=(1 - last.price / stages[0].price).quantize(_SHARE_STEP),
        rebound=(last.take_profit / last.price - 1).quantize(_SHARE_STEP),
        worst_case=(cost - left).quantize(WON, rounding=ROUND_CEILING),
    )


def _stage(
    request: PlanRequest,
    number: int,
    price: Decimal,
    amount: Decimal,
    funds: Decimal,
    volume: Decimal,
) -> Stage:
    cost = funds * (1 + request.rules.bid_fee)
    return Stage(
        stage=number,
        price=price,
        amount=amount,
        average=_AVERAGE.divide(funds, volume),
        break_even=calculate_break_even(cost=cost, volume=volume, rules=request.rules),
        take_profit=calculate_take_profit(
            cost=cost,
            volume=volume,
            take_profit=request.take_profit,
            rules=request.rules,
        ),
    )


def _refuse(request: PlanRequest, reason: PlanReason) -> Plan:
    return Plan(
        request=request,
        stages=(),
        reasons=(reason,),
        minimum_budget=_minimum_budget(request),
    )


def _minimum_budget(request: PlanRequest) -> Decimal:
    if request.table is not None:
        return minimum_for(
            weights=[row.weight for row in request.table],
            bid_fee=request.rules.bid_fee,
            min_lot=_min_lot(request),
        )
    return calculate_minimum_budget(
        stages=request.stages,
        multiplier=request.multiplier,
        shape=request.shape,
        bid_fee=request.rules.bid_fee,
        min_lot=_min_lot(request),
    )
