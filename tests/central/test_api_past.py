"""Answers about stored past runs, and the candles behind an analysis."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from central_project.analysis.candles import COLUMNS, CandleSeries, hourly_series
from central_project.market.models import AnalysisRun, Candle, Coin, RunState, Unit
from central_project.market.services.candles import (
    read_frames,
    silent_hours,
    store_candles,
)
from common import wire
from tests.central.market_world import FIVE, HOUR, five_minutes, hour_of, publish_run
from tests.central.test_api import problem_of

pytestmark = pytest.mark.django_db
RECOMMENDATIONS = "/api/v1/recommendations"
LEVELS = "/api/v1/support-levels/KRW-BTC"
STATUS = "/api/v1/market-status"
CANDLES = "/api/v1/candles/KRW-BTC"
DAY = timedelta(days=1)


@pytest.fixture
def runs_kept(db: None) -> list[AnalysisRun]:
    """Three runs, two days, one day and no time old, each with one more coin."""
    now = timezone.now().replace(microsecond=0)
    coins = ["KRW-BTC", "KRW-ETH", "KRW-XRP"]
    return [
        publish_run(now=now - (2 - age) * DAY, symbols=coins[: age + 1])
        for age in range(3)
    ]


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("address", [RECOMMENDATIONS, LEVELS, STATUS, CANDLES])
def test_every_get_answers_for_a_past_run(
    reader: APIClient, runs_kept: list[AnalysisRun], address: str
) -> None:
    old = runs_kept[0]

    by_name = reader.get(address, {"as_of": old.run_id})
    by_time = reader.get(address, {"as_of": stamp(old.published_at + HOUR)})

    assert by_name.status_code == 200, by_name.content
    assert by_name.json()["run_id"] == old.run_id
    assert by_name.json()["stale"] is True
    assert by_time.content == by_name.content
    assert by_time["ETag"] == by_name["ETag"]
    again = reader.get(
        address, {"as_of": old.run_id}, headers={"If-None-Match": by_name["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_the_rows_are_those_of_the_past(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    def ranked(as_of: str) -> list[str]:
        body = reader.get(RECOMMENDATIONS, {"as_of": as_of}).json()
        return [row["symbol"][4:] for row in body["recommendations"]]

    at = [run.published_at for run in runs_kept]

    assert ranked(stamp(at[0])) == ["BTC"]
    assert ranked(stamp(at[1] - timedelta(seconds=1))) == ["BTC"]
    assert ranked(stamp(at[1])) == ["BTC", "ETH"]
    assert ranked(runs_kept[2].run_id) == ["BTC", "ETH", "XRP"]


def test_the_past_is_told_as_it_was_judged_then(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    body = reader.get(STATUS, {"as_of": runs_kept[0].run_id}).json()

    assert (body["phase"], body["pipeline"], body["stale"]) == ("normal", "ok", True)


def test_a_run_whose_check_failed_stays_suspect_in_the_past(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    AnalysisRun.objects.filter(pk=runs_kept[0].pk).update(suspect=True)

    body = reader.get(STATUS, {"as_of": runs_kept[0].run_id}).json()

    assert (body["phase"], body["pipeline"]) == ("unknown", "suspect")


def test_the_current_run_asked_for_by_name_is_final_and_stale(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    now = reader.get(STATUS)
    named = reader.get(STATUS, {"as_of": runs_kept[2].run_id})

    assert (now.json()["stale"], named.json()["stale"]) == (False, True)
    assert named["Cache-Control"] == "private, max-age=86400, immutable"
    assert {**now.json(), "stale": True} == named.json()


def test_a_time_may_get_another_run_later_and_is_asked_again(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    response = reader.get(STATUS, {"as_of": stamp(runs_kept[0].published_at)})

    assert response["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T18:00:00+09:00", "2026-11-23T18:00:00 09:00", "2026-11-23T09:00Z",
     "2026-11-23T09:00:00.000001Z"],
)  # fmt: skip
def test_an_offset_or_utc_is_understood(reader: APIClient, text: str) -> None:
    moment = datetime(2026, 11, 23, 9, tzinfo=UTC)
    run = publish_run(now=moment)

    response = reader.get(STATUS, {"as_of": text})

    assert response.json()["run_id"] == run.run_id


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-23", "2026-11-23T09:00:00", "2026-13-01T00:00:00Z",
     "2026-11-23T09:00:00+99:00", "0001-01-01T00:00:00+23:59", "1764061200",
     "٢٠٢٦-11-23T09:00:00Z", "2026-11-23T09:00:00Z\0", "x" * 5000],
)  # fmt: skip
def test_a_malformed_time_shows_the_right_form(
    reader: APIClient, runs_kept: list[AnalysisRun], text: str
) -> None:
    response = reader.get(STATUS, {"as_of": text})

    body = problem_of(response, 400, "AS_OF_INVALID")
    assert "2026-11-23T09:00:00Z" in body["detail"]
    assert body["errors"][0]["field"] == "as_of"


@pytest.mark.parametrize(
    "text",
    ["2001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "20010101T000000Z-1",
     "20269999T000000Z-1"],
)  # fmt: skip
def test_what_is_not_kept_tells_what_is(
    reader: APIClient, runs_kept: list[AnalysisRun], text: str
) -> None:
    response = reader.get(STATUS, {"as_of": text})

    detail = problem_of(response, 404, "RUN_NOT_KEPT")["detail"]
    assert stamp(runs_kept[0].published_at) in detail


def test_a_run_that_its_repetition_replaced_is_not_answered_under_its_name(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    run = runs_kept[0]
    AnalysisRun.objects.filter(pk=run.pk).update(attempt=2, published_attempt=2)

    problem_of(reader.get(STATUS, {"as_of": run.run_id}), 404, "RUN_NOT_KEPT")
    body = reader.get(STATUS, {"as_of": f"{run.run_id[:-1]}2"}).json()
    assert body["run_id"] == f"{run.run_id[:-1]}2"


def test_a_run_being_repeated_is_still_read_and_a_failed_one_never(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    run = runs_kept[1]
    AnalysisRun.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, attempt=2, published_attempt=1
    )
    failed = AnalysisRun.objects.create(
        window_start=run.window_start + HOUR,
        state=RunState.FAILED,
        started_at=run.started_at + HOUR,
    )

    repeated = reader.get(STATUS, {"as_of": run.run_id})
    later = reader.get(STATUS, {"as_of": stamp(run.published_at + 2 * HOUR)})

    assert repeated.json()["run_id"] == run.run_id
    assert later.json()["run_id"] == run.run_id
    problem_of(reader.get(STATUS, {"as_of": failed.run_id}), 404, "RUN_NOT_KEPT")


def test_before_the_first_run_there_is_no_past(reader: APIClient) -> None:
    response = reader.get(STATUS, {"as_of": "2026-11-23T09:00:00Z"})

    problem_of(response, 503, "NOT_PUBLISHED")


def test_the_past_and_bundles_leave_redis_as_it_is(
    reader: APIClient, runs_kept: list[AnalysisRun]
) -> None:
    kept = set(cache.keys("answer:*"))

    for run in runs_kept:
        for limit in (1, 2, 3):
            reader.get(RECOMMENDATIONS, {"as_of": run.run_id, "limit": limit})
    for symbol in ("KRW-BTC", "KRW-ETH", "KRW-XRP"):
        reader.post("/api/v1/bundle", {"support_levels": [symbol]})
    reader.get(CANDLES)

    assert set(cache.keys("answer:*")) == kept
    reader.get(STATUS)
    assert set(cache.keys("answer:*")) > kept


# --- candles -----------------------------------------------------------------------

HISTORY_DAYS = 10
AS_OF = datetime(2026, 11, 23, 9, 12, 7, tzinfo=UTC)
THIS_HOUR = AS_OF.replace(minute=0, second=0)
SINCE = THIS_HOUR - HISTORY_DAYS * DAY
AWAY = THIS_HOUR - 50 * HOUR
QUIET = THIS_HOUR - 30 * HOUR
WRONG = THIS_HOUR - 20 * HOUR


@pytest.fixture
def stored(db: None, settings: Any) -> AnalysisRun:
    """Two coins, an hour without the exchange, and in KRW-BTC every kind of gap."""
    settings.HISTORY_DAYS = HISTORY_DAYS
    hours = [SINCE + i * HOUR for i in range(-3, HISTORY_DAYS * 24)]
    traded = [hour for hour in hours if hour != AWAY]
    missing = {SINCE, SINCE + HOUR, QUIET, QUIET + HOUR}
    for market, own in (("KRW-ETH", traded), ("KRW-BTC", set(traded) - missing)):
        rows = [hour_of(market, hour) for hour in own]
        if market == "KRW-BTC":
            rows = [
                replace(r, low=r.high + 1) if r.started_at == WRONG else r for r in rows
            ]
        store_candles(market=market, unit=Unit.HOUR, rows=rows)
        minutes = [five_minutes(market, THIS_HOUR + i * FIVE) for i in range(3)]
        store_candles(market=market, unit=Unit.FIVE, rows=minutes)
    return publish_run(now=AS_OF, symbols=["KRW-BTC", "KRW-ETH"])


def series_of(market: str) -> CandleSeries:
    """Build what the analysis builds, by its own functions."""
    hours = read_frames(unit=Unit.HOUR, since=SINCE - DAY, until=THIS_HOUR)
    minutes = read_frames(unit=Unit.FIVE, since=THIS_HOUR, until=AS_OF)
    return hourly_series(
        market=market,
        hours=hours[market],
        five_minutes=minutes[market],
        now=AS_OF,
        days=HISTORY_DAYS,
        maintenance=silent_hours(frames=hours.values(), since=SINCE, until=THIS_HOUR),
    )


@pytest.mark.parametrize("market", ["KRW-BTC", "KRW-ETH"])
def test_the_candles_are_those_the_analysis_used(
    reader: APIClient, stored: AnalysisRun, market: str
) -> None:
    response = reader.get(f"/api/v1/candles/{market}")

    answer = wire.CandlesAnswer.model_validate_json(response.content)
    used = series_of(market).frame
    assert (answer.symbol, answer.unit) == (market, 60)
    assert [one.started_at for one in answer.candles] == list(used.index)
    for name in COLUMNS:
        served = [float(getattr(one, name)) for one in answer.candles]
        assert served == pytest.approx(used[name].tolist(), rel=1e-12)


def test_each_candle_says_what_it_is(reader: APIClient, stored: AnalysisRun) -> None:
    body = reader.get(CANDLES).json()

    kinds = {one["started_at"]: one["kind"] for one in body["candles"]}
    silent = [SINCE, SINCE + HOUR, QUIET, QUIET + HOUR, WRONG]
    assert [at for at in kinds if kinds[at] == "silent"] == [stamp(at) for at in silent]
    assert [at for at in kinds if kinds[at] == "provisional"] == [stamp(THIS_HOUR)]
    assert stamp(AWAY) not in kinds
    newest = body["candles"][-1]
    parts = [five_minutes("KRW-BTC", THIS_HOUR + i * FIVE) for i in range(2)]
    assert newest["volume"] == "2001"
    assert newest["close"] == str(parts[-1].close)


@pytest.mark.parametrize("limit", [1, 30, 241])
def test_limit_takes_the_newest_hours(
    reader: APIClient, stored: AnalysisRun, limit: int
) -> None:
    everything = reader.get(CANDLES).json()["candles"]

    some = reader.get(CANDLES, {"limit": limit}).json()["candles"]

    assert some == everything[-limit:]


@pytest.mark.parametrize("limit", ["0", "-5", "2162", "9" * 400])
def test_a_limit_of_candles_out_of_range_names_the_range(
    reader: APIClient, stored: AnalysisRun, limit: str
) -> None:
    response = reader.get(CANDLES, {"limit": limit})

    assert "1 to 2161" in problem_of(response, 400, "LIMIT_OUT_OF_RANGE")["detail"]


def test_candles_of_a_past_run_end_where_it_ended(
    reader: APIClient, stored: AnalysisRun
) -> None:
    publish_run(now=AS_OF + 2 * HOUR, symbols=["KRW-BTC"])

    body = reader.get(CANDLES, {"as_of": stored.run_id}).json()

    assert body["candles"][-1]["started_at"] == stamp(THIS_HOUR)


def test_long_after_the_unfinished_hour_of_a_past_run_is_gone(
    reader: APIClient, stored: AnalysisRun
) -> None:
    Candle.objects.filter(unit=Unit.FIVE).delete()

    body = reader.get(CANDLES, {"as_of": stored.run_id}).json()

    assert body["candles"][-1]["started_at"] == stamp(THIS_HOUR - HOUR)


def test_candles_of_what_was_not_analysed_are_not_found(
    reader: APIClient, stored: AnalysisRun
) -> None:
    Coin.objects.create(market="KRW-NEW", korean_name="새", english_name="New")

    problem_of(reader.get("/api/v1/candles/KRW-NEW"), 404, "NOT_ANALYSED")
    problem_of(reader.get("/api/v1/candles/KRW-NOPE"), 404, "UNKNOWN_SYMBOL")
    hint = problem_of(reader.get("/api/v1/candles/krw-btc"), 400, "SYMBOL_MALFORMED")
    assert "KRW-BTC" in hint["detail"]


def test_candles_are_compressed_on_the_way(
    reader: APIClient, stored: AnalysisRun
) -> None:
    plain = reader.get(CANDLES)
    packed = reader.get(CANDLES, headers={"Accept-Encoding": "gzip"})

    assert gzip.decompress(packed.content) == plain.content
    assert packed["ETag"] != plain["ETag"]
    assert len(packed.content) < len(plain.content) / 5
