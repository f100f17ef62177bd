"""A whole run against an exchange in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F

from central_project.analysis.candles import CandleSeries
from central_project.analysis.indicators import Figures, figures_of
from central_project.api.answers import current_run
from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    ExcludedCoin,
    Publication,
    Recommendation,
    RunState,
    SupportLevel,
    Unit,
)
from central_project.market.services import facts, runs
from central_project.market.services import publish as publishing
from central_project.market.services.pipeline import run_pipeline
from central_project.market.services.prune import prune
from tests.central.market_world import MARKETS, NOW, MemorySource

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_history")]


def run_at(source: MemorySource, now: datetime) -> AnalysisRun:
    source.now = now
    lease = runs.claim_now(now=now)
    return run_pipeline(lease=lease, source=source, clock=lambda: now)


def current() -> AnalysisRun | None:
    return Publication.objects.get().current


def test_a_run_publishes_levels_scores_and_status_together(
    source: MemorySource,
) -> None:
    run = run_at(source, NOW)

    assert run.state == RunState.PUBLISHED, run.error
    assert current() == run
    assert [name for name, _ in run.ordered_steps()] == [
        "collect", "analyse", "publish", "prune",
    ]  # fmt: skip
    supports = SupportLevel.objects.filter(run=run)
    assert supports.count() == len(MARKETS)
    # The run's table over all coins reached every coin's levels.
    levels = [level for row in supports for level in row.levels.values()]
    assert all(lv["touch_probability"] for lv in levels if lv["price"])
    ranked = Recommendation.objects.filter(run=run)
    assert ranked.count() + run.excluded_count == run.universe_size == len(MARKETS)
    assert list(ranked.order_by("rank").values_list("rank", flat=True)) == list(
        range(1, ranked.count() + 1)
    )
    assert ranked.count() >= 5
    assert run.market_status["coins_analysed"] == len(MARKETS)
    assert (run.data_as_of, run.valid_until) == (NOW, NOW + timedelta(minutes=15))


def test_levels_know_the_past_of_all_coins(source: MemorySource) -> None:
    run_at(source, NOW)

    run = run_at(source, NOW + timedelta(minutes=5))

    rows = SupportLevel.objects.filter(run=run)
    assert any(lv["touch_samples"] for row in rows for lv in row.levels.values())


@pytest.mark.parametrize("away", [0, 1])
def test_what_arrives_during_a_run_counts_like_what_was_stored_before(
    source: MemorySource, away: int
) -> None:
    hour = NOW.replace(minute=0, second=0)
    # The last hours of the absence are maintenance, found only when all have arrived.
    source.silent_hours = {hour + timedelta(hours=n) for n in range(1, 1 + away)}
    run_at(source, NOW)
    later = NOW + timedelta(hours=2)
    arriving = results(run_at(source, later))

    again = results(run_at(source, later))

    assert source.calls["candles"] > 0
    assert arriving == again


def results(run: AnalysisRun) -> list[object]:
    """Everything of a run that does not depend on what the coins' table knew."""
    levels = SupportLevel.objects.filter(run=run).order_by("market")
    ranks = Recommendation.objects.filter(run=run).order_by("rank")
    return [
        run.market_status,
        *levels.values_list("market", "aggressive", "moderate", "conservative"),
        *ranks.values_list("market", "score", "breakdown", "metrics"),
    ]


def test_every_ranked_coin_tells_the_days_change(source: MemorySource) -> None:
    run = run_at(source, NOW)

    metrics = Recommendation.objects.filter(run=run).values_list("metrics", flat=True)

    assert {one["signed_change_rate"] for one in metrics} == {"0.0125"}


def test_a_few_coins_are_computed_twice_and_agree(source: MemorySource) -> None:
    run_at(source, NOW)

    runs_of = [run_at(source, NOW + n * timedelta(minutes=5)) for n in (1, 2, 3)]

    assert all(len(run.audit["coins"]) == 3 for run in runs_of)
    assert not any(run.suspect or run.audit["mismatches"] for run in runs_of)
    assert len({tuple(run.audit["coins"]) for run in runs_of}) > 1


def test_a_wrong_figure_makes_the_run_suspect_and_raises_the_alarm(
    source: MemorySource,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_at(source, NOW)

    def slightly_wrong(*, series: CandleSeries) -> Figures:
        true = figures_of(series=series)
        assert true.rsi is not None
        return replace(true, rsi=true.rsi + 1e-6)

    monkeypatch.setattr(facts, "figures_of", slightly_wrong)
    run = run_at(source, NOW + timedelta(minutes=5))

    assert (run.state, run.suspect) == (RunState.PUBLISHED, True)
    assert {one["figure"] for one in run.audit["mismatches"]} == {"rsi"}
    assert caplog.text.count("market.audit.mismatch") == 3
    assert current() == run


def test_a_run_counts_what_it_asked(source: MemorySource) -> None:
    run = run_at(source, NOW)
    counts = run.steps["collect"]["counts"]
    source.is_down = True
    failed = run_at(source, NOW + timedelta(minutes=5))

    assert (counts["calls"], counts["refused"]) == (source.calls.total() - 1, 0)
    assert failed.steps["collect"]["counts"]["calls"] == 1


def test_more_than_three_in_ten_failures_keep_the_previous_run(
    source: MemorySource,
) -> None:
    good = run_at(source, NOW)
    source.broken = set(MARKETS[:4])

    bad = run_at(source, NOW + timedelta(minutes=5))

    assert (bad.state, bad.error_code) == (RunState.FAILED, "TOO_MANY_FAILED")
    assert "4 of 10" in bad.error
    assert current() == good
    assert not SupportLevel.objects.filter(run=bad).exists()


def test_three_in_ten_failures_are_published_without_the_failed(
    source: MemorySource,
) -> None:
    run_at(source, NOW)
    source.broken = set(MARKETS[:3])

    run = run_at(source, NOW + timedelta(minutes=5))

    assert run.state == RunState.PUBLISHED
    assert run.coins_failed == 3
    missing = ExcludedCoin.objects.filter(run=run, reason="CANDLES_UNREADABLE")
    assert set(missing.values_list("market", flat=True)) == set(MARKETS[:3])
    assert not SupportLevel.objects.filter(run=run, market__in=MARKETS[:3]).exists()


def test_an_exchange_that_is_down_fails_the_run_and_nothing_else(
    source: MemorySource,
) -> None:
    good = run_at(source, NOW)
    source.is_down = True

    bad = run_at(source, NOW + timedelta(minutes=5))

    assert bad.error_code == "EXCHANGE_UNAVAILABLE"
    assert current() == good


def test_results_without_a_coin_never_replace_good_ones(source: MemorySource) -> None:
    good = run_at(source, NOW)
    Candle.objects.all().delete()

    bad = run_at(source, NOW + timedelta(minutes=5))

    assert (bad.state, bad.error_code) == (RunState.FAILED, "TOO_MANY_FAILED")
    assert "not one of 10 markets" in bad.error
    assert "backfill --days 10" in bad.error
    assert current() == good


def test_a_run_that_takes_too_long_says_so(source: MemorySource) -> None:
    def interrupt() -> None:
        raise SoftTimeLimitExceeded

    source.before_candles = interrupt

    run = run_at(source, NOW)

    assert (run.state, run.error_code) == (RunState.FAILED, "TOO_SLOW")
    assert "backfill" in run.error


def test_an_unexpected_error_marks_the_run_and_rises(source: MemorySource) -> None:
    def explode() -> None:
        raise ZeroDivisionError("bug")

    source.before_candles = explode

    with pytest.raises(ZeroDivisionError):
        run_at(source, NOW)

    run = AnalysisRun.objects.get()
    assert (run.state, run.error_code) == (RunState.FAILED, "CRASHED")
    assert "ZeroDivisionError" in run.steps["collect"]["error"]


def test_who_waits_for_a_run_hears_of_it_once_and_may_fail(
    source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, bool]] = []

    def fail(run: AnalysisRun) -> None:
        raise ZeroDivisionError(run)

    def hear(run: AnalysisRun) -> None:
        heard.append((run.pk, current() == run))

    monkeypatch.setattr(publishing, "AFTER_PUBLISH", [fail, hear])
    newer = run_at(source, NOW)
    older = run_at(source, NOW - timedelta(minutes=5))

    assert (newer.state, older.state) == (RunState.PUBLISHED,) * 2
    assert heard == [(newer.pk, True)]


def test_a_worker_that_was_replaced_publishes_nothing(source: MemorySource) -> None:
    lease = runs.claim_now(now=NOW)
    run_pipeline(lease=lease, source=source, clock=lambda: NOW)
    lease = runs.claim_now(now=NOW + timedelta(minutes=5))
    clock_calls = []

    def clock() -> datetime:
        clock_calls.append(1)
        if len(clock_calls) == 2:  # just before publishing another worker takes over
            AnalysisRun.objects.filter(pk=lease.run_id).update(attempt=F("attempt") + 1)
        return NOW + timedelta(minutes=5)

    with pytest.raises(runs.RunLost):
        run_pipeline(lease=lease, source=source, clock=clock)

    run = AnalysisRun.objects.get(pk=lease.run_id)
    assert run.state == RunState.RUNNING
    assert not SupportLevel.objects.filter(run=run).exists()
    assert current() != run


def test_a_repeated_window_replaces_its_rows(source: MemorySource) -> None:
    run_at(source, NOW)

    again = run_at(source, NOW)

    assert again.attempt == 2
    assert current() == again
    assert again.run_id.endswith("-2")
    assert SupportLevel.objects.count() == len(MARKETS)


def test_a_repetition_that_fails_leaves_content_and_name_alone(
    source: MemorySource,
) -> None:
    before = run_at(source, NOW)
    source.is_down = True

    after = run_at(source, NOW)

    assert (after.state, after.attempt) == (RunState.FAILED, 2)
    assert after.run_id == before.run_id
    assert SupportLevel.objects.filter(run=after).count() == len(MARKETS)
    standing = current_run(now=NOW)
    assert (standing.stale, standing.exchange) == (True, "down")


def test_readers_never_go_back_to_an_older_window(source: MemorySource) -> None:
    newer = run_at(source, NOW)

    run_at(source, NOW - timedelta(minutes=5))

    assert current() == newer


def test_an_excluded_coin_keeps_its_levels_and_loses_its_rank(
    source: MemorySource,
) -> None:
    run_at(source, NOW)
    best = Recommendation.objects.get(rank=1).market
    Coin.objects.filter(market=best).update(excluded=True, excluded_reason="점검")

    run = run_at(source, NOW + timedelta(minutes=5))

    assert not Recommendation.objects.filter(run=run, market=best).exists()
    assert (
        ExcludedCoin.objects.get(run=run, market=best).reason == "EXCLUDED_BY_OPERATOR"
    )
    assert SupportLevel.objects.filter(run=run, market=best).exists()


def test_a_new_coin_is_analysed_as_too_young_and_not_invented(
    source: MemorySource,
) -> None:
    source.born["KRW-BTC"] = NOW - timedelta(hours=5)

    run = run_at(source, NOW)

    assert run.state == RunState.PUBLISHED
    assert ExcludedCoin.objects.get(market="KRW-BTC").reason == "NOT_ENOUGH_HISTORY"
    assert not SupportLevel.objects.filter(market="KRW-BTC").exists()


def test_too_many_markets_without_history_name_the_remedy(
    monkeypatch: pytest.MonkeyPatch, source: MemorySource
) -> None:
    monkeypatch.setattr("central_project.market.services.collect.BACKFILLS_PER_RUN", 2)

    run = run_at(source, NOW)

    assert run.error_code == "TOO_MANY_FAILED"
    assert "manage_central.py backfill --days 10" in run.error


def test_pruning_keeps_what_readers_get(source: MemorySource) -> None:
    run = run_at(source, NOW)
    hours = Candle.objects.filter(unit=Unit.HOUR).count()

    counts = prune(now=NOW + timedelta(days=30))

    assert AnalysisRun.objects.get() == run
    assert counts["minutes"] > 0
    assert not Candle.objects.filter(unit=Unit.FIVE).exists()
    assert Candle.objects.filter(unit=Unit.HOUR).count() == hours


def test_pruning_drops_old_runs_with_their_rows(source: MemorySource) -> None:
    first = run_at(source, NOW)
    run_at(source, NOW + timedelta(minutes=5))
    newer = run_at(source, NOW + timedelta(days=8))

    # The day's first one stays: the report card judges it.
    assert list(AnalysisRun.objects.all()) == [newer, first]
    runs_left = set(SupportLevel.objects.values_list("run", flat=True))
    assert runs_left == {newer.pk, first.pk}
