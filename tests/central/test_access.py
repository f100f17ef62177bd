"""Keys and limits."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from central_project import logs
from central_project.api import throttling
from central_project.api.fastlane import FastLane
from central_project.api.models import ApiKey, digest_of
from central_project.api.shared_state import usage_by_key
from tests.central.market_world import publish_run

pytestmark = pytest.mark.django_db
STATUS = "/api/v1/market-status"


@pytest.fixture(autouse=True)
def _published(db: None) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])


def ask(text: str | None, **extra: Any) -> Any:
    client = APIClient()
    if text is not None:
        client.credentials(HTTP_AUTHORIZATION=text)
    return client.get(STATUS, **extra)


def without_request_id(response: Any) -> dict[str, Any]:
    return {k: v for k, v in response.json().items() if k != "request_id"}


def test_a_key_is_stored_only_as_its_digest(issued: tuple[ApiKey, str]) -> None:
    key, text = issued

    assert text.startswith(f"dk_live_{key.prefix}.")
    assert len(text) == len("dk_live_") + 8 + 1 + 43
    assert key.digest == digest_of(text)
    assert text.split(".")[1] not in str(ApiKey.objects.values().get())


def test_a_good_key_opens(issued: tuple[ApiKey, str]) -> None:
    assert ask(f"Bearer {issued[1]}").status_code == 200


def test_a_request_without_a_key_is_told_how_to_send_one() -> None:
    response = ask(None)

    assert (response.status_code, response.json()["code"]) == (401, "API_KEY_MISSING")
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in response.json()["detail"]


def test_wrong_keys_get_one_answer_whether_their_prefix_exists_or_not(
    issued: tuple[ApiKey, str],
) -> None:
    key, text = issued
    wrong = [
        f"dk_live_{key.prefix}.{'A' * 43}",
        f"dk_live_ABCDEFGH.{'A' * 43}",
        "dk_live_short",
        text[:-1],
        f"{text}x",
        "",
        "\udcff",
    ]

    answers = [ask(f"Bearer {one}") for one in wrong[:-1]]

    assert {response.status_code for response in answers} == {401}
    bodies = [without_request_id(response) for response in answers]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "API_KEY_INVALID"


@pytest.mark.parametrize(
    ("field", "code"),
    [("expires_at", "API_KEY_EXPIRED"), ("revoked_at", "API_KEY_REVOKED")],
)
def test_a_key_that_ended_says_so_and_names_the_remedy(
    issued: tuple[ApiKey, str], field: str, code: str
) -> None:
    ApiKey.objects.update(**{field: timezone.now() - timedelta(seconds=1)})

    response = ask(f"Bearer {issued[1]}")

    assert (response.status_code, response.json()["code"]) == (401, code)
    assert "Ask the operator" in response.json()["detail"]


def test_the_last_use_is_noted_at_most_once_a_minute(
    issued: tuple[ApiKey, str], django_assert_num_queries: Any
) -> None:
    text = f"Bearer {issued[1]}"
    ask(text)
    first = ApiKey.objects.get().last_used_at
    ask(text)

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    ask(text)
    assert ApiKey.objects.get().last_used_at > first - timedelta(seconds=61)


def test_the_101st_request_in_a_minute_is_refused(
    issued: tuple[ApiKey, str], reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One window for the whole test, however slow the machine is.
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: 1_800_000_000)
    addresses = [STATUS, "/api/v1/support-levels/KRW-BTC", "/api/v1/recommendations"]

    statuses = [reader.get(addresses[i % 3]).status_code for i in range(100)]
    refused = reader.get(STATUS)

    assert set(statuses) == {200}
    assert refused.status_code == 429
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert refused["X-RateLimit-Remaining"] == "0"


def test_every_answer_says_what_is_left(reader: APIClient) -> None:
    responses = [reader.get(STATUS), reader.get("/api/v1/recommendations?limit=0")]

    assert [r.status_code for r in responses] == [200, 400]
    assert [r["X-RateLimit-Remaining"] for r in responses] == ["99", "98"]
    assert responses[0]["RateLimit-Policy"] == '"default";q=100;w=60'
    assert responses[0]["RateLimit"].startswith('"default";r=99;t=')


@pytest.mark.parametrize(
    "query", ["api_key={}", "key=x", "Token=x", "limit={}", "x%5F=%64k_live_A", "{}"]
)
def test_a_key_in_the_address_is_refused_and_never_logged(
    issued: tuple[ApiKey, str],
    reader: APIClient,
    query: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = issued[1].partition(".")[2]
    with caplog.at_level(logging.DEBUG):
        responses = [
            client.get(f"{STATUS}?{query.format(issued[1])}")
            for client in (APIClient(), reader)
        ]

    assert {response.status_code for response in responses} == {401}
    body = responses[0].json()
    assert body["code"] == "API_KEY_IN_ADDRESS"
    assert "revoke" in body["detail"]
    assert secret not in str(body)
    lines = [
        record.getMessage() + logs.formatter("json").format(record)
        for record in caplog.records
    ]
    assert len(lines) >= 2
    assert not [line for line in lines if secret in line]


def test_keys_are_counted_apart_and_may_have_their_own_rate(reader: APIClient) -> None:
    _, text = ApiKey.objects.issue(name="느린 곳", rate="1/3600s")
    slow = APIClient()
    slow.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")

    statuses = [slow.get(STATUS).status_code for _ in range(2)]

    assert statuses == [200, 429]
    assert reader.get(STATUS).status_code == 200


@pytest.mark.parametrize("rate", ["100", "100/m", "0/60s", "100/0s", "-1/60s", "a/b"])
def test_a_rate_has_one_form(rate: str) -> None:
    with pytest.raises(ValidationError, match="100/60s"):
        ApiKey.objects.issue(name="x", rate=rate)


def test_guessing_is_limited_and_a_good_key_is_not_its_victim(
    issued: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: 1_800_000_000)
    wrong = f"Bearer dk_live_ABCDEFGH.{'A' * 43}"

    statuses = [ask(wrong).status_code for _ in range(31)]

    assert statuses == [401] * 30 + [429]
    assert ask(f"Bearer {issued[1]}").status_code == 200
    assert ask(wrong, REMOTE_ADDR="10.0.0.9").status_code == 401


def test_a_forged_forwarding_header_does_not_reset_the_guesses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: 1_800_000_000)
    wrong = f"Bearer dk_live_ABCDEFGH.{'A' * 43}"

    statuses = [
        ask(wrong, HTTP_X_FORWARDED_FOR=f"10.1.1.{i}").status_code for i in range(31)
    ]

    assert statuses[-1] == 429


def test_behind_a_proxy_the_address_it_saw_counts(rf: Any, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    request = rf.get("/", HTTP_X_FORWARDED_FOR="6.6.6.6, 10.2.2.2")

    assert throttling.client_ip(request) == "10.2.2.2"


@pytest.fixture
def redis_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both caches point at a port where nobody listens."""
    away = {
        alias: {**options, "LOCATION": "redis://127.0.0.1:9/0"}
        for alias, options in settings.CACHES.items()
    }
    settings.CACHES = away
    for alias in away:
        if hasattr(caches._connections, alias):  # type: ignore[attr-defined]
            delattr(caches._connections, alias)  # type: ignore[attr-defined]
    throttling._local_limit.cache_clear()
    monkeypatch.setattr(throttling._Alarm, "sounded_at", float("-inf"))


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_database_answers(reader: APIClient) -> None:
    response = reader.get(STATUS)

    assert response.status_code == 200
    assert response["X-RateLimit-Limit"] == "100"


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_limit_still_bounds_and_alarms_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, text = ApiKey.objects.issue(name="x", rate="2/3600s")

    with caplog.at_level(logging.ERROR, logger="central_project.api.throttling"):
        statuses = [ask(f"Bearer {text}").status_code for _ in range(4)]

    assert statuses == [200, 200, 429, 429]
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_lane_steps_aside_and_the_limit_still_bounds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, text = ApiKey.objects.issue(name="x", rate="2/3600s")
    asked: list[object] = []

    def django(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ.get("central.usage"))
        status = ask(environ["HTTP_AUTHORIZATION"]).status_code
        start_response(str(status), [])
        return []

    lane, statuses = FastLane(django), []
    for _ in range(3):
        environ = (
            RequestFactory(HTTP_AUTHORIZATION=f"Bearer {text}").get(STATUS).environ
        )
        del environ["HTTP_COOKIE"]
        lane(environ, lambda status, _: statuses.append(status))

    assert statuses == ["200", "200", "429"]
    assert asked == [None, None, None]
    alarms = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.name for r in alarms] == ["central_project.api.throttling"]


@pytest.mark.usefixtures("redis_away")
def test_a_key_can_be_revoked_without_redis(
    issued: tuple[ApiKey, str],
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        ApiKey.objects.update(revoked_at=timezone.now())

    assert ask(f"Bearer {issued[1]}").status_code == 401
    assert "api.keys.not_announced" in caplog.text
    assert usage_by_key(now=timezone.now()) is None
