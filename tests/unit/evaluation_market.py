"""Made-up markets for the evaluation: hourly walks of coins that fall and rise together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from central_project.analysis.analyzers import ANALYZERS
from central_project.analysis.candles import COLUMNS
from central_project.analysis.evaluation.card import ReportCard
from central_project.analysis.evaluation.judge import judge
from central_project.analysis.evaluation.panel import Snapshot
from central_project.analysis.evaluation.prices import price_history
from central_project.analysis.evaluation.replay import replay_of
from central_project.analysis.recommender import (
    DEFAULT_WEIGHTS,
    CoinRecommender,
    Gates,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY_DAYS = 20
Frames = dict[str, pd.DataFrame]


def walks(
    *, seed: int, coins: int = 12, days: int = 60, calm_gains: float = 0.0
) -> Frames:
    """Return driftless walks that share a common move; coin 0 is the calmest.

    With *calm_gains* the calmest coin gains half of it a day over the average coin (log),
    the wildest loses as much: low volatility truly predicts.
    """
    rng = np.random.default_rng(seed)
    hours = 24 * days
    common = rng.normal(0, 0.006, hours)
    return {
        f"KRW-C{number:02d}": _walk(rng, common, number / (coins - 1), calm_gains)
        for number in range(coins)
    }


def _walk(
    rng: np.random.Generator,
    common: np.ndarray[tuple[int], np.dtype[np.float64]],
    wildness: float,
    calm_gains: float,
) -> pd.DataFrame:
    hours, volatility = len(common), 0.004 * (1 + 3 * wildness)
    steps = (
        common + rng.normal(0, volatility, hours) + calm_gains * (0.5 - wildness) / 24
    )
    close = 5_000 * np.exp(np.cumsum(steps))
    opened = np.concatenate(([close[0]], close[:-1]))
    wick = np.exp(np.abs(rng.normal(0, volatility / 2, (2, hours))))
    turnover = rng.uniform(1, 3, hours) * 1e9
    columns = (
        opened,
        np.maximum(opened, close) * wick[0],
        np.minimum(opened, close) / wick[1],
        close,
        turnover / close,
        turnover,
    )
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    frame["started_at"] = pd.date_range(START, periods=hours, freq="h")
    return frame


def replayed(frames: Frames, *, moments: Sequence[datetime]) -> list[Snapshot]:
    """Return what the real recommender says at each of *moments*."""
    recommender = CoinRecommender(
        analyzers=ANALYZERS,
        weights=DEFAULT_WEIGHTS,
        gates=Gates(min_age_days=HISTORY_DAYS),
    )
    replay = replay_of(frames=frames, recommender=recommender, days=HISTORY_DAYS)
    return list(replay.snapshots(moments))


def judged(frames: Frames) -> ReportCard:
    """Return the card of the whole market, one moment a day."""
    days = len(next(iter(frames.values()))) // 24
    moments = [START + n * DAY for n in range(HISTORY_DAYS, days - 1)]
    return judge(
        section="walk_forward",
        snapshots=replayed(frames, moments=moments),
        prices=price_history(frames),
        step_days=1,
        score_version="test",
    )
