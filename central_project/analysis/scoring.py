"""Views of many coins to scores from 0 to 100, with every step kept for the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from central_project.analysis.analyzers import Assessment, CoinFacts, Factor
from central_project.analysis.gates import InvalidSettings
from central_project.analysis.ranks import rank_shares
from central_project.analysis.rounding import SCORE_STEP, SHARE_STEP, leave_float
from common.money import plain

Component = Mapping[str, str | None]
"""One factor's part in a score: analyzer, value, share, weight, contribution as text."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each analyzer counts; the four sum to 1."""

    technical: Decimal
    volume: Decimal
    volatility: Decimal
    risk: Decimal
    version: str

    def __post_init__(self) -> None:
        """Refuse negative weights, a sum other than 1 and a missing version."""
        values = self.by_analyzer()
        for name, weight in values.items():
            if not weight.is_finite() or weight < 0:
                raise InvalidSettings(f"weight {name} must be 0 or more, got {weight}")
        if sum(values.values()) != 1:
            raise InvalidSettings(
                f"the four weights must sum to 1, they sum to {sum(values.values())}"
            )
        if not self.version:
            raise InvalidSettings("weights need a version, e.g. 2026-01")

    def by_analyzer(self) -> dict[str, Decimal]:
        """Return the weights by analyzer name."""
        names = (field.name for field in fields(self) if field.name != "version")
        return {name: getattr(self, name) for name in names}


DEFAULT_WEIGHTS: Final = Weights(
    technical=Decimal("0.20"),
    volume=Decimal("0.30"),
    volatility=Decimal("0.30"),
    risk=Decimal("0.20"),
    version="1",
)
"""Liquidity and calm lead: they showed the steadier relation to later returns."""


@dataclass(frozen=True, kw_only=True)
class AssessedCoin:
    """A coin that passed the gates and what each analyzer says about it."""

    coin: CoinFacts
    views: Mapping[str, Assessment]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One coin's score: the total, the four views and the parts they are made of."""

    assessed: AssessedCoin
    total: Decimal
    by_analyzer: Mapping[str, Decimal]
    shares: Mapping[str, Decimal]
    """Rank share per known factor; 1 is best."""
    components: Mapping[str, Component]

    @property
    def market(self) -> str:
        """Return the coin's market code."""
        return self.assessed.coin.market


def known_factors(view: Assessment, /) -> list[Factor]:
    """Return the factors of *view* that have a value."""
    return [factor for factor in view.factors if factor.value is not None]


def score_coins(*, coins: Sequence[AssessedCoin], weights: Weights) -> list[Score]:
    """Score each coin against all the others; every view needs one known factor."""
    ranks = _ranks(coins)
    return [_score(coin, ranks, weights) for coin in coins]


def _ranks(coins: Sequence[AssessedCoin], /) -> dict[str, dict[str, float]]:
    """Return rank shares by factor, then by market, over the coins that know the factor."""
    values: dict[str, dict[str, float]] = {}
    directions: dict[str, bool] = {}
    for coin in coins:
        for view in coin.views.values():
            for factor in view.factors:
                if factor.value is not None:
                    values.setdefault(factor.name, {})[coin.coin.market] = factor.value
                    directions[factor.name] = factor.higher_is_better
    return {
        name: rank_shares(by_market, higher_is_better=directions[name])
        for name, by_market in values.items()
    }


def _score(
    assessed: AssessedCoin,
    ranks: Mapping[str, Mapping[str, float]],
    weights: Weights,
    /,
) -> Score:
    """Weigh one coin's rank shares; within a view all known factors count the same."""
    market = assessed.coin.market
    by_analyzer: dict[str, Decimal] = {}
    shares: dict[str, Decimal] = {}
    components: dict[str, Component] = {}
    total = Decimal(0)
    for name, view in assessed.views.items():
        known: dict[str, Decimal] = {
            factor.name: leave_float(ranks[factor.name][market], step=SHARE_STEP)
            for factor in known_factors(view)
        }
        points = 100 * sum(known.values(), Decimal(0))
        by_analyzer[name] = (points / len(known)).quantize(SCORE_STEP)
        weight = weights.by_analyzer()[name] / len(known)
        total += weight * points
        shares.update(known)
        for factor in view.factors:
            share = known.get(factor.name)
            components[factor.name] = _component(name, factor, share, weight)
    return Score(
        assessed=assessed,
        total=total.quantize(SCORE_STEP),
        by_analyzer=by_analyzer,
        shares=shares,
        components=components,
    )


def _component(
    analyzer: str, factor: Factor, share: Decimal | None, weight: Decimal, /
) -> Component:
    """Write one factor's part as text; an unknown factor has no weight."""
    if share is None:
        return {
            "analyzer": analyzer,
            "value": None,
            "share": None,
            "weight": "0",
            "contribution": "0",
        }
    return {
        "analyzer": analyzer,
        "value": repr(factor.value),
        "share": plain(share),
        "weight": plain(weight.quantize(SHARE_STEP)),
        "contribution": plain((100 * weight * share).quantize(SHARE_STEP)),
    }
