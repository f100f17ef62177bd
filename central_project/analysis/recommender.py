"""Gate, score, order: the list of recommended coins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from central_project.analysis import phrases
from central_project.analysis.analyzers import METRIC_STEP, CoinAnalyzer, CoinFacts
from central_project.analysis.gates import Gates, InvalidSettings, refusal
from central_project.analysis.scoring import (
    DEFAULT_WEIGHTS,
    AssessedCoin,
    Component,
    Score,
    Weights,
    known_factors,
    score_coins,
)
from common.wire import MAX_RECOMMENDATIONS, Reason, Recommendation, Scores

__all__ = [
    "DEFAULT_WEIGHTS",
    "CoinRecommender",
    "Gates",
    "InvalidSettings",
    "Ranking",
    "ScoredCoin",
    "Weights",
]

HYSTERESIS: Final = Decimal(2)
"""Points by which a newcomer must beat an incumbent to take its place in the list."""
STRONG: Final = Decimal("0.8")
WEAK: Final = Decimal("0.2")
SAID: Final = 2
"""How many strong and how many weak factors of a coin are put into words."""


@dataclass(frozen=True, kw_only=True)
class ScoredCoin:
    """One coin that passed the gates, with everything its score is made of."""

    rank: int
    symbol: str
    score: Decimal
    components: Mapping[str, Component]
    recommendation: Recommendation | None
    """None for coins ranked below the limit."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The answer of one run."""

    recommendations: tuple[Recommendation, ...]
    scored: tuple[ScoredCoin, ...]
    """All coins that passed the gates: the recommended ones first, each part by score."""
    excluded: Mapping[str, str]
    """Market to machine-readable reason."""
    universe_size: int
    score_version: str


class CoinRecommender:
    """Ranks coins by the weighted views of its analyzers."""

    def __init__(
        self, *, analyzers: Sequence[CoinAnalyzer], weights: Weights, gates: Gates
    ) -> None:
        """Refuse analyzers that do not match the weights one to one."""
        names = [analyzer.name for analyzer in analyzers]
        if sorted(names) != sorted(weights.by_analyzer()):
            raise InvalidSettings(
                f"analyzers {names} must be exactly {list(weights.by_analyzer())}"
            )
        self._analyzers = tuple(analyzers)
        self._weights = weights
        self._gates = gates

    def get_recommendations(
        self,
        *,
        coins: Sequence[CoinFacts],
        incumbents: Collection[str] = (),
        limit: int = MAX_RECOMMENDATIONS,
    ) -> Ranking:
        """Return at most *limit* coins, best first; fewer when fewer pass the gates."""
        if not 1 <= limit <= MAX_RECOMMENDATIONS:
            raise ValueError(f"limit must be 1 to {MAX_RECOMMENDATIONS}, got {limit}")
        if len({coin.market for coin in coins}) != len(coins):
            raise ValueError("each market may be given only once")
        excluded, assessed = self._gate(coins)
        scores = score_coins(coins=assessed, weights=self._weights)
        ordered = _in_order(scores, incumbents, limit)
        scored = tuple(_scored(s, n, limit) for n, s in enumerate(ordered, 1))
        return Ranking(
            recommendations=tuple(s.recommendation for s in scored if s.recommendation),
            scored=scored,
            excluded=excluded,
            universe_size=len(coins),
            score_version=self._weights.version,
        )

    def _gate(
        self, coins: Sequence[CoinFacts], /
    ) -> tuple[dict[str, str], list[AssessedCoin]]:
        """Split into refused markets with their reason and assessed coins, by symbol."""
        excluded: dict[str, str] = {}
        assessed: list[AssessedCoin] = []
        for coin in sorted(coins, key=lambda coin: coin.market):
            reason = refusal(coin, self._gates)
            if reason is not None:
                excluded[coin.market] = reason
                continue
            views = {a.name: a.analyze(coin) for a in self._analyzers}
            # A view without a single factor has no score, and none is made up.
            if all(known_factors(view) for view in views.values()):
                assessed.append(AssessedCoin(coin=coin, views=views))
            else:
                excluded[coin.market] = "NOT_ENOUGH_HISTORY"
        return excluded, assessed


def _in_order(
    scores: Sequence[Score], incumbents: Collection[str], limit: int, /
) -> list[Score]:
    """Choose the list's members with hysteresis, then order by score and symbol."""
    held = frozenset(incumbents)

    def claim(score: Score) -> tuple[Decimal, bool, str]:
        stays = score.market in held
        # A newcomer that is exactly HYSTERESIS ahead has beaten the incumbent.
        return (-(score.total + (HYSTERESIS if stays else 0)), stays, score.market)

    def place(score: Score) -> tuple[Decimal, str]:
        return (-score.total, score.market)

    claims = sorted(scores, key=claim)
    return sorted(claims[:limit], key=place) + sorted(claims[limit:], key=place)


def _scored(score: Score, rank: int, limit: int, /) -> ScoredCoin:
    return ScoredCoin(
        rank=rank,
        symbol=score.market,
        score=score.total,
        components=score.components,
        recommendation=_recommendation(score, rank) if rank <= limit else None,
    )


def _recommendation(score: Score, rank: int, /) -> Recommendation:
    coin, views = score.assessed.coin, score.assessed.views.values()
    return Recommendation(
        rank=rank,
        symbol=coin.market,
        korean_name=coin.korean_name,
        english_name=coin.english_name,
        price=coin.price,
        score=score.total,
        scores=Scores(**score.by_analyzer),
        reasons=[*_standings(score), *(r for view in views for r in view.reasons)],
        metrics={name: value for view in views for name, value in view.metrics.items()}
        | _day_change(coin),
        warnings=_warnings(score),
    )


def _day_change(coin: CoinFacts, /) -> dict[str, Decimal]:
    """Name the day's change as the exchange does; without one there is no such metric."""
    rate = coin.signed_change_rate
    return {} if rate is None else {"signed_change_rate": rate.quantize(METRIC_STEP)}


def _standings(score: Score, /) -> list[Reason]:
    """Put the strongest and the weakest factors into words."""
    by_share = sorted(score.shares.items(), key=lambda item: (-item[1], item[0]))
    strong = [item for item in by_share if item[1] >= STRONG][:SAID]
    weak = [item for item in by_share if item[1] <= WEAK][-SAID:]
    return [phrases.standing(name, float(share)) for name, share in strong + weak]


def _warnings(score: Score, /) -> list[str]:
    """Say in codes what a trader should know although the coin passed."""
    coin = score.assessed.coin
    levels = coin.support.levels
    codes = [f"NO_{lv.upper()}_LEVEL" for lv in levels if levels[lv].price is None]
    codes += [f"DEGRADED_{lv.upper()}_LEVEL" for lv in levels if levels[lv].degraded]
    if coin.spread is None:
        codes.append("SPREAD_UNKNOWN")
    if any(part["value"] is None for part in score.components.values()):
        codes.append("PARTIAL_COVERAGE")
    return codes
