"""Plans by example: golden vectors, limits, reasons and the refusal of nonsense."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import ROUND_UP, Decimal, localcontext

import pytest

from common.money import MarketRules
from user_project.trading.plan import (
    InvalidPlan,
    Plan,
    PlanReason,
    PlanRequest,
    Shape,
    calculate_intervals,
    calculate_order_amounts,
    calculate_parameters,
    calculate_take_profit,
    describe,
    make_seed,
    start_delay_seconds,
)

RULES = MarketRules(market="KRW-XRP")
XRP = PlanRequest(
    price=Decimal(3521), support=Decimal(3050), budget=Decimal(1_000_000), rules=RULES
)
BTC = PlanRequest(
    price=Decimal(152_340_000),
    support=Decimal(140_000_000),
    budget=Decimal(30_000),
    shape=Shape.EQUAL,
    take_profit=Decimal("0.01"),
    rules=RULES,
)
COARSE = PlanRequest(
    price=Decimal(118),
    support=Decimal(112),
    budget=Decimal(200_000),
    stages=10,
    shape=Shape.LINEAR,
    take_profit=Decimal("0.01"),
    rules=RULES,
)
GOLDEN_SEED = hashlib.sha256(b"golden-1").digest()


def prices(plan: Plan) -> list[int]:
    return [int(stage.price) for stage in plan.stages]


def amounts(plan: Plan) -> list[int]:
    return [int(stage.amount) for stage in plan.stages]


def take_profits(plan: Plan) -> list[int]:
    return [int(stage.take_profit) for stage in plan.stages]


def net_profits(plan: Plan) -> list[Decimal]:
    """Compute each stage's net profit from the printed figures alone."""
    cost = volume = Decimal(0)
    nets = []
    for stage in plan.stages:
        cost += stage.amount * Decimal("1.0005")
        volume += stage.amount / stage.price
        net = volume * stage.take_profit * Decimal("0.9995") - cost
        nets.append(net.quantize(Decimal("0.01")))
    return nets


class TestGoldenVectors:
    """Figures of an independent reference implementation."""

    def test_seven_geometric_stages(self) -> None:
        plan = calculate_parameters(request=XRP)

        assert prices(plan) == [3521, 3437, 3356, 3277, 3199, 3123, 3050]
        assert amounts(plan) == [66308, 82885, 103607, 129509, 161886, 202358, 252947]
        assert [int(stage.break_even) for stage in plan.stages] == [
            *(3525, 3478, 3428, 3377, 3323, 3268, 3211)
        ]
        assert take_profits(plan) == [3578, 3530, 3480, 3428, 3373, 3317, 3259]
        assert net_profits(plan)[0] == Decimal("1006.59")
        assert net_profits(plan)[-1] == Decimal("15241.48")
        assert plan.reasons == ()

    def test_jitter_from_a_known_seed(self) -> None:
        plan = calculate_parameters(
            request=replace(XRP, jitter=Decimal("0.25"), seed=GOLDEN_SEED)
        )

        assert prices(plan) == [3521, 3436, 3373, 3287, 3207, 3112, 3060]
        assert take_profits(plan) == [3578, 3529, 3487, 3436, 3381, 3319, 3263]

    def test_a_small_budget_on_an_expensive_coin(self) -> None:
        plan = calculate_parameters(request=BTC)

        assert prices(plan) == [
            *(152_340_000, 149_156_000, 146_039_000, 142_987_000, 140_000_000)
        ]
        assert amounts(plan) == [5997] * 5
        assert take_profits(plan)[0] == 154_018_000
        assert take_profits(plan)[-1] == 147_582_000
        assert plan.reasons == (PlanReason.REDUCED_MIN_ORDER,)

    def test_a_coin_whose_tick_is_almost_a_percent(self) -> None:
        plan = calculate_parameters(request=COARSE)

        assert prices(plan) == [118, 114, 112]
        assert amounts(plan) == [33316, 66633, 99951]
        assert take_profits(plan) == [120, 117, 115]
        assert net_profits(plan) == [
            Decimal("531.08"),
            Decimal("1370.48"),
            Decimal("2213.63"),
        ]
        assert plan.reasons == (
            PlanReason.REDUCED_TICK_GAP,
            PlanReason.TICK_COARSE,
            PlanReason.LOW_TAKE_PROFIT,
        )


class TestAmounts:
    def test_the_won_left_over_go_to_the_deepest_stages(self) -> None:
        split = calculate_order_amounts(
            total_budget=Decimal(20_000),
            stages=3,
            multiplier=Decimal(1),
            shape=Shape.EQUAL,
            bid_fee=Decimal(0),
            min_lot=Decimal(5500),
        )

        assert split == (Decimal(6666), Decimal(6667), Decimal(6667))

    @pytest.mark.parametrize(
        ("multiplier", "least"),
        # Seven stages of which the first is 5,500 won, plus 0.05 % fee, by hand.
        [("1", 38_520), ("1.25", 82_947), ("1.5", 177_035), ("2", 698_850)],
    )
    def test_the_minimum_budget_is_enough_and_one_won_less_is_not(
        self, multiplier: str, least: int
    ) -> None:
        request = replace(XRP, multiplier=Decimal(multiplier), budget=Decimal(least))

        enough = calculate_parameters(request=request)
        short = calculate_parameters(
            request=replace(request, budget=least - Decimal(1))
        )

        assert enough.minimum_budget == least
        assert len(enough.stages) == 7
        assert len(short.stages) == 6
        assert short.reasons == (PlanReason.REDUCED_MIN_ORDER,)

    def test_one_stage_takes_what_the_fee_leaves(self) -> None:
        plan = calculate_parameters(request=replace(XRP, stages=1))

        assert amounts(plan) == [999_500]

    def test_a_higher_exchange_minimum_beats_our_own(self) -> None:
        strict = replace(RULES, min_total=Decimal(10_000))

        plan = calculate_parameters(
            request=replace(XRP, budget=Decimal(30_000), rules=strict)
        )

        assert all(stage.amount > 10_000 for stage in plan.stages)

    def test_a_stage_is_accepted_even_after_its_volume_is_cut(self) -> None:
        plan = calculate_parameters(
            request=replace(BTC, budget=Decimal(5_010), min_lot=Decimal(5000))
        )

        for stage in plan.stages:
            volume = (stage.amount / stage.price).quantize(Decimal("1E-8"))
            assert volume * stage.price >= 5000


class TestPrices:
    def test_a_price_that_is_exactly_on_tick_keeps_its_tick(self) -> None:
        # 1200 is the exact middle; the exponential alone ends at 899.999...
        ladder = calculate_intervals(
            current_price=Decimal(1600),
            support_level=Decimal(900),
            stages=3,
            rules=RULES,
        )

        assert ladder == (Decimal(1600), Decimal(1200), Decimal(900))

    def test_a_ladder_may_cross_into_a_finer_band(self) -> None:
        ladder = calculate_intervals(
            current_price=Decimal(1_050_000),
            support_level=Decimal(900_500),
            stages=5,
            rules=RULES,
        )

        assert [int(price) % 1000 for price in ladder if price >= 1_000_000] == [0, 0]
        assert ladder[-1] == 900_500

    def test_prices_between_ticks_are_brought_inside(self) -> None:
        ladder = calculate_intervals(
            current_price=Decimal("3521.9"),
            support_level=Decimal("3049.1"),
            stages=2,
            rules=RULES,
        )

        assert ladder == (Decimal(3521), Decimal(3050))

    def test_a_gamma_above_one_crowds_stages_near_the_price(self) -> None:
        even = calculate_parameters(request=XRP)
        crowded = calculate_parameters(request=replace(XRP, gamma=Decimal(2)))

        assert crowded.stages[1].price > even.stages[1].price
        assert crowded.stages[-1].price == even.stages[-1].price

    def test_jitter_without_a_seed_is_refused(self) -> None:
        with pytest.raises(ValueError, match="seed"):
            calculate_intervals(
                current_price=Decimal(3521),
                support_level=Decimal(3050),
                stages=3,
                rules=RULES,
                jitter=Decimal("0.1"),
            )


class TestSeeds:
    def test_a_seed_depends_on_each_of_its_parts(self) -> None:
        parts = {"bot_id": "a", "cycle": 1, "time_bucket": 7, "run_id": "r"}
        others = {"bot_id": "b", "cycle": 2, "time_bucket": 8, "run_id": ""}

        seeds = {make_seed(secret=b"s", **parts), make_seed(secret=b"t", **parts)}  # type: ignore[arg-type]
        for name, other in others.items():
            seeds.add(make_seed(secret=b"s", **{**parts, name: other}))  # type: ignore[arg-type]

        assert len(seeds) == 6

    def test_start_delays_fill_the_whole_minute(self) -> None:
        delays = {
            start_delay_seconds(seed=bytes([high, low]))
            for high in range(8)
            for low in range(256)
        }

        assert delays == set(range(61))


class TestConsequences:
    def test_the_worst_case_is_what_selling_at_the_last_stage_loses(self) -> None:
        plan = calculate_parameters(request=XRP)

        volume = sum(stage.amount / stage.price for stage in plan.stages)
        paid = sum(stage.amount for stage in plan.stages) * Decimal("1.0005")
        loss = paid - volume * 3050 * Decimal("0.9995")
        assert plan.worst_case == loss.quantize(Decimal(1), rounding=ROUND_UP)

    def test_drop_and_rebound_are_shares_of_the_first_and_last_price(self) -> None:
        plan = calculate_parameters(request=XRP)

        assert plan.drop == Decimal("0.133769")  # 1 - 3050 / 3521
        assert plan.rebound == Decimal("0.068525")  # 3259 / 3050 - 1

    def test_the_caller_s_decimal_context_changes_nothing(self) -> None:
        expected = calculate_parameters(request=XRP)

        with localcontext(prec=5, rounding=ROUND_UP):
            plan = calculate_parameters(request=XRP)
            target = calculate_take_profit(
                cost=Decimal("66341.154"),
                volume=Decimal("18.83215066"),
                take_profit=Decimal("0.015"),
                rules=RULES,
            )

        assert plan == expected
        assert target == 3578


class TestReasons:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"support": Decimal(3521)}, PlanReason.SUPPORT_ABOVE_PRICE),
            ({"support": Decimal(4000)}, PlanReason.SUPPORT_ABOVE_PRICE),
            ({"support": Decimal(3515)}, PlanReason.SUPPORT_TOO_CLOSE),
            ({"budget": Decimal(5502)}, PlanReason.INFEASIBLE_BUDGET),
            ({"budget": Decimal(1_500_000_000)}, PlanReason.OVER_MAX_ORDER),
        ],
    )
    def test_an_impossible_plan_is_empty_and_says_why(
        self, changes: dict[str, Decimal], reason: PlanReason
    ) -> None:
        plan = calculate_parameters(request=replace(XRP, **changes))  # type: ignore[arg-type]

        assert plan.stages == ()
        assert not plan.feasible
        assert plan.reasons == (reason,)

    def test_a_close_support_is_refused_however_small_the_budget(self) -> None:
        # Otherwise more money would turn one stage into none.
        request = replace(XRP, support=Decimal(3515), budget=Decimal(6000))

        plan = calculate_parameters(request=request)

        assert plan.reasons == (PlanReason.SUPPORT_TOO_CLOSE,)

    def test_one_stage_needs_no_room_below_it(self) -> None:
        plan = calculate_parameters(
            request=replace(XRP, stages=1, support=Decimal(3515))
        )

        assert prices(plan) == [3521]

    def test_a_support_below_the_allowed_depth_is_raised_to_it(self) -> None:
        plan = calculate_parameters(request=replace(XRP, support=Decimal(1000)))

        assert plan.stages[-1].price == 2113  # 3521 x 0.6 = 2112.6
        assert plan.reasons == (PlanReason.DEPTH_CLAMPED,)

    def test_a_take_profit_below_fees_and_a_tick_is_warned_about(self) -> None:
        plan = calculate_parameters(request=replace(XRP, take_profit=Decimal("0.0012")))

        assert plan.feasible
        assert plan.reasons == (PlanReason.LOW_TAKE_PROFIT,)

    @pytest.mark.parametrize("reason", PlanReason)
    def test_every_reason_is_explained_in_both_languages(
        self, reason: PlanReason
    ) -> None:
        plan = calculate_parameters(request=COARSE)

        texts = {
            describe(reason, language=language, plan=given)
            for language in ("ko", "en")
            for given in (None, plan)
        }

        assert len(texts) >= 2
        assert all(text.rstrip().endswith(".") for text in texts)

    def test_a_reduced_plan_names_the_budget_for_all_stages(self) -> None:
        plan = calculate_parameters(request=replace(XRP, budget=Decimal(60_000)))

        korean = describe(plan.reasons[0], plan=plan)
        english = describe(plan.reasons[0], language="en", plan=plan)

        assert "82,947원" in korean
        assert "5 of 7 stages; 7 need 82,947 won" in english


class TestNonsense:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("price", Decimal(0)),
            ("price", Decimal("1E-9")),
            ("price", Decimal("1E+11")),
            ("price", Decimal("NaN")),
            ("price", Decimal("Infinity")),
            ("support", Decimal(-1)),
            ("budget", Decimal(-1_000_000)),
            ("budget", Decimal("1E+13")),
            ("budget", 100_000.0),
            ("stages", 0),
            ("stages", 21),
            ("stages", True),
            ("stages", Decimal(7)),
            ("multiplier", Decimal("0.99")),
            ("multiplier", Decimal("2.01")),
            ("take_profit", Decimal(0)),
            ("take_profit", Decimal("1.01")),
            ("jitter", Decimal("0.36")),
            ("jitter", Decimal("-0.1")),
            ("min_lot", Decimal(-1)),
            ("gamma", Decimal(0)),
            ("max_depth", Decimal(1)),
        ],
    )
    def test_a_value_out_of_range_is_refused_by_name(
        self, field: str, value: object
    ) -> None:
        with pytest.raises(InvalidPlan) as refusal:
            calculate_parameters(request=replace(XRP, **{field: value}))  # type: ignore[arg-type]

        assert refusal.value.field == field
        assert refusal.value.code
        assert refusal.value.message == str(refusal.value)
        assert refusal.value.english

    def test_the_message_names_the_allowed_range(self) -> None:
        with pytest.raises(InvalidPlan) as refusal:
            calculate_parameters(request=replace(XRP, multiplier=Decimal(3)))

        assert refusal.value.message == "배수: 1 이상 2 이하로 입력하세요 (입력값: 3)."
        assert refusal.value.english == (
            "multiplier must be at least 1 and at most 2, not 3."
        )

    @pytest.mark.parametrize("seed", [None, b""])
    def test_jitter_needs_a_seed(self, seed: bytes | None) -> None:
        request = replace(XRP, jitter=Decimal("0.25"), seed=seed)

        with pytest.raises(InvalidPlan) as refusal:
            calculate_parameters(request=request)

        assert refusal.value.code == "JITTER_WITHOUT_SEED"

    def test_nothing_held_has_no_price_to_sell_at(self) -> None:
        with pytest.raises(ValueError, match="nothing is held"):
            calculate_take_profit(
                cost=Decimal(1000),
                volume=Decimal(0),
                take_profit=Decimal("0.01"),
                rules=RULES,
            )
