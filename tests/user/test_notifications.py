"""Owners are told once of what they chose, by a real service over HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django_celery_beat.models import PeriodicTask

from tests.user.factories import (
    make_account,
    make_bot,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots.models import BotEvent
from user_project.bots.pnl import KST
from user_project.bots.quarantine import set_apart
from user_project.notifications.languages import choose_language, language_of
from user_project.notifications.models import Kind, Target
from user_project.notifications.services import (
    TargetProblem,
    add_target,
    deliver_all,
    try_target,
    turn,
)

pytestmark = pytest.mark.django_db
SECRET = "geheimnis-canary"
HANGUL = re.compile("[가-힣]")
NOTIFY_STEP = "알림 대상을 추가하고 시험 알림 보내기"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=KST)


@pytest.fixture
def ntfy() -> Iterator[SimpleNamespace]:
    """A server of the ntfy service on this machine; it can be told to refuse."""
    heard: list[str] = []
    state = SimpleNamespace(heard=heard, status=200, address="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            text = self.rfile.read(length).decode()
            if state.status == 200:
                heard.append(json.loads(text)["message"])
            self.send_response(state.status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"ntfy://127.0.0.1:{server.server_port}/{SECRET}"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def told(ntfy: SimpleNamespace) -> Callable[..., Target]:
    """Make alice's target at noon, with fresh data of central."""
    make_snapshot(NOON)
    owner = make_user("alice")

    def make(*kinds: str, now: datetime = NOON) -> Target:
        return add_target(
            owner=owner, name="폰", address=ntfy.address, kinds=kinds, now=now
        )

    return make


def _happen(owner: Any, kind: str, message: str, *, at: datetime = NOON) -> None:
    bot = owner.bots.first() or make_bot(owner, name="첫 봇")
    event = BotEvent.objects.create(bot=bot, kind=kind, message=message)
    BotEvent.objects.filter(pk=event.pk).update(at=at)


def test_what_was_chosen_is_told_once_and_in_order(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL, Kind.TROUBLE)
    _happen(target.owner, "order.fill", "1차 매수 체결")
    _happen(target.owner, "cycle.closed", "1회차 익절")
    _happen(target.owner, "bot.halted", "멈췄습니다")

    sent = [deliver_all(now=NOON + timedelta(seconds=4 + n * 20)) for n in range(3)]

    assert sent == [1, 0, 0]
    (text,) = ntfy.heard
    assert text.index("[첫 봇] 1차 매수 체결") < text.index("[첫 봇] 멈췄습니다")
    assert "익절" not in text


def test_what_happened_before_or_to_others_is_not_told(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    owner_target = told  # made below, after something happened
    mallory = make_user("mallory")
    _happen(mallory, "order.fill", "남의 체결")
    target = owner_target(Kind.FILL)
    _happen(mallory, "order.fill", "남의 체결")

    assert deliver_all(now=NOON + timedelta(minutes=1)) == 0
    assert ntfy.heard == []
    target.refresh_from_db()
    assert target.last_sent_at is None


def test_an_account_set_apart_is_told_once_however_many_bots_it_has(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.TROUBLE)
    account = make_account(target.owner)
    for name in ("하나", "둘"):
        make_bot(target.owner, account=account, name=name)

    for _ in range(2):
        set_apart(account_id=account.pk, reason="모르는 주문", now=NOON)
    BotEvent.objects.update(at=NOON)
    deliver_all(now=NOON + timedelta(minutes=1))

    assert ntfy.heard == ["계정을 격리했습니다. 모르는 주문"]
    assert BotEvent.objects.count() == 2


def test_a_line_that_may_still_be_overtaken_waits(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    _happen(target.owner, "order.fill", "방금")

    assert deliver_all(now=NOON + timedelta(seconds=2)) == 0
    assert deliver_all(now=NOON + timedelta(seconds=3)) == 1


def test_many_lines_come_in_few_messages(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    for number in range(45):
        _happen(target.owner, "order.fill", f"체결 {number}.")

    moments = [NOON + timedelta(seconds=5 + n * 5) for n in range(8)]
    sent = [deliver_all(now=moment) for moment in moments]

    assert sum(sent) == len(ntfy.heard) == 3
    assert sent[:2] == [1, 0], "at most one message in ten seconds"
    assert sum(text.count("체결") for text in ntfy.heard) == 45


def test_a_refusal_is_tried_again_later_and_nothing_is_lost(
    told: Callable[..., Target], ntfy: SimpleNamespace, caplog: Any
) -> None:
    target = told(Kind.FILL)
    _happen(target.owner, "order.fill", "체결")
    ntfy.status = 500

    at = NOON + timedelta(seconds=5)
    assert deliver_all(now=at) == 0
    target.refresh_from_db()
    assert (target.failures, target.next_try_at) == (1, at + timedelta(seconds=30))
    assert SECRET not in target.last_error + caplog.text
    assert deliver_all(now=at + timedelta(seconds=29)) == 0
    ntfy.status = 200

    assert deliver_all(now=at + timedelta(seconds=30)) == 1
    target.refresh_from_db()
    assert (target.failures, target.last_error) == (0, "")
    assert len(ntfy.heard) == 1


def test_pauses_double_up_to_an_hour(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    _happen(target.owner, "order.fill", "체결")
    ntfy.status = 500
    at, pauses = NOON + timedelta(seconds=5), []

    for _ in range(9):
        deliver_all(now=at)
        target.refresh_from_db()
        assert target.next_try_at is not None
        pauses.append(int((target.next_try_at - at).total_seconds()))
        at = target.next_try_at

    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_stale_central_is_told_once_and_again_after_it_was_good(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    told(Kind.STALE)
    later = NOON + timedelta(hours=1)

    sent = [deliver_all(now=later + timedelta(minutes=n)) for n in range(3)]
    make_snapshot(later + timedelta(minutes=5), run_id="run-2")
    sent.append(deliver_all(now=later + timedelta(minutes=5)))
    sent.append(deliver_all(now=later + timedelta(hours=2)))

    assert sent == [1, 0, 0, 0, 1]
    assert "새 회차" in ntfy.heard[0]


def test_keys_that_expire_are_told_at_thirty_seven_and_one_day(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.KEYS)
    make_account(target.owner, key_expires_at=NOON + timedelta(days=40))

    sent = [deliver_all(now=NOON + timedelta(days=day)) for day in range(41)]

    assert [day for day, count in enumerate(sent) if count] == [10, 33, 39]


def test_the_days_summary_comes_at_nine_in_korea(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.DAILY, Kind.HEARTBEAT)
    make_bot(target.owner, state="running")
    hours = [NOON + timedelta(hours=n) for n in range(36)]

    sent = [hour.hour for hour in hours if deliver_all(now=hour)]

    assert sent == [21, 9, 21]
    assert "어제 실현손익 0원" in ntfy.heard[1]
    assert "실행 중인 봇 1개" in ntfy.heard[0]


def test_a_target_that_is_off_is_not_told(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    Target.objects.update(is_on=False)
    _happen(target.owner, "order.fill", "체결")

    assert deliver_all(now=NOON + timedelta(minutes=1)) == 0


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "json://127.0.0.1/x", "exec://ls", "tgram://", "file:///x"],
)
def test_addresses_that_reach_no_person_are_refused(address: str) -> None:
    with pytest.raises(TargetProblem) as caught:
        add_target(
            owner=make_user("alice"), name="x", address=address, kinds=[], now=NOON
        )

    assert caught.value.field == "address"
    assert not Target.objects.exists()


def test_an_address_is_sealed_and_moves_with_the_key(
    told: Callable[..., Target], ntfy: SimpleNamespace, settings: Any
) -> None:
    target = told(Kind.FILL)
    assert SECRET.encode() not in bytes(target.sealed_address)
    settings.KEYS_KEK_OLD, settings.KEYS_KEK = settings.KEYS_KEK, bytes(32)

    with pytest.raises(TargetProblem):
        try_target(target=target, now=NOON)
    call_command("rotate_keks")
    target.refresh_from_db()
    try_target(target=target, now=NOON)

    assert "시험 알림" in ntfy.heard[0]


def test_another_owners_row_does_not_open(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    target.owner = make_user("mallory")

    with pytest.raises(TargetProblem):
        try_target(target=target, now=NOON)
    assert ntfy.heard == []


def test_the_delivery_is_scheduled_once() -> None:
    task = PeriodicTask.objects.get(task="notifications.deliver")

    assert (task.queue, task.interval.every) == ("housekeeping", 10)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["[첫 봇] 1차 매수 체결", "어제 실현손익 0원"]),
        ("ko", ["[첫 봇] 1차 매수 체결", "어제 실현손익 0원"]),
        ("en", ["[첫 봇] Stage 1 bought", "Realised yesterday: 0 KRW"]),
    ],
)
@pytest.mark.parametrize("active", ["ko", "en"])
def test_an_owner_is_told_in_the_language_last_chosen(
    told: Callable[..., Target],
    ntfy: SimpleNamespace,
    chosen: str | None,
    expected: list[str],
    active: str,
) -> None:
    target = told(Kind.FILL, Kind.DAILY, now=NOON - timedelta(days=1))
    bot = make_bot(target.owner, name="첫 봇")
    event = BotEvent.objects.create(
        bot=bot,
        kind="order.fill",
        message="1차 매수 체결",
        message_en="Stage 1 bought",
    )
    BotEvent.objects.filter(pk=event.pk).update(at=NOON)
    client = Client()
    client.force_login(target.owner)
    if chosen:
        look = {"theme": "auto", "colours": "korea", "language": chosen}
        assert client.post(reverse("look"), look).status_code == 302

    with translation.override(active):
        assert deliver_all(now=NOON + timedelta(minutes=1)) == 1
        try_target(target=target, now=NOON)

    news, trial = ntfy.heard
    assert all(line in news for line in expected)
    assert bool(HANGUL.search(trial)) is (chosen != "en")


def test_each_owner_is_told_in_their_own_language(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    alice = told(Kind.HEARTBEAT).owner
    bob = make_user("bob")
    add_target(
        owner=bob, name="b", address=ntfy.address, kinds=[Kind.HEARTBEAT], now=NOON
    )
    choose_language(owner=bob, language="en")

    deliver_all(now=NOON + timedelta(hours=10))

    in_korean = [bool(HANGUL.search(text)) for text in ntfy.heard]
    assert in_korean == [True, False]
    assert language_of(owner=alice) == "ko"


def test_a_line_written_in_one_language_alone_is_still_told(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.FILL)
    choose_language(owner=target.owner, language="en")
    _happen(target.owner, "order.fill", "예전 기록")

    deliver_all(now=NOON + timedelta(seconds=5))

    assert ntfy.heard == ["[첫 봇] 예전 기록"]


class TestPage:
    """The owner's own page."""

    def test_a_target_is_added_tried_turned_and_taken_away(
        self, ntfy: SimpleNamespace
    ) -> None:
        owner = make_user("alice")
        client = Client()
        client.force_login(owner)
        body = {"name": "폰", "address": ntfy.address, "kinds": ["fill", "daily"]}

        pages = [client.post(reverse("notify"), body, follow=True)]
        target = Target.objects.get()
        for action in ("test", "turn", "delete"):
            path = reverse("target-action", args=[target.pk, action])
            pages.append(client.post(path, follow=True))

        texts = [page.content.decode() for page in pages]
        words = ("추가했습니다", "시험 알림을 보냈습니다", "껐습니다", "지웠습니다")
        assert all(word in text for word, text in zip(words, texts, strict=True))
        assert SECRET not in "".join(texts)
        assert len(ntfy.heard) == 1
        assert not Target.objects.exists()

    def test_a_wrong_address_is_explained(self) -> None:
        client = Client()
        client.force_login(make_user("alice"))
        body = {"name": "폰", "address": "json://127.0.0.1", "kinds": ["fill"]}

        page = client.post(reverse("notify"), body)

        assert page.status_code == 400
        assert "쓸 수 있는 서비스가 아닙니다" in page.content.decode()

    def test_nobody_else_touches_it(
        self, told: Callable[..., Target], ntfy: SimpleNamespace
    ) -> None:
        target = told(Kind.FILL)
        stranger = Client()
        stranger.force_login(make_user("mallory"))

        paths = [
            reverse("target-action", args=[target.pk, action])
            for action in ("test", "turn", "delete", "unknown")
        ]

        assert {stranger.post(path).status_code for path in paths} == {404}
        assert "폰" not in stranger.get(reverse("notify")).content.decode()
        assert Target.objects.get().is_on
        assert ntfy.heard == []


def test_a_trade_writes_nothing_for_the_notifications() -> None:
    make_story(make_user("alice"))

    assert not Target.objects.exists()
    assert deliver_all(now=timezone.now()) == 0


def test_what_happens_while_a_place_is_off_is_not_told_later(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    target = told(Kind.TROUBLE)
    bot = make_bot(target.owner)
    turn(target=target, on=False, now=NOON)
    BotEvent.objects.create(bot=bot, kind="bot.halted", message="그 사이의 일")
    BotEvent.objects.update(at=NOON)
    turn(target=target, on=False, now=NOON)  # a second tab says the same
    turn(target=target, on=True, now=NOON)

    deliver_all(now=NOON + timedelta(minutes=1))
    assert ntfy.heard == []

    BotEvent.objects.create(bot=bot, kind="cycle.frozen", message="그 뒤의 일")
    BotEvent.objects.update(at=NOON)
    deliver_all(now=NOON + timedelta(minutes=2))
    assert ntfy.heard == [f"[{bot.name}] 그 뒤의 일"]


def test_the_first_steps_want_a_place_that_was_tried(
    told: Callable[..., Target], ntfy: SimpleNamespace
) -> None:
    client = Client()
    step = rf'<li class="(\w*)">(?:(?!</li>).)*?{NOTIFY_STEP}'

    def told_apart(owner: Any) -> str:
        client.force_login(owner)
        found = re.search(step, client.get(reverse("home")).content.decode())
        assert found is not None
        return found[1]

    target = told(Kind.FILL)
    added = told_apart(target.owner)
    ntfy.status = 500
    client.post(reverse("target-action", args=[target.pk, "test"]))
    failed = told_apart(target.owner)
    ntfy.status = 200
    client.post(reverse("target-action", args=[target.pk, "test"]))
    tried = told_apart(target.owner)
    other = told_apart(make_user("mallory"))
    turn(target=target, on=False, now=NOON)

    assert (added, failed, tried, other) == ("", "", "done", "")
    assert told_apart(target.owner) == ""


def test_whoever_wants_no_notifications_is_not_asked_for_ever(
    told: Callable[..., Target], settings: Any
) -> None:
    settings.CENTRAL_API_URL = settings.CENTRAL_API_KEY = "given"
    owner = told().owner
    make_story(owner)
    client = Client()
    client.force_login(owner)

    page = client.get(reverse("home")).content.decode()

    assert NOTIFY_STEP not in page
