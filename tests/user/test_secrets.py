"""Planted secrets are found nowhere: not in rows, pages, answers, logs or Redis."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.user.factories import QuietExchange, make_snapshot, make_story, make_user
from user_project.accounts import services as account_services
from user_project.accounts.models import ExchangeAccount
from user_project.bots import quotes, services

pytestmark = pytest.mark.django_db
ACCESS, SECRET = "ACCESSCANARY1234567890", "SECRETCANARY0987654321"
PAGES = (
    *("/", "/bots/new/", "/admin/", "/admin/accounts/exchangeaccount/"),
    *("/admin/bots/bot/", "/admin/bots/order/", "/admin/bots/botevent/"),
    *("/api/v1/accounts", "/api/v1/bots", "/api/v1/events", "/api/v1/central"),
    *("/api/v1/snapshots", "/api/v1/fills", "/api/v1/ledger", "/readyz", "/version"),
)


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Any:
    exchange = QuietExchange(now=timezone.now())
    report = exchange.check_key()
    monkeypatch.setattr(account_services, "_ask", lambda **_: report)
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: exchange)
    make_snapshot(timezone.now())
    return make_user("alice", is_staff=True, is_superuser=True)


def everything_stored() -> str:
    """Every row of every table of ours, as text."""
    rows = [
        str(row)
        for model in apps.get_models()
        if model.__module__.startswith("user_project")
        for row in model._default_manager.values()
    ]
    sealed = [bytes(a.sealed_keys) for a in ExchangeAccount.objects.all()]
    return "\n".join([*rows, *map(str, sealed)])


def everything_in_redis() -> str:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        names = list(client.scan_iter())
        values = [client.dump(name) for name in names]
    return f"{names}{values}"


def test_keys_are_seen_nowhere_after_they_were_typed_in(
    owner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client()
    client.force_login(owner)
    body = {"name": "업비트", "access_key": ACCESS, "secret_key": SECRET}
    headers = {"Idempotency-Key": "once"}
    answers = [
        client.post("/api/v1/accounts", body, "application/json", headers=headers)
        for _ in range(2)
    ]
    account = ExchangeAccount.objects.get()
    make_story(owner, account=account)
    answers.append(
        client.post(
            f"/api/v1/accounts/{account.pk}/keys",
            {"access_key": ACCESS, "secret_key": SECRET[:-1] + " "},
            "application/json",
        )
    )
    answers += [client.get(page) for page in PAGES]
    answers.append(client.get(f"/admin/accounts/exchangeaccount/{account.pk}/change/"))

    assert answers[0].status_code == 201
    seen = "\n".join(
        [
            *(answer.content.decode() for answer in answers),
            everything_stored(),
            everything_in_redis(),
            caplog.text,
            repr(account_services._open(account)),
        ]
    )
    assert "CANARY" not in seen
    assert account.access_key_last4 in seen
    assert json.loads(bytes(account.sealed_keys))["sealed"]
