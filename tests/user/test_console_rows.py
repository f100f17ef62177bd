"""The admin: everything readable, facts untouchable, options only while idle."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    make_bot,
    make_cycle,
    make_order,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots.models import (
    Adjustment,
    Bot,
    BotEvent,
    Brake,
    Cycle,
    EmergencyStop,
    Fill,
    LedgerEntry,
    Order,
    QueueHeartbeat,
    ServerSwitch,
)
from user_project.console.bots import BotOptionsForm

pytestmark = pytest.mark.django_db

FACTS = [Cycle, Order, Fill, LedgerEntry, BotEvent]
SAFETY = [Adjustment, Brake, EmergencyStop, QueueHeartbeat, ServerSwitch]
OURS = ("accounts", "bots", "central_api", "notifications")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]


@pytest.fixture
def client() -> Client:
    """A superuser's browser."""
    browser = Client()
    browser.force_login(make_user("root", is_staff=True, is_superuser=True))
    return browser


def _address(model: type[Model], page: str, *arguments: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=arguments)


def _name(model: type[Model]) -> str:
    return model.__name__


def test_every_model_of_the_bots_is_in_the_admin() -> None:
    assert {Bot, *FACTS, *SAFETY} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_lists_and_rows_open(client: Client, model: type[Model]) -> None:
    make_story(make_user("alice"))
    make_snapshot(timezone.now())
    row = model._default_manager.first()

    listed = client.get(_address(model, "changelist"))
    pages = [client.get(_address(model, "change", row.pk))] if row else []

    assert listed.status_code == 200
    assert "단타로 사용자 서버" in listed.content.decode()
    for page in [listed, *pages]:
        assert page.status_code == 200
        assert not re.search(r"\d\.\d*0{9,}", page.content.decode())
        assert ">None<" not in page.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_searching_works(client: Client, model: type[Model]) -> None:
    make_story(make_user("alice"))

    page = client.get(_address(model, "changelist"), {"q": "비트"})

    assert page.status_code in (200, 302)


@pytest.mark.parametrize("model", FACTS, ids=_name)
def test_facts_cannot_be_added_changed_or_deleted(
    client: Client, model: type[Model]
) -> None:
    make_story(make_user("alice"))
    row = model._default_manager.get()

    statuses = {
        client.get(_address(model, "add")).status_code,
        client.post(_address(model, "change", row.pk), {}).status_code,
        client.post(_address(model, "delete", row.pk), {"post": "yes"}).status_code,
    }

    assert statuses == {403}
    assert model._default_manager.count() == 1


def test_safety_rows_are_shown_and_refuse_forged_posts(client: Client) -> None:
    now = timezone.now()
    rows: list[Model] = [
        Adjustment.objects.create(
            cycle=make_cycle(make_bot(make_user("alice"))),
            kind="released",
            volume=Decimal(1),
            cost=Decimal(5000),
        ),
        Brake.objects.create(host="paper", reason="급락", updated_at=now),
        EmergencyStop.objects.create(sell_all=True),
        QueueHeartbeat.objects.create(queue="pull", worker="one", seen_at=now),
        ServerSwitch.objects.create(pk=1, kill_switch_at=now),
    ]

    for row in rows:
        page = _address(type(row), "change", row.pk)
        gone = _address(type(row), "delete", row.pk)
        assert client.get(_address(type(row), "changelist")).status_code == 200
        assert client.get(page).status_code == 200
        assert client.get(_address(type(row), "add")).status_code == 403
        assert client.post(page, {"kill_switch_at": ""}).status_code == 403
        assert client.post(gone, {"post": "yes"}).status_code == 403

    assert ServerSwitch.objects.get().kill_switch_at == now


OPTIONS = {
    "name": "새 이름",
    "budget": "2000000",
    "stages": "5",
    "multiplier": "1.5",
    "shape": "equal",
    "level": "moderate",
    "take_profit": "0.02",
    "jitter": "0.1",
    "stage_cooldown_seconds": "60",
    "cycle_cooldown_seconds": "600",
    "max_depth": "0.30",
    "resting_stages": "2",
    "trailing": "",
    "stop_below_last": "",
    "break_even_after": "",
    "max_hold_hours": "",
    "max_cycles": "5",
    "reinvest": "0",
    "reentry": "reset",
    "crash_brake": "on",
}
NOW_ONLY = {"resting_stages": "3", "crash_brake": "", "stage_cooldown_seconds": "5"}
"""Options that the running round itself uses, changed."""


@pytest.mark.parametrize(
    ("state", "changed"),
    [
        ("draft", True),
        ("stopped", True),
        ("running", False),
        ("paused", False),
        ("halted", False),
    ],
)
def test_a_bot_at_work_takes_only_options_of_its_next_round(
    client: Client, state: str, changed: bool
) -> None:
    bot = make_bot(make_user("alice"), state=state)

    client.post(_address(Bot, "change", bot.pk), OPTIONS | NOW_ONLY)

    bot.refresh_from_db()
    assert (bot.budget, bot.stages) == (2_000_000, 5)
    assert (bot.resting_stages == 3) is changed
    assert bot.crash_brake is not changed
    assert (bot.stage_cooldown_seconds == 5) is changed
    assert bot.events.get().kind == "bot.changed"


def test_saving_options_keeps_state_and_fence(client: Client) -> None:
    bot = make_bot(make_user("alice"), fence=7, lease_owner="worker")
    forged = {"state": "running", "fence": "0", "lease_owner": "", "market": "KRW-XRP"}

    client.post(_address(Bot, "change", bot.pk), OPTIONS | forged)

    bot.refresh_from_db()
    assert bot.name == "새 이름"
    assert (bot.state, bot.fence, bot.lease_owner) == ("draft", 7, "worker")
    assert bot.market == "KRW-BTC"


def test_a_bot_that_started_meanwhile_keeps_what_its_round_uses() -> None:
    bot = make_bot(make_user("alice"))
    fields = BotOptionsForm(instance=bot).fields
    Bot.objects.filter(pk=bot.pk).update(state="running", fence=9)

    form = BotOptionsForm(OPTIONS | NOW_ONLY, instance=bot)

    now = Bot.objects.get()
    assert {"resting_stages", "crash_brake"} <= fields.keys()
    assert "실행 중인 봇에서는 바꿀 수 없는 설정입니다" in str(form.errors)
    assert (now.state, now.fence, now.name) == ("running", 9, "비트코인")
    assert now.resting_stages == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("budget", "-1"), ("stages", "0"), ("multiplier", "3"), ("jitter", "0.5")],
)
def test_options_out_of_range_are_explained(
    client: Client, option: str, value: str
) -> None:
    bot = make_bot(make_user("alice"))

    page = client.post(_address(Bot, "change", bot.pk), {**OPTIONS, option: value})

    bot.refresh_from_db()
    assert page.status_code == 200
    assert "쓸 수 있습니다" in page.content.decode()
    assert bot.name == "비트코인"


def test_bots_are_neither_added_nor_deleted_here(client: Client) -> None:
    bot = make_bot(make_user("alice"))

    statuses = {
        client.get(_address(Bot, "add")).status_code,
        client.post(_address(Bot, "delete", bot.pk), {"post": "yes"}).status_code,
    }

    assert statuses == {403}


@pytest.mark.parametrize(
    ("action", "before", "after", "words"),
    [
        ("start", "draft", "running", "시작했습니다"),
        ("pause", "running", "paused", "일시정지했습니다"),
        ("stop", "running", "stopped", "정지했습니다"),
        ("pause", "draft", "draft", "상태에서는 할 수 없습니다"),
    ],
)
def test_actions_go_through_the_services(
    client: Client, action: str, before: str, after: str, words: str
) -> None:
    bot = make_bot(make_user("alice"), state=before)
    body = {"action": action, "_selected_action": [str(bot.pk)]}

    page = client.post(_address(Bot, "changelist"), body, follow=True)

    bot.refresh_from_db()
    assert bot.state == after
    assert words in page.content.decode()
    assert bot.events.exists() is (before != after)


def test_operators_who_may_only_look_get_no_actions() -> None:
    looker = make_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_bot"))
    client = Client()
    client.force_login(looker)
    bot = make_bot(make_user("alice"), state="running")
    body = {"action": "stop", "_selected_action": [str(bot.pk)]}

    client.post(_address(Bot, "changelist"), body)

    bot.refresh_from_db()
    assert bot.state == "running"


@pytest.mark.parametrize(
    ("superuser", "after"), [(True, "cancelled"), (False, "abandoned_watch")]
)
def test_only_a_superuser_ends_the_watch_of_an_order(
    superuser: bool, after: str
) -> None:
    person = make_user("person", is_staff=True, is_superuser=superuser)
    rights = Permission.objects.filter(codename__in=("view_order", "change_order"))
    person.user_permissions.set(rights)
    client = Client()
    client.force_login(person)
    order = make_order(
        make_cycle(make_bot(make_user("alice"))),
        state="abandoned_watch",
        posted_at=timezone.now() - timedelta(hours=25),
    )
    body = {"action": "close_watched", "_selected_action": [str(order.pk)]}

    client.post(_address(Order, "changelist"), body)

    order.refresh_from_db()
    assert order.state == after


def test_a_stranger_is_sent_to_the_login() -> None:
    answer = Client().get(reverse("admin:index"))

    assert answer.status_code == 302


def test_the_task_monitor_is_linked_when_there_is_one(
    client: Client, settings: Any
) -> None:
    settings.FLOWER_URL = "http://127.0.0.1:5556/"

    page = client.get(reverse("admin:index"))

    assert 'href="http://127.0.0.1:5556/"' in page.content.decode()


def test_the_example_environment_names_every_setting() -> None:
    root = Path(__file__).resolve().parents[2]
    source = (root / "user_project" / "settings.py").read_text(encoding="utf-8")
    example = (root / ".env.user.example").read_text(encoding="utf-8")

    calls = r'(?:env\.\w+|_required)\(\s*"([A-Z_]+)"'
    read = set(re.findall(calls, source)) - {"DANTARO_SETTINGS_FREE"}
    told = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))

    assert read == told


def test_rows_lead_to_what_belongs_to_them(client: Client) -> None:
    bot = make_story(make_user("alice"))
    cycle, order = bot.cycles.get(), bot.orders.get()

    of_bot = client.get(_address(Bot, "change", bot.pk)).content.decode()
    of_order = client.get(_address(Order, "change", order.pk)).content.decode()
    of_event = client.get(_address(BotEvent, "changelist")).content.decode()

    assert f'{_address(Order, "changelist")}?bot__id__exact={bot.pk}">주문 1<' in of_bot
    assert _address(Cycle, "change", cycle.pk) in of_order
    assert _address(Bot, "change", bot.pk) in of_event
    narrowed = client.get(_address(Order, "changelist"), {"bot__id__exact": bot.pk})
    assert narrowed.status_code == 200
    assert "1차 매수" in narrowed.content.decode()


def test_the_facts_of_a_decision_are_folded_away(client: Client) -> None:
    order = make_order(
        make_cycle(make_bot(make_user("alice"))), decided_on={"price": "<b>1</b>"}
    )

    page = client.get(_address(Order, "change", order.pk)).content.decode()

    assert "1개 항목" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page


def test_times_are_ages_with_the_korean_clock_behind(client: Client) -> None:
    event = make_story(make_user("alice")).events.get()
    BotEvent.objects.update(at=timezone.now() - timedelta(minutes=3))
    event.refresh_from_db()

    page = client.get(_address(BotEvent, "changelist")).content.decode()

    clock = f"{timezone.localtime(event.at):%Y-%m-%d %H:%M:%S}"
    assert f'<span title="{clock}">3분 전</span>' in page


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_no_english_name_of_a_field_is_shown(
    client: Client, model: type[Model]
) -> None:
    make_story(make_user("alice"))
    make_snapshot(timezone.now())
    names = {
        str(field.verbose_name)
        for field in model._meta.fields
        if re.fullmatch(r"[a-z][a-z0-9 ]+", str(field.verbose_name))
    }
    row = model._default_manager.first()
    pages = [client.get(_address(model, "changelist"))]
    if row:
        pages.append(client.get(_address(model, "change", row.pk)))

    for page in pages:
        text = page.content.decode()
        shown = {n for n in names if re.search(rf">\s*{n}:?\s*<", text, re.IGNORECASE)}
        assert shown <= {"id"}


def test_tokens_are_not_listed(client: Client) -> None:
    assert client.get("/admin/authtoken/tokenproxy/").status_code == 404


@pytest.mark.parametrize(
    "page",
    [
        *("auth/user/", "auth/user/add/", "auth/group/", "auth/group/add/"),
        *("admin/logentry/", "django_celery_beat/periodictask/"),
        *("django_celery_beat/intervalschedule/", "accounts/exchangeaccount/add/"),
        *(
            "django_celery_beat/crontabschedule/",
            "django_celery_beat/periodictask/add/",
        ),
    ],
)
def test_the_other_pages_open_in_korean(client: Client, page: str) -> None:
    answer = client.get(f"/admin/{page}", headers={"accept-language": "en"})

    assert answer.status_code == 200
    assert answer.headers["Content-Language"] == "ko"
    for english in ("Type to search", "Select all", "Run", "Search apps"):
        assert f">{english}<" not in answer.content.decode()
