"""Report cards: made by command, by the daily task, and answered by the API."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework.test import APIClient

from central_project.api.examples import REPORT_CARD
from central_project.api.report_answer import ReportCardAnswer
from central_project.market import tasks
from central_project.market.models import ExcludedCoin, ReportCard, Unit
from central_project.market.services.candles import store_candles
from central_project.market.services.report_card import (
    NoReport,
    Period,
    both_sections,
    served,
)
from central_project.market.sources import CandleRow
from tests.central.market_world import HOUR, MARKETS, publish_run
from tests.unit.evaluation_market import START, walks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_history")]
ADDRESS = "/api/v1/report-card"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def candle_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of twelve coins, with the columns the command asks for."""
    path = tmp_path_factory.mktemp("candles") / "walks.csv"
    rows = []
    for market, frame in walks(seed=2, days=30).items():
        one = frame.rename(columns={"started_at": "candle_date_time_utc"})
        rows.append(one.assign(market=market, interval="1h"))
    pd.concat(rows).to_csv(path, index=False)
    return path


def evaluate(*arguments: Any) -> str:
    out = StringIO()
    call_command("evaluate", *map(str, arguments), stdout=out, stderr=StringIO())
    return out.getvalue()


def store_rising(*, since: datetime, days: int) -> None:
    """Store hours in which every better ranked coin rises more."""
    for rank, market in enumerate(MARKETS, 1):
        rows = []
        for hour in range(24 * days):
            growth = 1e-3 * (10 - rank) * max(0, hour - 24 * 15)
            wave = 0.03 * math.sin(hour / 9) + 0.005 * math.sin(3.0 * hour)
            price = Decimal(round(1000 * rank * math.exp(growth + wave), 4))
            volume = Decimal(10**6)
            rows.append(
                CandleRow(
                    started_at=since + hour * HOUR,
                    open=price,
                    high=price,
                    low=price,
                    close=price,
                    volume=volume,
                    quote_volume=volume * price,
                )
            )
        store_candles(market=market, unit=Unit.HOUR, rows=rows)


# --- the command ------------------------------------------------------------------


def test_a_file_gives_one_section_and_a_page_without_requests(
    candle_file: Path, tmp_path: Path
) -> None:
    page = tmp_path / "card.html"

    cards = json.loads(
        evaluate("--candles", candle_file, "--from", "2026-01-10", "--to", "2026-01-25",
                 "--json", "--html", page)
    )  # fmt: skip

    assert list(cards) == ["walk_forward"]
    card = cards["walk_forward"]
    assert (card["since"], card["dates"]) == ("2026-01-10T00:00:00Z", 16)
    assert (card["markets"], card["ranking"]["coins"]) == (12, 12)
    assert [one["days"] for one in card["ranking"]["horizons"]] == [1, 3, 7, 14]
    assert not ReportCard.objects.exists()
    html = page.read_text("utf-8")
    assert html.count("<svg") >= 5
    assert not re.search(r"https?://|<script|<link|@import|url\(|\bsrc=", html)
    assert "우위의 증거" in html
    assert "no evidence of an edge" in html


def test_the_text_names_every_horizon_and_question(candle_file: Path) -> None:
    text = evaluate("--candles", candle_file, "--step-days", "3")

    assert "walk_forward: 2026-01-06 to" in text
    assert re.search(r" 1 d: IC [+-]0\.\d+ \(t .*random [+-]0", text)
    assert "bounce off the levels" in text


def _without_volume(text: str) -> str:
    return text.replace(",volume,", ",amount,", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_volume, "no column volume; needed: market, interval"),
        (lambda text: text.replace(",1h", ",5m"), "only: 5m"),
        (lambda text: text.replace("KRW-", "USDT-"), "named KRW-XXX; found USDT-C00"),
        (lambda text: text.replace("2026-01-03 ", "first of May "), "first of May"),
        (lambda text: text.split("\n")[0], "no hourly candles"),
    ],
)
def test_an_unusable_file_is_refused_with_what_to_change(
    candle_file: Path, tmp_path: Path, change: Any, message: str
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(change(candle_file.read_text("utf-8")), "utf-8")

    with pytest.raises(CommandError, match=re.escape(message)):
        evaluate("--candles", broken)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "2027-01-01"), "candles reach from 2026-01-01 to 2026-01-30"),
        (("--from", "2026-01-02", "--to", "2026-01-03"), "no coin passed the gates"),
        (("--from", "2026-01-20", "--to", "2026-01-10"), "--to lies before --from"),
        (("--step-days", "0"), "1 to 30"),
        (("--from", "tomorrow"), "YYYY-MM-DD"),
        (("--html", "/nowhere/card.html"), "no directory /nowhere"),
    ],
)
def test_a_period_without_answers_is_refused(
    candle_file: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        evaluate("--candles", candle_file, *arguments)


def test_a_missing_file_and_an_empty_store_are_said() -> None:
    with pytest.raises(CommandError, match="there is no file"):
        evaluate("--candles", "/nowhere/candles.parquet")
    with pytest.raises(CommandError, match="run backfill"):
        evaluate()


# --- stored runs --------------------------------------------------------------------


def test_served_judges_what_was_published_and_nothing_else() -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    store_rising(since=start, days=60)
    first = start + 16 * DAY
    for day in range(20):
        # A later run of the same day says the opposite; readers had the first one all day.
        publish_run(now=first + day * DAY + timedelta(minutes=5))
        late = publish_run(
            now=first + day * DAY + timedelta(hours=9), symbols=MARKETS[::-1]
        )
        ExcludedCoin.objects.create(run=late, market=MARKETS[0], reason="WARNING")

    card = served(period=Period(since=first, until=first + 20 * DAY))

    assert (card.section, card.dates, card.markets) == ("served", 20, 10)
    assert card.ranking is not None
    week = {one.days: one for one in card.ranking.horizons}[7]
    assert week.ic.value == 1
    # No probability was stated with these levels.
    assert all(one.touch is None for one in card.levels.values())


def test_a_coin_refused_by_the_gates_is_not_in_the_served_universe() -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    store_rising(since=start, days=30)
    run = publish_run(now=start + 16 * DAY, symbols=[*MARKETS, "KRW-AAA"])
    ExcludedCoin.objects.create(run=run, market=MARKETS[9], reason="CAUTION")

    card = served(period=Period(since=start, until=start + 20 * DAY))

    assert card.markets == 11
    # Nine of the coins with prices are left: no ranking is judged on so few.
    assert card.ranking is None


def test_nothing_published_is_no_report() -> None:
    with pytest.raises(NoReport, match="no published analysis is stored"):
        served(period=Period.last(now=timezone.now()))


# --- the task and the API -----------------------------------------------------------


def test_the_daily_task_stores_both_sections() -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    store_rising(since=now - 40 * DAY, days=40)
    publish_run(now=now - 10 * DAY)

    tasks.report_card()

    assert set(ReportCard.objects.values_list("section", flat=True)) == {
        "served", "walk_forward",
    }  # fmt: skip
    row = PeriodicTask.objects.get(task=tasks.report_card.name)
    assert row.queue == "housekeeping"
    assert row.enabled


def test_one_section_without_data_does_not_cost_the_other() -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    store_rising(since=now - 40 * DAY, days=40)

    cards, missing = both_sections(period=Period.last(now=now), days=10)

    assert [one.section for one in cards] == ["walk_forward"]
    assert "no published analysis" in missing["served"]


def test_before_the_first_card_the_api_says_so(reader: APIClient) -> None:
    answer = reader.get(ADDRESS)

    assert answer.status_code == 200
    body = answer.json()
    assert body["served"] is body["walk_forward"] is None
    assert set(body["reasons"]) == {"served", "walk_forward"}
    assert "once a day" in body["reasons"]["served"]["en"]


def test_the_newest_card_of_each_section_is_answered(reader: APIClient) -> None:
    body = REPORT_CARD["walk_forward"] | {"dates": 5}
    for dates in (5, 6):
        newest = ReportCard.objects.create(
            section="walk_forward",
            since=START,
            until=START + DAY,
            body=body | {"dates": dates},
        )

    answer = reader.get(ADDRESS)

    said = ReportCardAnswer.model_validate_json(answer.content)
    assert said.walk_forward is not None
    assert said.walk_forward.dates == 6
    assert abs(said.walk_forward.computed_at - newest.created_at) < timedelta(seconds=1)
    assert said.served is None
    assert list(said.reasons) == ["served"]


def test_an_unchanged_card_is_not_sent_again(reader: APIClient) -> None:
    first = reader.get(ADDRESS)
    again = reader.get(ADDRESS, headers={"If-None-Match": first["ETag"]})
    ReportCard.objects.create(
        section="served", since=START, until=START, body=REPORT_CARD["walk_forward"]
    )
    changed = reader.get(ADDRESS, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert changed.status_code == 200
    packed = reader.get(ADDRESS, headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"


def test_a_card_needs_a_key_and_knows_no_parameter(reader: APIClient) -> None:
    assert APIClient().get(ADDRESS).status_code == 401
    assert reader.get(ADDRESS, {"limit": "3"}).status_code == 400
