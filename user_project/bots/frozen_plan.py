"""The plan a cycle keeps for its whole life: read it back, make it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from common.money import MarketRules, TickTable, plain, ticks_of
from user_project.bots.options import read_table
from user_project.trading.facts import PlannedStage
from user_project.trading.plan import (
    InvalidPlan,
    Plan,
    PlanRequest,
    Shape,
    calculate_parameters,
)

RULES_VERSION: Final = "2"
"""Rises when the same request may lead to another plan than before."""


class UnreadablePlan(ValueError):
    """A stored plan that this version cannot make again; the text says why."""


def planned_stages(frozen: dict[str, Any], /) -> tuple[PlannedStage, ...]:
    """Read the stages back from a cycle's frozen plan."""
    return tuple(
        PlannedStage(
            stage=stage["stage"],
            price=Decimal(stage["price"]),
            amount=Decimal(stage["amount"]),
        )
        for stage in frozen["stages"]
    )


def frozen_rules(frozen: dict[str, Any], /) -> MarketRules:
    """Return the market's rules as they were when the plan was made."""
    market = str(frozen.get("market", ""))
    usual = MarketRules(market=market, ticks=_frozen_ticks(frozen))
    return replace(
        usual,
        bid_fee=Decimal(frozen.get("bid_fee", usual.bid_fee)),
        ask_fee=Decimal(frozen.get("ask_fee", usual.ask_fee)),
        min_total=Decimal(frozen.get("min_total", usual.min_total)),
        max_total=Decimal(frozen.get("max_total", usual.max_total)),
    )


def ask_fee(frozen: str | None, /) -> Decimal:
    """Return the fee of selling (a share) as a plan has it, the usual one without."""
    return Decimal(frozen) if frozen else MarketRules(market="").ask_fee


def _frozen_ticks(frozen: dict[str, Any]) -> TickTable:
    """The table itself: the exchange may have corrected a band by what it listed."""
    bands = frozen.get("ticks")
    if bands is None:
        return ticks_of(market=str(frozen.get("market", "")))
    return TickTable(
        effective_at=date.fromisoformat(frozen["ticks_from"]),
        bands=tuple((Decimal(edge), Decimal(tick)) for edge, tick in bands),
    )


def replan(frozen: dict[str, Any], /) -> Plan:
    """Plan again from what a cycle kept; raise UnreadablePlan for another version.

    The same stages come out to the byte, on any machine at any time.
    """
    version = frozen.get("rules_version")
    if version != RULES_VERSION:
        raise UnreadablePlan(
            f"planned by rules version {version}, this is version {RULES_VERSION}"
        )
    try:
        return calculate_parameters(request=_frozen_request(frozen))
    except (KeyError, ValueError, ArithmeticError, InvalidPlan) as error:
        raise UnreadablePlan(f"the stored plan is damaged: {error!r}") from error


def written_stages(plan: Plan, /) -> list[dict[str, Any]]:
    """Return a plan's stages as a cycle keeps them."""
    return [
        {
            "stage": stage.stage,
            "price": plain(stage.price),
            "amount": plain(stage.amount),
        }
        for stage in plan.stages
    ]


def _frozen_request(frozen: dict[str, Any]) -> PlanRequest:
    numbers = {
        name: Decimal(frozen[name])
        for name in (
            *("price", "support", "budget", "multiplier"),
            *("take_profit", "jitter", "max_depth"),
        )
    }
    rules = frozen_rules(frozen)
    return PlanRequest(
        price=numbers["price"],
        support=numbers["support"],
        budget=numbers["budget"],
        multiplier=numbers["multiplier"],
        take_profit=numbers["take_profit"],
        jitter=numbers["jitter"],
        max_depth=numbers["max_depth"],
        stages=int(frozen["wanted_stages"]),
        shape=Shape(frozen["shape"]),
        table=read_table(frozen["table"]),
        seed=bytes.fromhex(frozen["seed"]),
        rules=rules,
    )
