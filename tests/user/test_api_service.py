"""Tokens, accounts, health, schema: the API around the bots."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from tests.user.factories import (
    PASSWORD,
    make_account,
    make_bot,
    make_snapshot,
    make_user,
)
from user_project.accounts import services as account_services
from user_project.accounts.services import AccountProblem
from user_project.api import health, views
from user_project.bots.models import BotEvent

pytestmark = pytest.mark.django_db

KEYS = {"access_key": "a" * 40, "secret_key": "s" * 40}


def _token(client: Client, password: str) -> Any:
    body = {"username": "alice", "password": password}
    return client.post("/api/v1/token", body, content_type="application/json")


def test_a_token_opens_the_api() -> None:
    make_user("alice", password=PASSWORD)
    token = _token(Client(), PASSWORD).json()["token"]

    answer = Client().get("/api/v1/bots", headers={"Authorization": f"Token {token}"})

    assert answer.status_code == 200


def test_an_anonymous_call_is_told_how_to_log_in() -> None:
    answer = Client().get("/api/v1/bots")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.json()["code"] == "NOT_AUTHENTICATED"
    assert "/api/v1/token" in answer.json()["detail"]


def test_a_wrong_token_is_refused() -> None:
    answer = Client().get("/api/v1/bots", headers={"Authorization": "Token nonsense"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "AUTHENTICATION_FAILED"


def test_guessing_passwords_is_limited() -> None:
    make_user("alice")

    answers = [_token(Client(), "guess") for _ in range(11)]

    assert [answer.status_code for answer in answers] == [400] * 10 + [429]
    assert int(answers[-1]["Retry-After"]) > 0


def _add_account(client: Client, **body: Any) -> Any:
    return client.post(
        "/api/v1/accounts", {"name": "모의", **body}, content_type="application/json"
    )


def _logged_in() -> Client:
    client = Client()
    client.force_login(make_user("alice"))
    return client


def test_keys_go_in_and_never_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*, owner: Any, access_key: str, secret_key: str, **rest: Any) -> Any:
        assert (access_key, secret_key) == (KEYS["access_key"], KEYS["secret_key"])
        return make_account(owner, name=rest["name"], base_url=rest["base_url"])

    monkeypatch.setattr(account_services, "create_account", create)
    client = _logged_in()

    created = _add_account(client, base_url="http://127.0.0.1:9000/", **KEYS)
    listed = client.get("/api/v1/accounts")

    assert created.status_code == 201
    assert created.json()["base_url"] == "http://127.0.0.1:9000"
    for answer in (created, listed):
        assert KEYS["access_key"] not in answer.content.decode()
        assert KEYS["secret_key"] not in answer.content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (KEYS | {"base_url": "https://api.upbit.com"}, "base_url"),
        (KEYS | {"base_url": "https://API.UPBIT.COM:443"}, "base_url"),
        (KEYS | {"base_url": "nonsense"}, "base_url"),
        (KEYS | {"mode": "live", "base_url": "https://api.upbit.com"}, "mode"),
        (KEYS | {"mode": "dream"}, "mode"),
        ({"access_key": "a"}, "secret_key"),
    ],
    ids=str,
)
def test_a_wrong_account_is_refused_and_not_stored(
    body: dict[str, str], field: str
) -> None:
    client = _logged_in()

    answer = _add_account(client, **body)

    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert KEYS["secret_key"] not in answer.content.decode()
    assert client.get("/api/v1/accounts").json()["count"] == 0


def test_a_refused_key_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise AccountProblem("KEY_REFUSED", "키를 다시 만드세요.", field="access_key")

    monkeypatch.setattr(account_services, "create_account", refuse)

    answer = _add_account(_logged_in(), base_url="http://127.0.0.1:9", **KEYS)

    assert answer.status_code == 400
    assert answer.json()["code"] == "KEY_REFUSED"
    assert answer.json()["detail"] == "키를 다시 만드세요."


def test_a_lost_database_is_503_and_to_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(self: Any) -> None:
        raise OperationalError("server closed the connection")

    client = _logged_in()
    monkeypatch.setattr(views.AccountViewSet, "get_queryset", gone)

    answer = client.get("/api/v1/accounts")

    assert answer.status_code == 503
    assert answer.json()["code"] == "DATABASE_UNAVAILABLE"
    assert answer["Retry-After"]


def test_a_browser_gets_pages_and_programs_get_json() -> None:
    client = _logged_in()

    page = client.get("/api/v1/bots", headers={"Accept": "text/html"})
    refused = client.post(
        "/api/v1/bots",
        content_type="application/json",
        headers={"Accept": "text/html"},
    )

    assert page["Content-Type"].startswith("text/html")
    assert refused.status_code == 400
    assert refused["Content-Type"].startswith("text/html")


def test_health_needs_no_login_and_tells_centrals_age() -> None:
    make_snapshot(timezone.now())

    alive = Client().get("/healthz")
    ready = Client().get("/readyz")
    version = Client().get("/version")

    assert alive.json() == {"status": "ok"}
    assert ready.status_code == 200
    assert ready.json()["checks"]["database"] == "ok"
    assert ready.json()["checks"]["redis"] == "ok"
    assert ready.json()["checks"]["central"]["level"] == "fresh"
    assert version.json()["name"] == "dantaro-user"


def test_central_away_does_not_make_the_server_unready() -> None:
    ready = Client().get("/readyz")

    assert ready.status_code == 200
    assert ready.json()["checks"]["central"] == {"level": "none", "age_seconds": None}


@pytest.mark.parametrize("part", ["_database", "_redis"])
def test_a_lost_service_makes_the_server_unready(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, part, lambda: "unreachable")

    ready = Client().get("/readyz")

    assert ready.status_code == 503
    assert "unreachable" in ready.json()["checks"].values()


def test_redis_away_is_noticed(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    ready = Client().get("/readyz")

    assert ready.json()["checks"]["redis"] == "unreachable"


def test_the_schema_describes_every_call_without_warnings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    printed = capsys.readouterr()
    assert "/api/v1/bots/{id}/start" in schema["paths"]
    assert "warning" not in (printed.out + printed.err).lower()


def test_the_documentation_needs_nothing_from_outside() -> None:
    page = Client().get("/api/docs").content.decode()

    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/" in page


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("bots?offset=null", "offset"),
        ("bots?offset=-1", "offset"),
        ("orders?limit=0", "limit"),
        ("orders?limit=1e3", "limit"),
        ("events?bot=", "bot"),
        ("pnl?first=", "first"),
        ("pnl/0.csv", "year"),
        ("pnl/99999999999.csv", "year"),
    ],
)
def test_a_wrong_question_names_its_field(path: str, field: str) -> None:
    client = Client()
    client.force_login(make_user("alice"))

    answer = client.get(f"/api/v1/{path}")

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_pages_are_at_most_500_rows_long() -> None:
    owner = make_user("alice")
    bot = make_bot(owner)
    BotEvent.objects.bulk_create(
        BotEvent(bot=bot, kind="bot.created", message=str(number))
        for number in range(501)
    )
    client = Client()
    client.force_login(owner)

    assert len(client.get("/api/v1/events?limit=1000").json()["results"]) == 500


def test_an_address_that_leads_nowhere_is_a_problem_for_programs_alone() -> None:
    program = Client().get("/api/v1/planets", headers={"X-Request-ID": "abc"})
    person = Client().get("/planets")

    assert program.status_code == person.status_code == 404
    assert program.headers["Content-Type"] == "application/problem+json"
    assert (program.json()["code"], program.json()["request_id"]) == (
        "NOT_FOUND",
        "abc",
    )
    assert person.headers["Content-Type"].startswith("text/html")


def test_a_form_is_no_request() -> None:
    client = Client()
    client.force_login(make_user("alice"))

    answer = client.post("/api/v1/emergency-stop", {"dry_run": "false"})

    assert answer.status_code == 415
