"""Report cards: what was served, and today's recommender on the candles of the past.

Two sections that never mix. ``served`` judges stored runs, exactly what readers got;
``walk_forward`` recomputes each moment from the candles that had closed by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd

from central_project.analysis.evaluation.card import ReportCard, Text
from central_project.analysis.evaluation.judge import NothingToJudge, judge
from central_project.analysis.evaluation.panel import CoinView, Snapshot
from central_project.analysis.evaluation.prices import NoPrices, price_history
from central_project.analysis.evaluation.replay import (
    parts_of,
    replay_of,
    stated_levels,
)
from central_project.market import models
from central_project.market.models import AnalysisRun, ReportSection, Unit
from central_project.market.services.analyse import current_settings, recommender_of
from central_project.market.services.candles import read_frames
from common import wire

Frames = Mapping[str, pd.DataFrame]
Progress = Callable[[int, int], None]

DAY: Final = timedelta(days=1)
LAST_DAYS: Final = 90
"""The period judged when none is asked for."""
FUTURE_DAYS: Final = 31
"""So long after the last moment outcomes are followed."""
SIGMA_DAYS: Final = 15
"""So long before the first moment volatility is measured."""


class NoReport(ValueError):
    """The period holds nothing to judge; the message says what it needs."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """The moments to judge: midnight UTC (9:00 in Korea), every *step_days*."""

    since: datetime
    until: datetime
    step_days: int = 1

    @classmethod
    def last(cls, *, now: datetime) -> Period:
        """Return the LAST_DAYS up to *now*, day by day."""
        return cls(since=now - timedelta(days=LAST_DAYS), until=now)

    def moments(self) -> list[datetime]:
        """Return the moments, oldest first."""
        first = self.since.astimezone(UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        first += DAY if first < self.since else timedelta()
        count = (self.until - first) // (DAY * self.step_days) + 1
        return [first + n * DAY * self.step_days for n in range(max(0, count))]


def walk_forward(
    *,
    frames: Frames,
    since: datetime | None,
    until: datetime | None,
    step_days: int,
    days: int,
    progress: Progress,
) -> ReportCard:
    """Recompute every moment from hourly *frames* and judge it by the hours after.

    *days* is the length of the history the analysis sees. Without *since* the first moment
    is when the oldest coin reaches the least age of the settings in force. Raises NoReport.
    """
    settings = current_settings()
    known = {market: frame for market, frame in frames.items() if len(frame)}
    period = _period(known, since, until, step_days, settings.min_age_days)
    moments = period.moments()
    recommender = recommender_of(settings=settings)
    replay = replay_of(frames=known, recommender=recommender, days=days)
    snapshots = []
    for done, snapshot in enumerate(replay.snapshots(moments), start=1):
        snapshots.append(snapshot)
        progress(done, len(moments))
    return _judged(
        ReportSection.WALK_FORWARD,
        _with_ranking(snapshots),
        known,
        step_days,
        settings.version,
        [*WALK_FORWARD_NOTES, RETURNS_NOTE],
    )


def walk_forward_stored(*, period: Period, days: int, progress: Progress) -> ReportCard:
    """Walk forward over the stored candles of *period*; raise NoReport."""
    past = timedelta(days=max(days, current_settings().min_age_days) + 1)
    frames = read_frames(
        unit=Unit.HOUR,
        since=period.since - past,
        until=period.until + timedelta(days=FUTURE_DAYS),
    )
    return walk_forward(
        frames=frames,
        since=period.since,
        until=period.until,
        step_days=period.step_days,
        days=days,
        progress=progress,
    )


def served(*, period: Period) -> ReportCard:
    """Judge the stored published runs of *period*, the first of each day; raise NoReport."""
    runs = _daily_runs(period)
    if not runs:
        raise NoReport(
            f"no published analysis is stored from {period.since:%Y-%m-%d} to"
            f" {period.until:%Y-%m-%d}; runs are kept for as long as the retention says"
        )
    frames = read_frames(
        unit=Unit.HOUR,
        since=period.since - timedelta(days=SIGMA_DAYS),
        until=period.until + timedelta(days=FUTURE_DAYS),
    )
    versions = {run.settings.version for run in runs if run.settings}
    return _judged(
        ReportSection.SERVED,
        [_snapshot(run) for run in runs],
        frames,
        period.step_days,
        ", ".join(sorted(versions)),
        [*SERVED_NOTES, RETURNS_NOTE],
    )


def both_sections(
    *, period: Period, days: int, progress: Progress = lambda done, total: None
) -> tuple[list[ReportCard], dict[str, str]]:
    """Make and store both sections; return the cards and why one could not be made."""
    makers: dict[ReportSection, Callable[[], ReportCard]] = {
        ReportSection.WALK_FORWARD: lambda: walk_forward_stored(
            period=period, days=days, progress=progress
        ),
        ReportSection.SERVED: lambda: served(period=period),
    }
    cards, missing = [], {}
    for section, make in makers.items():
        try:
            cards.append(make())
        except NoReport as nothing:
            missing[section.value] = str(nothing)
    for card in cards:
        store(card)
    return cards, missing


def store(card: ReportCard, /) -> models.ReportCard:
    """Keep *card*; the newest of its section is the one that counts."""
    return models.ReportCard.objects.create(
        section=card.section,
        since=card.since,
        until=card.until,
        score_version=card.score_version[:40],
        body=card.model_dump(mode="json"),
    )


def _period(
    frames: Frames,
    since: datetime | None,
    until: datetime | None,
    step_days: int,
    min_age_days: int,
    /,
) -> Period:
    """Fill what is not given from the candles; refuse a period they do not cover."""
    if not frames:
        raise NoReport(
            "there is not one hourly candle; run backfill, or name a file with --candles"
        )
    first = min(frame["started_at"].min() for frame in frames.values()).to_pydatetime()
    last = max(frame["started_at"].max() for frame in frames.values()).to_pydatetime()
    age = timedelta(days=min_age_days)
    period = Period(
        since=since or first + age, until=until or last, step_days=step_days
    )
    if period.until < period.since or not (
        first < period.until and period.since < last
    ):
        raise NoReport(
            f"nothing lies between {period.since:%Y-%m-%d} and {period.until:%Y-%m-%d}:"
            f" the candles reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and a coin is"
            f" ranked only after {min_age_days} days"
        )
    return Period(
        since=period.since, until=min(period.until, last), step_days=step_days
    )


def _with_ranking(snapshots: list[Snapshot], /) -> list[Snapshot]:
    """Drop the moments before the first coin passes the gates: nothing was said there."""
    return [one for one in snapshots if any(coin.eligible for coin in one.coins)]


def _judged(
    section: ReportSection,
    snapshots: list[Snapshot],
    frames: Frames,
    step_days: int,
    score_version: str,
    notes: list[Text],
    /,
) -> ReportCard:
    named = {coin.market for one in snapshots for coin in one.coins}
    try:
        return judge(
            section=section.value,
            snapshots=snapshots,
            prices=price_history(frames, markets=tuple(sorted(named))),
            step_days=step_days,
            score_version=score_version,
            notes=notes,
        )
    except (NothingToJudge, NoPrices) as error:
        raise NoReport(
            "no coin passed the gates in this period: it may have too little history"
            f" before it ({error})"
        ) from error


def _daily_runs(period: Period, /) -> list[AnalysisRun]:
    """Return the first published run of each day that is a moment of *period*."""
    runs = (
        AnalysisRun.objects.published()
        .filter(data_as_of__gte=period.since, data_as_of__lte=period.until)
        .select_related("settings")
        .order_by("data_as_of")
    )
    by_day: dict[int, AnalysisRun] = {}
    for run in runs:
        if run.data_as_of is not None:
            day = (run.data_as_of - period.since) // (DAY * period.step_days)
            by_day.setdefault(day, run)
    return list(by_day.values())


def _snapshot(run: AnalysisRun, /) -> Snapshot:
    """Read back what one run said."""
    assert run.data_as_of is not None  # noqa: S101 (filtered on it)
    refused = set(run.excludedcoin_set.values_list("market", flat=True))
    ranked = {row.market: row for row in run.recommendation_set.all()}
    coins = [
        _view(row, None if row.market in refused else ranked.get(row.market), refused)
        for row in run.supportlevel_set.all()
    ]
    return Snapshot(as_of=run.data_as_of, coins=coins)


def _view(
    row: models.SupportLevel,
    ranked: models.Recommendation | None,
    refused: Collection[str],
    /,
) -> CoinView:
    support = wire.SupportLevels(symbol=row.market, price=row.price, levels=row.levels)
    return CoinView(
        market=row.market,
        price=float(row.price),
        eligible=row.market not in refused,
        rank=ranked.rank if ranked else None,
        score=float(ranked.score) if ranked else None,
        parts=parts_of(ranked.breakdown) if ranked else {},
        levels=stated_levels(support),
    )


RETURNS_NOTE: Final = Text(
    ko="수익률은 로그 수익률이며 수수료를 빼지 않았습니다. 익절 확률은 그 시점 가격에 한 번 사서"
    " 수수료를 뺀 1.5%에 파는 경우입니다(단계 매수는 반영하지 않음). 거래가 끝난 코인은 마지막"
    " 가격으로 남습니다.",
    en="Returns are log returns before fees. Take profit figures are for one purchase at the"
    " snapshot's price, sold at 1.5 % net of fees (without staged buys). A coin that stops"
    " trading stays in at its last price.",
)
WALK_FORWARD_NOTES: Final = (
    Text(
        ko="지금의 설정과 계산식을 과거 캔들에 적용한 결과입니다. 실제로 제공한 순위가 아닙니다.",
        en="Today's settings and formulas applied to past candles; not what was served then.",
    ),
    Text(
        ko="과거 기록이 없는 호가 간격·호가 잔량·유의 표시는 모르는 값으로 두었고, 그 기준으로"
        " 제외된 코인이 없습니다. 상장일은 첫 캔들로 봅니다. 순위 유지(2점)는 하루 단위입니다.",
        en="Spread, depth and warning flags are not in the history: unknown here, and no coin"
        " was refused for them. Age counts from the first candle. Hysteresis steps from one"
        " moment to the next.",
    ),
)
SERVED_NOTES: Final = (
    Text(
        ko="저장된 실제 분석 중 매일 첫 번째 것을 판단합니다. 보관 기간이 지난 분석은 없습니다.",
        en="Judges the first stored run of each day; runs past their retention are gone.",
    ),
    Text(
        ko="점수는 추천 목록(최대 50개)에 든 코인만 저장되므로 상관계수는 그 안에서 계산합니다.",
        en="Scores are kept for the list only (at most 50): correlations are within it.",
    ),
)
