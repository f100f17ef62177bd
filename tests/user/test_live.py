"""Real money: two switches, a page that says what can be lost, keys that move KEKs."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests.user.factories import (
    PASSWORD,
    QuietExchange,
    make_account,
    make_bot,
    make_snapshot,
    make_user,
)
from user_project.accounts import services as account_services
from user_project.accounts.keys import (
    ExchangeKeys,
    KeysUnreadable,
    open_keys,
    seal_keys,
)
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, create_account
from user_project.bots import live, services
from user_project.bots.models import Bot

pytestmark = pytest.mark.django_db
LIVE_HOST = "https://api.upbit.com"
KEYS = ExchangeKeys(access_key="ACCESS-canary", secret_key="SECRET-canary")


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Bot:
    settings.UPBIT_BASE_URL = LIVE_HOST
    exchange = QuietExchange(now=timezone.now())
    monkeypatch.setattr(services, "adapter_for", lambda *, account: exchange)
    make_snapshot(timezone.now())
    owner = make_user("alice", password=PASSWORD)
    account = make_account(owner, mode="live", base_url=LIVE_HOST)
    return make_bot(owner, account=account)


@pytest.fixture
def page(bot: Bot) -> Any:
    client = Client()
    client.force_login(bot.owner)
    return client


def count_prices(monkeypatch: pytest.MonkeyPatch, now: datetime) -> list[Any]:
    """Let the exchange be asked; return what it was asked for."""
    exchange, asked = QuietExchange(now=now), []
    tell = exchange.get_prices

    def get_prices(**wanted: Any) -> Any:
        asked.append(wanted)
        return tell(**wanted)

    monkeypatch.setattr(exchange, "get_prices", get_prices)
    monkeypatch.setattr(services, "adapter_for", lambda *, account: exchange)
    return asked


class TestConsentPage:
    def test_it_says_what_can_be_lost(self, bot: Bot, page: Any) -> None:
        text = page.get(f"/bots/{bot.pk}/live/").content.decode()
        plan = services.preview_bot(
            owner=bot.owner,
            options=services.BotOptions(budget=bot.budget, market="KRW-BTC"),
            now=timezone.now(),
        ).plan
        assert "1,000,000원" in text
        assert "예산을 모두 잃을 수도" in text
        assert "손절이 꺼져 있습니다" in text
        assert "약속이 아닙니다" in text
        assert plan.worst_case > 0
        assert "마지막 차수에서 팔 때 손실" in text

    def test_reading_it_again_asks_the_exchange_once(
        self, bot: Bot, page: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = count_prices(monkeypatch, timezone.now())
        address = f"/bots/{bot.pk}/live/"

        texts = [page.get(address).content.decode() for _ in range(3)]

        assert len(asked) == 1
        assert all("초 전</span>)에서 시작할 때" in text for text in texts)

        Bot.objects.filter(pk=bot.pk).update(budget=2_000_000)
        page.get(address)
        assert len(asked) == 2

    def test_without_a_plan_it_says_so(
        self, bot: Bot, page: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = QuietExchange(now=timezone.now(), warning=True)
        monkeypatch.setattr(services, "adapter_for", lambda *, account: exchange)

        text = page.get(f"/bots/{bot.pk}/live/").content.decode()

        assert "지금은 계획을 세울 수 없어 예산만 보입니다" in text
        assert "마지막 차수에서 팔 때 손실" not in text

    @pytest.mark.parametrize(
        ("password", "consent", "server", "said"),
        [
            ("wrong", live.CONSENT, True, "비밀번호가 틀립니다"),
            (PASSWORD, "네", True, "그대로 입력"),
            (PASSWORD, live.CONSENT, False, "DANTARO_LIVE_TRADING"),
        ],
    )
    def test_each_switch_is_needed(
        self,
        bot: Bot,
        page: Any,
        settings: Any,
        password: str,
        consent: str,
        *,
        server: bool,
        said: str,
    ) -> None:
        settings.LIVE_TRADING = server
        body = {"password": password, "consent": consent, "step": "on"}
        answer = page.post(f"/bots/{bot.pk}/live/", body)
        assert (answer.status_code, said in answer.content.decode()) == (400, True)
        bot.refresh_from_db()
        assert bot.live_enabled_at is None

    def test_a_server_that_follows_other_prices_refuses(
        self, bot: Bot, page: Any, settings: Any
    ) -> None:
        settings.LIVE_TRADING, settings.UPBIT_BASE_URL = True, "http://127.0.0.1:9000"
        body = {"password": PASSWORD, "consent": live.CONSENT}

        answer = page.post(f"/bots/{bot.pk}/live/", body)

        bot.refresh_from_db()
        assert "다른 거래소(http://127.0.0.1:9000)의 시세" in answer.content.decode()
        assert bot.live_enabled_at is None

    def test_it_is_switched_on_and_off_again(
        self, bot: Bot, page: Any, settings: Any
    ) -> None:
        settings.LIVE_TRADING = True
        body = {"password": PASSWORD, "consent": live.CONSENT, "step": "on"}
        assert page.post(f"/bots/{bot.pk}/live/", body).status_code == 302
        bot.refresh_from_db()
        assert bot.live_enabled_at is not None
        page.post(f"/bots/{bot.pk}/live/", {"step": "off"})
        bot.refresh_from_db()
        assert bot.live_enabled_at is None
        assert list(bot.events.values_list("kind", flat=True)) == [
            "bot.live_off",
            "bot.live_on",
        ]

    def test_a_paper_bot_needs_none(self, bot: Bot, page: Any) -> None:
        ExchangeAccount.objects.update(mode="paper")
        text = page.get(f"/bots/{bot.pk}/live/").content.decode()
        assert "동의가 필요하지 않습니다" in text
        assert "password" not in text


class TestLiveAccounts:
    def make(self, **options: Any) -> ExchangeAccount:
        return create_account(
            owner=make_user("alice"),
            name="실전",
            access_key="abcd1234",
            secret_key="efgh",
            now=timezone.now(),
            **{"mode": "live", "base_url": LIVE_HOST, **options},
        )

    def test_only_where_the_server_allows_it(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report = QuietExchange(now=timezone.now()).check_key()
        monkeypatch.setattr(account_services, "_ask", lambda **_: report)
        with pytest.raises(AccountProblem) as refusal:
            self.make()
        assert refusal.value.code == "LIVE_OFF"
        ExchangeAccount.objects.all().delete()
        settings.LIVE_TRADING = True
        from django.contrib.auth import get_user_model

        get_user_model().objects.all().delete()
        assert self.make().mode == "live"

    @pytest.mark.parametrize(
        ("mode", "base_url"),
        [
            ("live", "http://127.0.0.1:9000"),
            ("live", "http://api.upbit.com"),
            ("live", "https://api.upbit.com.evil.example"),
            ("paper", "https://api.upbit.com"),
            ("paper", "https://sg-api.upbit.com"),
        ],
    )
    def test_mode_and_host_must_agree(
        self, settings: Any, mode: str, base_url: str
    ) -> None:
        settings.LIVE_TRADING = True
        with pytest.raises(AccountProblem) as refusal:
            self.make(mode=mode, base_url=base_url)
        assert refusal.value.code == "WRONG_HOST"


class TestAnotherKek:
    OLD = bytes(range(1, 33))

    @pytest.fixture
    def account(self, settings: Any) -> ExchangeAccount:
        """An account whose keys were sealed with the old KEK."""
        new, settings.KEYS_KEK = settings.KEYS_KEK, self.OLD
        account = make_account(make_user("alice"))
        account.sealed_keys = seal_keys(account=account, keys=KEYS)
        account.save()
        settings.KEYS_KEK, settings.KEYS_KEK_OLD = new, self.OLD
        return account

    def rotate(self, *words: str) -> dict[str, int]:
        out = io.StringIO()
        call_command("rotate_keks", "--json", *words, stdout=out)
        counts: dict[str, int] = json.loads(out.getvalue())
        return counts

    def test_the_keys_open_with_the_new_one_afterwards(
        self, account: ExchangeAccount
    ) -> None:
        with pytest.raises(KeysUnreadable):
            open_keys(account=account)
        assert self.rotate("--dry-run")["rewrapped"] == 1
        with pytest.raises(KeysUnreadable):
            open_keys(account=account)

        sealed = json.loads(bytes(account.sealed_keys))["sealed"]
        assert self.rotate() == {"rewrapped": 1, "already": 0, "unreadable": 0}
        account.refresh_from_db()
        assert open_keys(account=account) == KEYS
        assert json.loads(bytes(account.sealed_keys))["sealed"] == sealed
        assert self.rotate() == {"rewrapped": 0, "already": 1, "unreadable": 0}

    def test_a_wrong_old_kek_changes_nothing(
        self, account: ExchangeAccount, settings: Any
    ) -> None:
        settings.KEYS_KEK_OLD = bytes(32)
        with pytest.raises(SystemExit):
            self.rotate()
        before = bytes(account.sealed_keys)
        account.refresh_from_db()
        assert bytes(account.sealed_keys) == before

    def test_without_the_old_kek_it_says_so(
        self, account: ExchangeAccount, settings: Any
    ) -> None:
        settings.KEYS_KEK_OLD = None
        with pytest.raises(CommandError, match="DANTARO_KEYS_KEK_OLD"):
            self.rotate()
