"""Second step: stored candles and fresh prices to levels, scores and the market's mood.

A thin adapter: all judgement is in `central_project.analysis`. Coins are analysed one by
one as their candles arrive; what compares them with each other comes at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from central_project.analysis.analyzers import ANALYZERS, CoinFacts
from central_project.analysis.audit import Mismatch, audit_coin, choose
from central_project.analysis.candles import NotEnoughHistory
from central_project.analysis.market_status import market_status
from central_project.analysis.recommender import (
    CoinRecommender,
    Gates,
    Ranking,
    Weights,
)
from central_project.market.models import (
    Coin,
    Publication,
    Recommendation,
    ScoreSettings,
)
from central_project.market.services.facts import History
from central_project.market.sources import Book, Ticker
from common.wire import MarketStatus

log = logging.getLogger(__name__)

AUDITED: Final = 3
"""Coins per run that are computed a second time with `ta`."""


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """The results of one run, not yet visible to anybody."""

    facts: list[CoinFacts]
    ranking: Ranking
    status: MarketStatus
    excluded: dict[str, str]
    """Every listed market that is not ranked, with its reason."""
    failed: dict[str, str]
    settings: ScoreSettings
    audit: dict[str, Any]
    """The coins computed a second time, and every figure that differed."""

    @property
    def suspect(self) -> bool:
        """Tell whether the second opinion differs."""
        return bool(self.audit["mismatches"])


def current_settings() -> ScoreSettings:
    """Return the weights and gates in force: the newest row."""
    return ScoreSettings.objects.latest("pk")


def recommender_of(*, settings: ScoreSettings) -> CoinRecommender:
    """Build the recommender; raise InvalidSettings if the row cannot be meant."""
    return CoinRecommender(
        analyzers=ANALYZERS,
        weights=Weights(
            technical=settings.technical,
            volume=settings.volume,
            volatility=settings.volatility,
            risk=settings.risk,
            version=settings.version,
        ),
        gates=Gates(
            min_turnover_24h=settings.min_turnover_24h,
            min_age_days=settings.min_age_days,
            max_spread=settings.max_spread,
            max_tick_share=settings.max_tick_share,
            max_missing=settings.max_missing,
        ),
    )


class Analyst:
    """Takes coins as their candles arrive; one coin's failure stops nobody else."""

    def __init__(self, *, history: History, seed: str) -> None:
        """Work from *history*; *seed*, the run's own, decides which coins are audited."""
        self._history = history
        self._settings = current_settings()
        self._recommender = recommender_of(settings=self._settings)
        self._inputs: dict[str, tuple[Coin, Ticker, Book | None]] = {}
        self._facts: dict[str, CoinFacts] = {}
        self._unready: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._chosen = choose(markets=history.markets, seed=seed, count=AUDITED)
        self._audited: list[str] = []
        self._mismatches: list[Mismatch] = []

    def add(self, *, coin: Coin, ticker: Ticker | None, book: Book | None) -> None:
        """Analyse one coin whose candles are stored, and audit it if it was drawn."""
        market = coin.market
        if ticker is None:
            self._failed[market] = "NO_PRICE"
            return
        try:
            facts = self._history.facts(coin=coin, ticker=ticker, book=book)
            if market in self._chosen:
                self._audit(facts)
        except NotEnoughHistory:
            self._unready[market] = "NOT_ENOUGH_HISTORY"
        except Exception:
            log.exception("market.coin.failed: analysis of %s", market)
            self._failed[market] = "ANALYSIS_FAILED"
        else:
            self._inputs[market] = (coin, ticker, book)
            self._facts[market] = facts

    def finish(
        self, *, coins: Sequence[Coin], unreadable: Mapping[str, str]
    ) -> Analysed:
        """Rank what was added among *coins*, all that are listed.

        *unreadable* are those that could not be read, with their reasons.
        """
        if self._history.has_new_maintenance():
            self._repeat()
        failed = {**unreadable, **self._failed}
        banned = {coin.market for coin in coins if coin.excluded}
        facts = [self._facts[market] for market in sorted(self._facts)]
        ranking = self._recommender.get_recommendations(
            coins=[fact for fact in facts if fact.market not in banned],
            incumbents=_incumbents(),
        )
        return Analysed(
            facts=facts,
            ranking=ranking,
            status=market_status(
                figures={fact.market: fact.figures for fact in facts},
                coins_failed=len(failed),
                pipeline="ok",
                exchange="ok",
            ),
            excluded=self._unready
            | dict(ranking.excluded)
            | dict.fromkeys(banned, "EXCLUDED_BY_OPERATOR")
            | failed,
            failed=failed,
            settings=self._settings,
            audit={
                "coins": self._audited,
                "mismatches": [asdict(one) for one in self._mismatches],
            },
        )

    def _audit(self, facts: CoinFacts, /) -> None:
        found = audit_coin(series=facts.series, figures=facts.figures)
        self._audited.append(facts.market)
        self._mismatches += found
        for one in found:
            log.error(
                "market.audit.mismatch: %s %s is %s, `ta` says %s",
                *(one.market, one.figure, one.ours, one.reference),
            )

    def _repeat(self) -> None:
        """Analyse all once more: hours in which nobody traded are gaps, not silence.

        Rare, and it takes no call: the first run after the exchange was away.
        """
        log.info("market.maintenance.found: every coin is analysed again")
        for market, (coin, ticker, book) in self._inputs.items():
            self._facts[market] = self._history.again(
                coin=coin, ticker=ticker, book=book
            )


def _incumbents() -> list[str]:
    """Return the markets recommended by the run that readers get now."""
    current = Publication.objects.values("current")
    return list(
        Recommendation.objects.filter(run__in=current).values_list("market", flat=True)
    )
