"""What operators do in the lists and forms."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from celery import current_app
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat import schedulers
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from central_project.analysis.evaluation.card import Bar, Finding, Text
from central_project.analysis.evaluation.card import ReportCard as Card
from central_project.api.models import ApiKey
from central_project.market.models import (
    AnalysisRun,
    Coin,
    Recommendation,
    Retention,
)
from central_project.market.services.report_card import store
from tests.central.market_world import NOW, publish_run
from tests.central.test_admin import settings_form

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def hq() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("hq"))
    return client


def act(hq: Client, listing: str, action: str, *rows: Any, **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return hq.post(reverse(f"admin:{listing}_changelist"), chosen, follow=True)


def test_coins_are_excluded_together_with_a_reason_and_a_trace(hq: Client) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC", "KRW-ETH"])
    coins = list(Coin.objects.all())

    refused = act(hq, "market_coin", "exclude_coins", *coins, reason="  ")
    assert "제외 사유를 적어 주세요" in refused.content.decode()
    assert not Coin.objects.filter(excluded=True).exists()
    act(hq, "market_coin", "exclude_coins", *coins, reason="지갑 점검")

    assert {coin.excluded_reason for coin in Coin.objects.all()} == {"지갑 점검"}
    assert LogEntry.objects.filter(change_message__contains="지갑 점검").count() == 2
    log = hq.get(reverse("admin:admin_logentry_changelist")).content.decode()
    assert "추천 제외: 지갑 점검" in log
    act(hq, "market_coin", "include_coins", *coins)
    assert not Coin.objects.filter(excluded=True).exists()


def test_a_list_is_exported_as_spreadsheets_read_it(hq: Client) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    row = Recommendation.objects.get()
    row.korean_name, row.price = '=HYPERLINK("x"), "둘"', Decimal("0.00000012")
    row.save()

    answer = act(hq, "market_recommendation", "export_csv", row)
    text = b"".join(answer.streaming_content).decode()
    head, line = csv.reader(io.StringIO(text.removeprefix("\ufeff")))

    assert text.startswith("\ufeff")
    assert "attachment" in answer["Content-Disposition"]
    exported = dict(zip(head, line, strict=True))
    assert exported["한글 이름"] == '\'=HYPERLINK("x"), "둘"'
    assert Decimal(exported["현재가 (원)"]) == Decimal("0.00000012")
    assert exported["분석"] == run.run_id
    states = act(hq, "market_analysisrun", "export_csv", run)
    assert "발표됨" in b"".join(states.streaming_content).decode()


def test_labels_are_exported_in_the_words_of_the_list(hq: Client) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    AnalysisRun.objects.update(suspect=True)
    reason = "A & B <점검>"
    Coin.objects.update(excluded=True, excluded_reason=reason, warning=True)

    coin = only_row(act(hq, "market_coin", "export_csv", Coin.objects.get()))
    checked = only_row(act(hq, "market_analysisrun", "export_csv", run))

    assert (coin["거래"], coin["추천 제외"]) == ("유의 종목", reason)
    assert checked["검산"] == "불일치"
    assert checked["실패 이유"] == ""


def only_row(answer: Any) -> dict[str, str]:
    """The only row of a CSV by its columns' titles."""
    text = b"".join(answer.streaming_content).decode()
    head, line = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    return dict(zip(head, line, strict=True))


@pytest.mark.parametrize("model", [ApiKey, Coin])
def test_an_edit_undoes_nothing_that_was_written_meanwhile(
    hq: Client, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    row: Any
    if model is ApiKey:
        row, written = ApiKey.objects.issue(name="부산")[0], "revoked_at"
        form = {"name": "부산 2", "rate": "100/60s"}
    else:
        row, written = Coin.objects.create(market="KRW-BTC"), "minutes_until"
        form = {"excluded": "on", "excluded_reason": "점검"}
    page = type(admin.site._registry[model])
    read = page.save_form

    def written_after_reading(*args: Any, **named: Any) -> Any:
        found = read(*args, **named)
        model.objects.filter(pk=row.pk).update(**{written: now})
        return found

    monkeypatch.setattr(page, "save_form", written_after_reading)
    kind = f"{model._meta.app_label}_{model._meta.model_name}"

    answer = hq.post(reverse(f"admin:{kind}_change", args=[row.pk]), form)

    row.refresh_from_db()
    assert answer.status_code == 302
    assert getattr(row, written) == now
    assert row.name == "부산 2" if model is ApiKey else row.excluded


def test_keys_are_exported_without_what_opens_the_api(hq: Client) -> None:
    key, _ = ApiKey.objects.issue(name="부산")

    answer = act(hq, "central_api_apikey", "export_csv", key)
    text = b"".join(answer.streaming_content).decode()

    assert "부산" in text
    assert key.digest not in text


def test_other_weights_are_seen_before_they_count(hq: Client) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC", "KRW-ETH"])
    risky = {"technical": "90", "volume": "50", "volatility": "50", "risk": "10"}
    Recommendation.objects.filter(market="KRW-ETH").update(scores=risky)
    form = settings_form(technical="0.7", volume="0.1", volatility="0.1", risk="0.1")
    preview = reverse("admin:market_scoresettings_preview")

    page = hq.post(preview, form, headers=HTMX).content.decode()
    wrong = hq.post(preview, settings_form(risk="0.9"), headers=HTMX).content.decode()

    assert page.index("KRW-ETH") < page.index("KRW-BTC")
    assert "▲1" in page
    assert "▼1" in page
    assert "74.00" in page  # 0.7 x 90 + 0.1 x (50 + 50 + 10)
    assert "가중치의 합은 1" in wrong


def test_what_a_retention_would_delete_is_counted_not_deleted(hq: Client) -> None:
    now = timezone.now()
    publish_run(now=now, symbols=["KRW-BTC"])
    old = now - timedelta(days=3)
    AnalysisRun.objects.create(window_start=old, started_at=old, state="failed")
    form = {"runs_days": "2", "minutes_days": "3", "hours_days": "400"}
    preview = reverse("admin:market_retention_preview")

    page = hq.post(preview, form, headers=HTMX).content.decode()
    wrong = hq.post(preview, form | {"runs_days": "0"}, headers=HTMX).content.decode()

    assert "<dd>1</dd>" in page
    assert "1 이상의 값" in wrong
    assert AnalysisRun.objects.count() == 2
    assert Retention.objects.get().runs_days == 7


def test_an_operators_schedule_survives_a_restart(
    hq: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Beat renews its connection now and then; the test's transaction lives in this one.
    monkeypatch.setattr(schedulers, "close_old_connections", lambda: None)
    task = PeriodicTask.objects.get(task="market.ensure_run")
    slower = IntervalSchedule.objects.create(every=77, period="seconds")
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    form = {
        "name": task.name, "task": task.task, "interval": slower.pk, "crontab": "",
        "queue": "housekeeping", "expire_seconds": "30", "description": "천천히",
    }  # fmt: skip

    assert hq.post(address, form).status_code == 302
    before = list(PeriodicTask.objects.order_by("pk").values("name", "interval"))
    call_command("migrate", verbosity=0)
    beat = schedulers.DatabaseScheduler(app=current_app._get_current_object())

    beat.sync()

    task.refresh_from_db()
    assert (task.interval, task.description, task.enabled) == (slower, "천천히", False)
    assert before == list(
        PeriodicTask.objects.order_by("pk").values("name", "interval")
    )


def test_a_schedule_is_due_in_one_way(hq: Client) -> None:
    interval, crontab = (
        IntervalSchedule.objects.first(),
        CrontabSchedule.objects.first(),
    )
    assert interval
    assert crontab
    address = reverse("admin:django_celery_beat_periodictask_add")
    form = {"name": "x", "regtask": "market.ensure_run", "enabled": "on"}
    both = {"interval": interval.pk, "crontab": crontab.pk}

    pages = [hq.post(address, form | more).content.decode() for more in ({}, both)]

    for page in pages:
        assert "반복 간격과 정해진 시각 가운데 하나만 골라 주세요." in page
        assert "must be set" not in page
    assert hq.post(address, form | {"interval": interval.pk}).status_code == 302


def test_a_new_time_of_day_is_korean_time(hq: Client) -> None:
    page = hq.get(reverse("admin:django_celery_beat_crontabschedule_add"))

    assert page.context["adminform"].form["timezone"].value() == "Asia/Seoul"
    assert "기본값은 UTC" not in page.content.decode()
    assert "(UTC)" not in page.content.decode()


def test_switching_a_schedule_leaves_a_trace(hq: Client) -> None:
    task = PeriodicTask.objects.get(task="market.ensure_run")
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=timezone.now())
    listing = "django_celery_beat_periodictask"

    page = act(hq, listing, "switch_off", task).content.decode()
    task.refresh_from_db()
    off = (task.enabled, task.last_run_at)
    act(hq, listing, "switch_on", task)
    task.refresh_from_db()

    assert off == (False, None)
    assert task.enabled
    assert "일정 1개를 껐습니다." in page
    assert [one.change_message for one in LogEntry.objects.all()] == ["켜기", "끄기"]


def test_a_schedule_runs_at_once_after_a_question(
    hq: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(
        current_app,
        "send_task",
        lambda name, queue, expires: sent.append((name, queue)),
    )
    task = PeriodicTask.objects.get(task="market.prune")
    address = reverse("admin:django_celery_beat_periodictask_run_now", args=[task.pk])

    question = hq.get(address).content.decode()
    assert "지금 실행할까요?" in question
    assert sent == []
    hq.post(address, {"_form_submitted": "1"})

    assert sent == [("market.prune", "housekeeping")]
    assert LogEntry.objects.filter(change_message__contains="지금 실행").exists()


def test_a_key_is_revoked_after_a_question(hq: Client) -> None:
    key, _ = ApiKey.objects.issue(name="부산")
    address = reverse("admin:central_api_apikey_revoke_one", args=[key.pk])

    assert "되돌릴 수 없습니다" in hq.get(address).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None
    hq.post(address, {"_form_submitted": "1"})

    key.refresh_from_db()
    assert key.revoked_at is not None
    page = hq.get(reverse("admin:central_api_apikey_changelist")).content.decode()
    assert "폐기됨" in page


def test_a_coins_page_shows_its_stored_runs(hq: Client) -> None:
    for minutes in (10, 5, 0):
        publish_run(
            now=timezone.now() - timedelta(minutes=minutes),
            symbols=["KRW-ETH", "KRW-BTC"] if minutes else ["KRW-BTC", "KRW-ETH"],
        )
    coin = Coin.objects.get(market="KRW-BTC")

    page = hq.get(reverse("admin:market_coin_change", args=[coin.pk]))
    shown = page.context["coin_page"]

    assert '"data": [2, 2, 1]' in shown.rank_chart
    assert shown.recommendation.rank == 1
    assert shown.levels[0]["title"] == "공격적 (7일)"
    assert "RSI 27: 과매도" in page.content.decode()


def test_a_run_that_failed_its_audit_says_where(hq: Client) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    wrong = {"market": "KRW-BTC", "figure": "rsi", "ours": 27.5, "reference": None}
    run.audit = {"coins": ["KRW-BTC"], "mismatches": [{**wrong, "allowed": 1e-7}]}
    run.suspect = True
    run.save()

    address = reverse("admin:market_analysisrun_change", args=[run.pk])
    page = hq.get(address).content.decode()

    assert "불일치" in page
    assert "27.5" in page
    assert "새 회차를 시작하지 않습니다" in hq.get("/admin/").content.decode()


def test_a_report_card_is_shown_in_a_frame_without_scripts(hq: Client) -> None:
    words = Text(ko='우위 "없음"', en="no edge")
    card = Card(
        section="served", since=NOW, until=NOW, dates=1, step_days=1, markets=2,
        score_version="v1", finding=Finding.TOO_SHORT, summary=words, questions=[],
        bar=Bar(headline_tests=1, headline_z="2", part_tests=1, part_z="2", rule=words),
        ranking=None, starts=None, levels={}, notes=[],
    )  # fmt: skip
    row = store(card)

    listing = hq.get(reverse("admin:market_reportcard_changelist")).content.decode()
    page = hq.get(reverse("admin:market_reportcard_change", args=[row.pk]))
    frame = re.search(r'<iframe[^>]*sandbox srcdoc="([^"]*)"', page.content.decode())

    assert "우위 &quot;없음&quot;" in listing
    assert frame is not None
    assert html.unescape(frame[1]).strip().endswith("</html>")


def test_the_badge_says_where_one_is(hq: Client, settings: Any) -> None:
    settings.ENVIRONMENT = "staging"

    assert "스테이징" in hq.get("/admin/market/coin/").content.decode()
