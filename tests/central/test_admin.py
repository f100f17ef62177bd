"""The operator's pages."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from central_project.api.models import ApiKey
from central_project.market.models import (
    Candle,
    Coin,
    ExcludedCoin,
    ReportCard,
    ReportSection,
    ScoreSettings,
    SupportLevel,
    Unit,
)
from central_project.market.services.candles import store_candles
from tests.central.market_world import NOW, five_minutes, publish_run

pytestmark = pytest.mark.django_db
OURS = [
    model
    for label in ("market", "central_api")
    for model in apps.get_app_config(label).get_models()
]


@pytest.fixture
def hq(db: None) -> Client:
    """A browser in which an operator is logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("hq"))
    return client


@pytest.fixture
def _rows(db: None) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC", "KRW-ETH"])
    ExcludedCoin.objects.create(run=run, market="KRW-XRP", reason="LOW_TURNOVER")
    started_at = NOW.replace(minute=0, second=0)
    store_candles(
        market="KRW-BTC", unit=Unit.FIVE, rows=[five_minutes("KRW-BTC", started_at)]
    )
    ApiKey.objects.issue(name="서울 1호")
    ReportCard.objects.create(
        section=ReportSection.SERVED, since=NOW, until=NOW, body={"runs": 0}
    )


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_has_its_pages(hq: Client, model: Any) -> None:
    names = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model.objects.first()

    listing = hq.get(reverse(f"{names}_changelist"), follow=True)
    page = hq.get(reverse(f"{names}_change", args=[row.pk]))

    assert model in admin.site._registry
    assert (listing.status_code, page.status_code) == (200, 200)
    assert ".000000000000" not in listing.content.decode() + page.content.decode()
    assert (
        re.search("[가-힣]", str(model._meta.verbose_name) + str(row))
        or model is Candle
    )


@pytest.mark.usefixtures("_rows")
def test_the_first_page_shows_the_pipeline(hq: Client, settings: Any) -> None:
    settings.FLOWER_URL = "http://127.0.0.1:5555"

    page = hq.get("/admin/").content.decode()

    assert "지금 발표된 분석" in page
    assert "유효" in page
    assert "http://127.0.0.1:5555" in page
    assert "/api/docs" in page


def test_the_first_page_works_before_the_first_run(hq: Client) -> None:
    assert "아직 없습니다" in hq.get("/admin/").content.decode()


def test_a_new_key_is_shown_once(hq: Client) -> None:
    added = hq.post(
        reverse("admin:central_api_apikey_add"),
        {
            "name": "부산",
            "note": "담당 김",
            "rate": "100/60s",
            "expires_at_0": "",
            "expires_at_1": "",
        },
        follow=True,
    ).content.decode()

    text = re.search(r"dk_live_\w{8}\.[\w-]{43}", added)
    assert text is not None
    assert ApiKey.objects.find(text[0]) == ApiKey.objects.get(name="부산")
    key = ApiKey.objects.get()
    assert key.note == "담당 김"
    later = hq.get(reverse("admin:central_api_apikey_change", args=[key.pk]))
    assert text[0] not in later.content.decode()


def test_a_key_with_a_wrong_rate_is_not_issued(hq: Client) -> None:
    page = hq.post(
        reverse("admin:central_api_apikey_add"), {"name": "부산", "rate": "many"}
    )

    assert "100/60s" in page.content.decode()
    assert not ApiKey.objects.exists()


def test_revoking_closes_a_key_at_once(hq: Client) -> None:
    key, _ = ApiKey.objects.issue(name="부산")

    hq.post(
        reverse("admin:central_api_apikey_changelist"),
        {"action": "revoke", "_selected_action": [key.pk]},
    )

    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_coin_is_excluded_only_with_a_reason(hq: Client) -> None:
    coin = Coin.objects.create(
        market="KRW-BTC", korean_name="비트코인", english_name="B"
    )
    address = reverse("admin:market_coin_change", args=[coin.pk])

    refused = hq.post(address, {"excluded": "on", "excluded_reason": " "})
    assert "제외 사유를 적어 주세요" in refused.content.decode()
    hq.post(address, {"excluded": "on", "excluded_reason": "점검", "market": "KRW-X"})

    coin.refresh_from_db()
    assert (coin.excluded, coin.excluded_reason) == (True, "점검")
    assert coin.market == "KRW-BTC"


def settings_form(**changes: str) -> dict[str, str]:
    return {
        "technical": "0.4", "volume": "0.2", "volatility": "0.2", "risk": "0.2",
        "min_turnover_24h": "1000000000", "min_age_days": "90", "max_spread": "0.003",
        "max_tick_share": "0.005", "max_missing": "0.1", "note": "",
    } | changes  # fmt: skip


def test_a_change_of_weights_is_a_new_version(hq: Client) -> None:
    before = ScoreSettings.objects.count()

    hq.post(reverse("admin:market_scoresettings_add"), settings_form())

    assert ScoreSettings.objects.count() == before + 1
    assert ScoreSettings.objects.latest("pk").technical == Decimal("0.4")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"technical": "0.5"}, "가중치의 합은 1"),
        ({"technical": "-0.2", "volume": "0.8"}, "0 이상"),
        ({"max_spread": "1.5"}, "max_spread"),
        ({"min_turnover_24h": "-1"}, "min_turnover_24h"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    hq: Client, changes: dict[str, str], message: str
) -> None:
    before = ScoreSettings.objects.count()

    page = hq.post(
        reverse("admin:market_scoresettings_add"), settings_form(**changes)
    ).content.decode()

    assert message in page
    assert ScoreSettings.objects.count() == before


@pytest.mark.usefixtures("_rows")
def test_results_cannot_be_edited(hq: Client) -> None:
    row = SupportLevel.objects.get(market="KRW-BTC")
    address = reverse("admin:market_supportlevel_change", args=[row.pk])

    response = hq.post(address, {"price": "1"})

    assert response.status_code == 403
    delete = hq.post(reverse("admin:market_supportlevel_delete", args=[row.pk]))
    assert delete.status_code == 403
