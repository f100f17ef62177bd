"""The v1 contract: answers, refusals, conditional requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from central_project.api import answers, forms
from central_project.market.models import (
    AnalysisRun,
    Coin,
    Recommendation,
    RunState,
)
from common import wire
from tests.central.market_world import MARKETS, publish_run

pytestmark = pytest.mark.django_db
RECOMMENDATIONS = "/api/v1/recommendations"
LEVELS = "/api/v1/support-levels/KRW-BTC"
STATUS = "/api/v1/market-status"
BUNDLE = "/api/v1/bundle"


@pytest.fixture
def run(db: None) -> AnalysisRun:
    """A run published just now."""
    return publish_run(now=timezone.now())


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """Check the one shape of every refusal and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    return body


def test_recommendations_follow_the_contract(
    reader: APIClient, run: AnalysisRun
) -> None:
    response = reader.get(RECOMMENDATIONS)

    answer = wire.RecommendationsAnswer.model_validate_json(response.content)
    assert response["Content-Type"] == "application/json"
    assert [one.symbol for one in answer.recommendations] == list(MARKETS)
    assert (answer.run_id, answer.stale) == (run.run_id, False)
    assert (answer.universe_size, answer.excluded_count) == (12, 2)
    assert answer.score_version == run.settings.version
    first = response.json()["recommendations"][0]
    assert (first["price"], first["score"]) == ("1000", "89")
    assert first["reasons"][0]["ko"] == "RSI 27: 과매도"


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_limit_takes_the_best(reader: APIClient, run: AnalysisRun, limit: int) -> None:
    rows = reader.get(RECOMMENDATIONS, {"limit": limit}).json()["recommendations"]

    assert [row["rank"] for row in rows] == list(range(1, limit + 1))


@pytest.mark.parametrize(
    "limit", ["0", "51", "-1", "x", "", "1.5", "1e1", "٣", "9" * 400]
)
def test_a_limit_out_of_range_names_the_range(
    reader: APIClient, run: AnalysisRun, limit: str
) -> None:
    response = reader.get(RECOMMENDATIONS, {"limit": limit})

    body = problem_of(response, 400, "LIMIT_OUT_OF_RANGE")
    assert "1 to 50" in body["detail"]
    assert body["errors"][0]["field"] == "limit"


def test_support_levels_follow_the_contract(
    reader: APIClient, run: AnalysisRun
) -> None:
    response = reader.get(LEVELS)

    answer = wire.SupportLevelsAnswer.model_validate_json(response.content)
    assert answer.symbol == "KRW-BTC"
    assert answer.levels[wire.Level.MODERATE].price == Decimal(900)
    assert list(response.json()["levels"]) == ["aggressive", "moderate", "conservative"]


@pytest.mark.parametrize("symbol", ["BTC-KRW", "krw-btc", "KRW-", "KRW-BTC'", "KRW-ㄱ"])
def test_a_malformed_symbol_shows_the_right_form(
    reader: APIClient, run: AnalysisRun, symbol: str
) -> None:
    response = reader.get(f"/api/v1/support-levels/{symbol}")

    assert "KRW-BTC" in problem_of(response, 400, "SYMBOL_MALFORMED")["detail"]


def test_an_unknown_symbol_is_not_found(reader: APIClient, run: AnalysisRun) -> None:
    problem_of(reader.get("/api/v1/support-levels/KRW-NOPE"), 404, "UNKNOWN_SYMBOL")


def test_a_listed_coin_without_analysis_says_so(
    reader: APIClient, run: AnalysisRun
) -> None:
    Coin.objects.create(market="KRW-NEW", korean_name="새", english_name="New")

    problem_of(reader.get("/api/v1/support-levels/KRW-NEW"), 404, "NOT_ANALYSED")


def test_market_status_follows_the_contract(
    reader: APIClient, run: AnalysisRun
) -> None:
    answer = wire.MarketStatusAnswer.model_validate_json(reader.get(STATUS).content)

    assert (answer.phase, answer.pipeline, answer.exchange) == ("normal", "ok", "ok")


def test_the_index_leads_to_every_endpoint(reader: APIClient, run: AnalysisRun) -> None:
    links = reader.get("/api/v1/").json()

    assert set(links.values()) == {
        RECOMMENDATIONS, LEVELS, STATUS, BUNDLE, "/api/v1/candles/KRW-BTC",
        "/api/v1/report-card", "/api/docs",
    }  # fmt: skip


def test_an_unknown_address_is_a_problem_too(reader: APIClient) -> None:
    problem_of(reader.get("/api/v1/nothing"), 404, "NOT_FOUND")
    problem_of(reader.post("/api/v1/nothing"), 404, "NOT_FOUND")


def test_a_wrong_method_is_a_problem_too(reader: APIClient, run: AnalysisRun) -> None:
    response = reader.get(BUNDLE)

    problem_of(response, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in response["Allow"]


# --- bundle --------------------------------------------------------------------


def test_a_bundle_answers_every_part_from_one_run(
    reader: APIClient, run: AnalysisRun
) -> None:
    response = reader.post(
        BUNDLE,
        {
            "recommendations": {"limit": 2},
            "support_levels": ["KRW-ETH", "KRW-NOPE", "KRW-ETH"],
            "market_status": True,
        },
    )

    answer = wire.parse_bundle(response.content)
    assert answer.run_id == run.run_id
    assert answer.recommendations is not None
    assert len(answer.recommendations) == 2
    assert answer.universe_size == 12
    assert list(answer.support_levels) == ["KRW-ETH"]
    assert answer.market_status is not None
    assert answer.errors["support_levels.KRW-NOPE"].code == "UNKNOWN_SYMBOL"


def test_parts_that_were_not_asked_for_are_absent(
    reader: APIClient, run: AnalysisRun
) -> None:
    body = reader.post(BUNDLE, {}).json()

    assert "recommendations" not in body
    assert "market_status" not in body
    assert body["run_id"] == run.run_id


def test_the_parts_equal_the_single_answers(
    reader: APIClient, run: AnalysisRun
) -> None:
    bundle = reader.post(
        BUNDLE,
        {"recommendations": {"limit": 5}, "support_levels": ["KRW-BTC"],
         "market_status": True},
    ).json()  # fmt: skip

    single = reader.get(RECOMMENDATIONS, {"limit": 5}).json()
    assert bundle["recommendations"] == single["recommendations"]
    levels = reader.get(LEVELS).json()
    status = reader.get(STATUS).json()
    assert levels == {**levels, **bundle["support_levels"]["KRW-BTC"]}
    assert status == {**status, **bundle["market_status"]}


def test_a_known_run_is_answered_unchanged(reader: APIClient, run: AnalysisRun) -> None:
    response = reader.post(BUNDLE, {"recommendations": {}, "known_run_id": run.run_id})

    answer = wire.parse_bundle(response.content)
    assert answer.unchanged is True
    assert answer.recommendations is None
    assert answer.valid_until == run.valid_until


def test_another_run_id_gets_the_whole_answer(
    reader: APIClient, run: AnalysisRun
) -> None:
    body = reader.post(BUNDLE, {"recommendations": {}, "known_run_id": "old"}).json()

    assert body["unchanged"] is False
    assert len(body["recommendations"]) == len(MARKETS)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recomendations": {}}, "recomendations"),
        ({"recommendations": {"limit": 0}}, "recommendations.limit"),
        ({"recommendations": {"limit": 51}}, "recommendations.limit"),
        ({"recommendations": {"limit": "5"}}, "recommendations.limit"),
        ({"recommendations": {"limit": True}}, "recommendations.limit"),
        ({"recommendations": {"count": 5}}, "recommendations.count"),
        ({"recommendations": True}, "recommendations"),
        ({"support_levels": ["BTC"]}, "support_levels.0"),
        ({"support_levels": "KRW-BTC"}, "support_levels"),
        ({"support_levels": [1]}, "support_levels.0"),
        ({"support_levels": None}, "support_levels"),
        ({"support_levels": [f"KRW-A{i}" for i in range(61)]}, "support_levels"),
        ({"market_status": "yes"}, "market_status"),
        ({"known_run_id": ""}, "known_run_id"),
        ({"known_run_id": 7}, "known_run_id"),
    ],
)
def test_a_wrong_bundle_names_the_field(
    reader: APIClient, run: AnalysisRun, body: dict[str, Any], field: str
) -> None:
    problem = problem_of(reader.post(BUNDLE, body), 400, "BUNDLE_INVALID")

    assert field in [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null"])
def test_a_bundle_must_be_an_object(
    reader: APIClient, run: AnalysisRun, body: str
) -> None:
    response = reader.generic("POST", BUNDLE, body, content_type="application/json")

    problem_of(response, 400, "BUNDLE_INVALID")


@pytest.mark.parametrize("body", ["{", '{"a":}', "\xff", '{"limit": NaN}'])
def test_malformed_json_is_refused(
    reader: APIClient, run: AnalysisRun, body: str
) -> None:
    response = reader.generic("POST", BUNDLE, body, content_type="application/json")

    problem_of(response, 400, "JSON_MALFORMED")


def test_another_body_type_is_refused(reader: APIClient, run: AnalysisRun) -> None:
    response = reader.generic("POST", BUNDLE, "a=1", content_type="text/plain")

    problem_of(response, 415, "JSON_EXPECTED")


def test_a_huge_body_is_refused_unread(reader: APIClient, run: AnalysisRun) -> None:
    body = json.dumps({"known_run_id": "x" * 70_000})
    response = reader.generic("POST", BUNDLE, body, content_type="application/json")

    problem_of(response, 413, "BODY_TOO_LARGE")


# --- age -----------------------------------------------------------------------


def test_results_past_their_validity_are_stale(reader: APIClient) -> None:
    publish_run(now=timezone.now() - timedelta(minutes=16))

    body = reader.get(STATUS).json()

    assert body["stale"] is True
    assert (body["phase"], body["pipeline"]) == ("unknown", "late")


def test_results_are_stale_while_the_newest_run_has_failed(
    reader: APIClient, run: AnalysisRun
) -> None:
    AnalysisRun.objects.create(
        window_start=run.window_start + timedelta(minutes=5),
        state=RunState.FAILED,
        started_at=timezone.now(),
        error_code="EXCHANGE_UNAVAILABLE",
    )

    body = reader.get(STATUS).json()

    assert (body["stale"], body["run_id"]) == (True, run.run_id)
    assert (body["pipeline"], body["exchange"]) == ("failed", "down")


def test_an_older_failure_does_not_make_results_stale(
    reader: APIClient, run: AnalysisRun
) -> None:
    AnalysisRun.objects.create(
        window_start=run.window_start - timedelta(minutes=5),
        state=RunState.FAILED,
        started_at=timezone.now(),
    )

    assert reader.get(STATUS).json()["stale"] is False


def test_an_older_failure_says_nothing_while_the_run_is_repeated(
    reader: APIClient, run: AnalysisRun
) -> None:
    AnalysisRun.objects.create(
        window_start=run.window_start - timedelta(minutes=5),
        state=RunState.FAILED,
        started_at=timezone.now(),
    )
    AnalysisRun.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, attempt=2, published_attempt=1
    )

    assert reader.get(STATUS).json()["stale"] is False


@pytest.mark.parametrize("kind", ["list", "bundle"])
def test_a_run_replaced_while_it_is_read_is_read_again(
    kind: str, reader: APIClient, run: AnalysisRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, read = run.run_id, answers._recommendations
    standing = answers.current_run(now=timezone.now()).standing

    def repeated_first(current: answers.Current, limit: int) -> dict[str, Any]:
        if current.run.run_id == old:  # what publishing a repetition does to the rows
            AnalysisRun.objects.filter(pk=run.pk).update(attempt=2, published_attempt=2)
            Recommendation.objects.filter(run=run).update(english_name="Second")
        return read(current, limit)

    monkeypatch.setattr(answers, "_recommendations", repeated_first)
    asked = {"recommendations": {"limit": 5}}
    if kind == "list":
        body = reader.get(RECOMMENDATIONS, {"limit": 5}).json()
    else:
        body = reader.post(BUNDLE, asked).json()

    assert body["run_id"] == f"{old[:-1]}2"
    assert {one["english_name"] for one in body["recommendations"]} == {"Second"}
    assert forms.fetch(standing, forms.recommendations_name(5)) is None


def test_staleness_is_decided_when_serving_not_when_stored(
    run: AnalysisRun,
) -> None:
    before = answers.current_run(now=run.valid_until)
    after = answers.current_run(now=run.valid_until + timedelta(seconds=1))

    fresh = json.loads(answers.market_status(before).plain)
    old = json.loads(answers.market_status(after).plain)

    assert (fresh["stale"], old["stale"]) == (False, True)


def test_before_the_first_run_readers_are_told_when_to_come_back(
    reader: APIClient,
) -> None:
    response = reader.get(RECOMMENDATIONS)

    problem_of(response, 503, "NOT_PUBLISHED")
    assert int(response["Retry-After"]) > 0


def test_a_database_that_is_away_is_a_503(
    reader: APIClient, run: AnalysisRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(answers, "current_run", refuse)

    response = reader.get(RECOMMENDATIONS)

    problem_of(response, 503, "DATABASE_UNAVAILABLE")
    assert int(response["Retry-After"]) > 0


# --- conditional requests --------------------------------------------------------


@pytest.mark.parametrize("address", [RECOMMENDATIONS, LEVELS, STATUS])
def test_an_unchanged_answer_is_304_without_a_body(
    reader: APIClient, run: AnalysisRun, address: str
) -> None:
    first = reader.get(address)

    again = reader.get(address, headers={"If-None-Match": first["ETag"]})

    assert not first["ETag"].startswith("W/")
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"].startswith("private, max-age=")


def test_each_answer_has_its_own_etag(reader: APIClient, run: AnalysisRun) -> None:
    addresses = [RECOMMENDATIONS, f"{RECOMMENDATIONS}?limit=3", LEVELS, STATUS]

    etags = {reader.get(address)["ETag"] for address in addresses}

    assert len(etags) == len(addresses)


def test_a_new_run_and_a_stale_one_change_the_etag(reader: APIClient) -> None:
    now = timezone.now()
    etags = []
    for age in (30, 20, 1):
        publish_run(now=now - timedelta(minutes=age))
        etags.append(reader.get(STATUS)["ETag"])
    publish_run(now=now, valid_for=timedelta(seconds=-1))
    etags.append(reader.get(STATUS)["ETag"])

    assert len(set(etags)) == 4


def test_the_database_builds_the_same_bytes_as_the_kept_answer(
    reader: APIClient, run: AnalysisRun, django_assert_max_num_queries: Any
) -> None:
    from django.core.cache import cache

    reader.get(RECOMMENDATIONS)
    kept = reader.get(RECOMMENDATIONS)
    cache.clear()
    built = reader.get(RECOMMENDATIONS)

    assert kept.content == built.content
    with django_assert_max_num_queries(3):  # the key, the current run, the newest run
        reader.get(RECOMMENDATIONS)


# --- people ----------------------------------------------------------------------


def test_the_browser_gets_a_page(issued: tuple[Any, str], run: AnalysisRun) -> None:
    response = Client().get(
        STATUS,
        headers={"Authorization": f"Bearer {issued[1]}", "Accept": "text/html"},
    )

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert "ETag" not in response
    assert "&quot;phase&quot;" in response.content.decode()


def test_staff_may_look_with_their_session(run: AnalysisRun) -> None:
    client = Client()
    client.force_login(User.objects.create_user("hq", is_staff=True))

    assert client.get(STATUS).status_code == 200


def test_a_session_without_staff_rights_opens_nothing(run: AnalysisRun) -> None:
    client = Client()
    client.force_login(User.objects.create_user("guest"))

    problem_of(client.get(STATUS), 403, "FORBIDDEN")


@pytest.mark.parametrize(("value", "pages"), [("0", 1), ("1", 2)])
def test_a_setting_turns_the_pages_for_people_off(value: str, pages: int) -> None:
    program = (
        "from django.conf import settings;"
        "print(len(settings.REST_FRAMEWORK['DEFAULT_RENDERER_CLASSES']))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "API_BROWSABLE": value},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert int(told) == pages


def test_a_web_process_does_not_load_the_analysis() -> None:
    program = (
        "import sys, central_project.wsgi, central_project.urls;"
        "print(sorted({'pandas', 'numba', 'pyupbit'} & sys.modules.keys()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert told == "[]\n"


def test_health_checks_answer_without_a_key(run: AnalysisRun) -> None:
    client = Client()

    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["database"], ready["redis"]) == ("ok", "ok")
    assert ready["run_id"] == run.run_id
    assert client.get("/version").json()["api"] == 1


def test_times_are_utc(reader: APIClient, run: AnalysisRun) -> None:
    body = reader.get(STATUS).json()

    for name in ("data_as_of", "generated_at", "valid_until", "next_run_at"):
        moment = datetime.fromisoformat(body[name])
        assert body[name].endswith("Z")
        assert moment.tzinfo == UTC
