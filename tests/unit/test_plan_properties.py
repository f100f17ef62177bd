"""What holds for every plan: amounts, prices, averages and exits."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import lru_cache, wraps
from itertools import accumulate, pairwise
from random import Random
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from common.money import MarketRules, truncate_volume
from user_project.trading.ledger import Position, book_buy, book_sell
from user_project.trading.plan import (
    Plan,
    PlanReason,
    PlanRequest,
    Shape,
    calculate_break_even,
    calculate_intervals,
    calculate_parameters,
    calculate_take_profit,
)

MARKET = "KRW-ANY"
FEES = st.sampled_from([Decimal(0), Decimal("0.0005"), Decimal("0.00139")])
BUDGETS = st.one_of(st.integers(60_000, 3_000_000), st.integers(12_000, 90_000))
"""Drawn as two, for the smallest numbers come often, and one stage concerns few."""
LOT = 5500
EXAMPLES = int(os.environ.get("PLAN_EXAMPLES", "7300"))
"""Cases drawn; so many that each invariant is concerned by 5,000 of them."""
ENOUGH = 5000
PHASES = (Phase.generate, Phase.shrink) if EXAMPLES > ENOUGH else (Phase.generate,)
"""A short run is only to say whether something is wrong."""
Check = Callable[..., None]


@st.composite
def requests(draw: st.DrawFn) -> PlanRequest:
    """Draw sensible requests from 0.0001 won to above 100 million won."""
    digits, power = draw(st.integers(100, 99_999)), draw(st.integers(-6, 4))
    price = digits * Decimal(10) ** power
    depth = Decimal(draw(st.integers(4, 430))) / 1000
    eta = Decimal(draw(st.integers(0, 35))) / 100
    return PlanRequest(
        price=price,
        support=price * (1 - depth),
        budget=Decimal(draw(BUDGETS)),
        stages=draw(st.sampled_from([*range(12, 1, -1), 20, 1])),
        multiplier=Decimal(draw(st.integers(100, 200))) / 100,
        shape=draw(st.sampled_from(Shape)),
        take_profit=Decimal(draw(st.integers(1, 300))) / 2000,
        jitter=eta,
        seed=draw(st.binary(min_size=1, max_size=32)),
        gamma=draw(st.sampled_from([Decimal(1), Decimal("0.7"), Decimal(2)])),
        rules=MarketRules(market=MARKET, bid_fee=draw(FEES), ask_fee=draw(FEES)),
    )


class NotConcerned(Exception):
    """The invariant says nothing about this case."""


def assume(concerned: object) -> None:
    if not concerned:
        raise NotConcerned


@lru_cache(maxsize=4)
def _plan_of(request: PlanRequest) -> Plan:
    return calculate_parameters(request=request)


def planned(request: PlanRequest) -> Plan:
    """Return the plan, made once for all invariants of a case."""
    plan = _plan_of(request)
    assume(plan.feasible)
    return plan


def without_jitter(check: Check) -> Check:
    """Let an invariant look at the same request without jitter."""

    @wraps(check)
    def checked(self: object, request: PlanRequest, **rest: Any) -> None:
        check(self, replace(request, jitter=Decimal(0)), **rest)

    return checked


def weights(request: PlanRequest, count: int) -> list[Decimal]:
    if request.shape is Shape.LINEAR:
        return [Decimal(number + 1) for number in range(count)]
    growth = request.multiplier if request.shape is Shape.GEOMETRIC else Decimal(1)
    return [growth**number for number in range(count)]


def required_gap(price: Decimal, rules: MarketRules) -> Decimal:
    return max(
        Decimal("0.003") * price,
        2 * rules.tick_size(price),
        3 * (rules.bid_fee + rules.ask_fee) * price,
    )


def fills(plan: Plan) -> list[tuple[Decimal, Decimal]]:
    """Return (price, volume) as an exchange would execute the stages."""
    return [
        (stage.price, truncate_volume(stage.amount / stage.price))
        for stage in plan.stages
    ]


def running(plan: Plan) -> list[tuple[Decimal, Decimal]]:
    """Return (cost with fees, volume) after each stage."""
    fee = plan.request.rules.bid_fee
    costs = accumulate(price * volume * (1 + fee) for price, volume in fills(plan))
    volumes = accumulate(volume for _, volume in fills(plan))
    return list(zip(costs, volumes, strict=True))


class Amounts:
    def check_the_budget_pays_for_every_stage_and_its_fee(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)

        spent = sum(stage.amount for stage in plan.stages)
        unused = request.budget - spent * (1 + request.rules.bid_fee)
        assert 0 <= unused < 1 + request.rules.bid_fee

    def check_amounts_are_whole_won_above_the_minimum_and_follow_their_weights(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)

        sizes = [stage.amount for stage in plan.stages]
        shares = weights(request, len(sizes))
        assert all(size == int(size) >= LOT for size in sizes)
        assert sizes == sorted(sizes)
        for size, share in zip(sizes, shares, strict=True):
            assert abs(size - sum(sizes) * share / sum(shares)) <= 1

    @without_jitter
    def check_one_stage_more_would_break_the_minimum_or_the_gap(
        self, request: PlanRequest
    ) -> None:
        plan = planned(replace(request, stages=20, gamma=Decimal(1)))
        count = len(plan.stages) + 1
        assume(count <= 20)

        shares = weights(request, count)
        spend = int(request.budget / (1 + request.rules.bid_fee))
        smallest = spend * min(shares) / sum(shares)

        top, bottom = plan.stages[0].price, plan.stages[-1].price
        with localcontext(prec=60):
            ladder = [
                request.rules.floor_tick(
                    (top * (bottom / top) ** (Decimal(step) / (count - 1))).normalize()
                )
                for step in range(count - 1)
            ] + [bottom]
        too_close = any(
            upper - lower < required_gap(upper, request.rules)
            for upper, lower in pairwise(ladder)
        )
        # A single stage ends at the price, so its ladder says nothing.
        assert smallest < LOT + request.price / 10**8 or too_close or count == 2

    def check_a_larger_budget_never_loses_stages(
        self, request: PlanRequest, extra: int
    ) -> None:
        plan = _plan_of(request)

        richer = calculate_parameters(
            request=replace(request, budget=request.budget + extra)
        )

        assert len(richer.stages) >= len(plan.stages)

    def check_a_plan_is_empty_exactly_when_a_reason_forbids_it(
        self, request: PlanRequest
    ) -> None:
        plan = _plan_of(request)

        forbidding = {
            PlanReason.SUPPORT_ABOVE_PRICE,
            PlanReason.SUPPORT_TOO_CLOSE,
            PlanReason.INFEASIBLE_BUDGET,
            PlanReason.OVER_MAX_ORDER,
        }
        assert plan.feasible == forbidding.isdisjoint(plan.reasons)
        reduced = {PlanReason.REDUCED_MIN_ORDER, PlanReason.REDUCED_TICK_GAP}
        if plan.feasible:
            fewer = len(plan.stages) < request.stages
            assert fewer == (len(reduced.intersection(plan.reasons)) == 1)


class Prices:
    def check_stages_descend_on_tick_from_the_price_to_the_support(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)

        ladder = [stage.price for stage in plan.stages]
        deepest = request.price * (1 - request.max_depth)
        assert ladder[0] == request.rules.floor_tick(request.price)
        assert ladder[-1] >= max(request.support, deepest)
        assert all(request.rules.ticks.is_on_tick(price=price) for price in ladder)
        for upper, lower in pairwise(ladder):
            assert upper - lower >= required_gap(upper, request.rules)

    @without_jitter
    def check_without_jitter_the_last_stage_is_the_support(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)
        assume(len(plan.stages) > 1 and PlanReason.DEPTH_CLAMPED not in plan.reasons)

        assert plan.stages[-1].price == request.rules.ceil_tick(request.support)

    def check_the_same_request_gives_the_same_plan(self, request: PlanRequest) -> None:
        first = _plan_of(request)

        again = calculate_parameters(request=replace(request))

        assert repr(first) == repr(again)

    def check_another_seed_moves_the_stages(self, seeds: set[bytes]) -> None:
        ladders = {
            calculate_intervals(
                current_price=Decimal(152_340_000),
                support_level=Decimal(120_000_000),
                stages=7,
                rules=MarketRules(market=MARKET),
                jitter=Decimal("0.25"),
                seed=seed,
            )
            for seed in seeds
        }

        assert len(ladders) == len(seeds)

    def check_jitter_stays_within_its_share_of_the_neighbouring_gap(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)
        rules, count = request.rules, len(plan.stages)
        assume(count > 1)
        deepest = request.price * (1 - request.max_depth)
        bottom = rules.ceil_tick(max(request.support, deepest))
        top = plan.stages[0].price

        with localcontext(prec=60):
            places = [
                (Decimal(step) / (count - 1)) ** request.gamma for step in range(count)
            ]
            gaps = [lower - upper for upper, lower in pairwise(places)]
            room = [min(pair) for pair in pairwise(gaps)]
            depth = (bottom / top).ln()
            for number, stage in enumerate(plan.stages[1:-1], start=1):
                slack = request.jitter * room[number - 1]
                highest = top * ((places[number] - slack) * depth).exp()
                lowest = top * ((places[number] + slack) * depth).exp()
                tick = rules.tick_size(highest)
                assert lowest - tick <= stage.price <= highest + tick / 1000
            highest = top * ((1 - request.jitter * gaps[-1]) * depth).exp()
            assert bottom <= plan.stages[-1].price <= highest * Decimal("1.000001")

    @without_jitter
    def check_a_deeper_support_raises_no_stage(
        self, request: PlanRequest, deeper: int
    ) -> None:
        plan = planned(request)

        lower = calculate_parameters(
            request=replace(
                request, support=request.support * (1 - deeper / Decimal(1000))
            )
        )
        assume(len(lower.stages) == len(plan.stages))

        for stage, below in zip(plan.stages, lower.stages, strict=True):
            assert below.price <= stage.price


class Averages:
    def check_the_average_lies_between_the_fills_and_below_their_mean(
        self, request: PlanRequest
    ) -> None:
        plan = planned(request)

        for number, stage in enumerate(plan.stages, start=1):
            paid = plan.stages[:number]
            highest, lowest = paid[0].price, paid[-1].price
            weighted = sum(one.price * one.amount for one in paid)
            arithmetic = weighted / sum(one.amount for one in paid)
            assert lowest <= stage.average <= highest
            if number > 1:
                assert stage.average < arithmetic

    def check_deeper_fills_never_raise_the_exit(self, request: PlanRequest) -> None:
        plan = planned(request)

        for before, after in pairwise(plan.stages):
            assert after.take_profit <= before.take_profit
            assert after.break_even <= before.break_even
            assert after.average < before.average

    def check_the_order_and_size_of_fills_do_not_matter(
        self, request: PlanRequest, order: int
    ) -> None:
        plan = planned(request)
        pieces = [
            (price, part)
            for price, volume in fills(plan)
            for part in (
                truncate_volume(volume / 3),
                volume - truncate_volume(volume / 3),
            )
        ]
        Random(order).shuffle(pieces)

        position = Position()
        for price, volume in pieces:
            funds = price * volume
            position = book_buy(
                position=position,
                market=MARKET,
                volume=volume,
                funds=funds,
                fee=funds * request.rules.bid_fee,
            ).position

        assert (position.cost, position.volume) == running(plan)[-1]
        assert plan.stages[-1].take_profit == calculate_take_profit(
            cost=position.cost,
            volume=position.volume,
            take_profit=request.take_profit,
            rules=request.rules,
        )


class Exits:
    def check_the_take_profit_nets_the_promised_share_and_no_tick_more(
        self, request: PlanRequest
    ) -> None:
        plan, rules = planned(request), request.rules

        for stage, (cost, volume) in zip(plan.stages, running(plan), strict=True):
            kept = volume * (1 - rules.ask_fee)
            assert rules.ticks.is_on_tick(price=stage.take_profit)
            assert stage.take_profit * kept - cost >= cost * request.take_profit
            exact = cost * (1 + request.take_profit) / kept
            assert stage.take_profit < exact + rules.tick_size(stage.take_profit)

    def check_break_even_loses_nothing_and_one_tick_lower_loses(
        self, request: PlanRequest
    ) -> None:
        plan, rules = planned(request), request.rules

        for stage, (cost, volume) in zip(plan.stages, running(plan), strict=True):
            kept = volume * (1 - rules.ask_fee)
            below = rules.floor_tick(stage.break_even * Decimal("0.99999999"))
            assert stage.break_even * kept >= cost
            assert below * kept < cost

    def check_a_partial_sale_leaves_average_and_exit(
        self, request: PlanRequest, share: int
    ) -> None:
        plan = planned(request)
        cost, volume = running(plan)[-1]
        sold = truncate_volume(volume * share / 100)
        assume(0 < sold < volume)

        left = book_sell(
            position=Position(volume=volume, cost=cost),
            market=MARKET,
            volume=sold,
            funds=sold * plan.stages[-1].take_profit,
            fee=Decimal(0),
        ).position

        before, after = cost / volume, left.cost / left.volume
        assert abs(after - before) <= before / 10**9
        tick = request.rules.tick_size(plan.stages[-1].break_even)
        break_even = calculate_break_even(
            cost=left.cost, volume=left.volume, rules=request.rules
        )
        # The 20th decimal of the cost may tip a price that was exactly on tick.
        assert abs(break_even - plan.stages[-1].break_even) <= tick


CHECKS = [
    (f"{group.__name__}.{name}", check, tuple(inspect.signature(check).parameters)[1:])
    for group in (Amounts, Prices, Averages, Exits)
    for name, check in vars(group).items()
    if name.startswith("check_")
]
"""Each invariant with its name and the names of what it looks at."""
CASES = st.fixed_dictionaries(
    {
        "request": requests(),
        "extra": st.integers(1, 10_000_000),
        "deeper": st.integers(1, 300),
        "share": st.integers(1, 99),
        "order": st.integers(0, 2**32 - 1),
        "seeds": st.sets(st.binary(min_size=32, max_size=32), min_size=2, max_size=2),
    }
)


def test_every_invariant_holds_for_thousands_of_plans() -> None:
    """One drawn case is put before every invariant; none may look at too few."""
    concerned: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=PHASES)
    @given(CASES)
    def hold(case: dict[str, Any]) -> None:
        for name, check, looked_at in CHECKS:
            try:
                check(None, **{key: case[key] for key in looked_at})
            except NotConcerned:
                continue
            concerned[name] += 1

    hold()
    few = {name: concerned[name] for name, *_ in CHECKS if concerned[name] < ENOUGH}
    assert not few or EXAMPLES < ENOUGH, few
