"""Exchange accounts: checked before they are saved, kept away from wrong hosts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django_celery_beat.models import PeriodicTask

from tests.user.factories import NOW, PASSWORD, QuietExchange, make_user
from user_project.accounts import services
from user_project.accounts.hosts import host_problem
from user_project.accounts.key_reports import summary
from user_project.accounts.keys import open_keys
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import (
    AccountProblem,
    adapter_for,
    check_account,
    check_all,
    create_account,
)
from user_project.bots.identifiers import is_ours
from user_project.celery import app
from user_project.exchanges.adapter import (
    FORBIDDEN_RIGHTS,
    ExchangeError,
    KeyRefused,
    KeyReport,
    Right,
    Unavailable,
)
from user_project.exchanges.upbit_keys import TEST_PREFIX

URL = "http://127.0.0.1:9000"
ACCESS, SECRET = "ACCESS-canary-1234", "SECRET-canary-5678"
GOOD = KeyReport(
    accepted=True,
    expires_at=NOW + timedelta(days=300),
    withdraw_refused=True,
    message="the key works",
)

pytestmark = pytest.mark.django_db


class Gate(QuietExchange):
    """Answers key checks as told and remembers how it was built."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict: KeyReport | ExchangeError = GOOD
        self.built: list[dict[str, Any]] = []
        self.closed = 0

    def check_key(self) -> KeyReport:
        if isinstance(self.verdict, ExchangeError):
            raise self.verdict
        return self.verdict

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Put a scripted exchange behind every account."""
    exchange = Gate()

    def build(**options: Any) -> Gate:
        exchange.built.append(options)
        return exchange

    monkeypatch.setattr(services, "build_adapter", build)
    monkeypatch.setattr(services, "_adapters", {})
    return exchange


@pytest.fixture
def minsu() -> Any:
    return make_user("민수")


def new_account(owner: Any, **changes: Any) -> ExchangeAccount:
    values = {
        "name": "모의",
        "mode": "paper",
        "base_url": URL,
        "access_key": ACCESS,
        "secret_key": SECRET,
    }
    return create_account(owner=owner, now=NOW, **{**values, **changes})


def test_a_checked_account_is_saved_sealed(gate: Gate, minsu: Any) -> None:
    account = new_account(minsu, base_url=URL + "/", access_key=f" {ACCESS}\n")

    saved = ExchangeAccount.objects.get(pk=account.pk)
    assert (saved.base_url, saved.access_key_last4) == (URL, "1234")
    assert saved.key_expires_at == GOOD.expires_at
    assert open_keys(account=saved).secret_key == SECRET
    assert open_keys(account=saved).access_key == ACCESS
    assert gate.closed == 1


@pytest.mark.parametrize(
    ("verdict", "code", "remedy"),
    [
        (KeyRefused("no", name="invalid_access_key"), "KEY_REFUSED", "Access key"),
        (KeyRefused("no", name="brand_new"), "KEY_REFUSED", "허용 IP"),
        (
            KeyReport(
                accepted=False,
                expires_at=None,
                withdraw_refused=None,
                message="no_authorization_ip: no",
            ),
            "KEY_REFUSED",
            "IP 주소를 허용",
        ),
        (
            KeyReport(accepted=True, expires_at=NOW, withdraw_refused=True, message=""),
            "KEY_REFUSED",
            "새 키",
        ),
        (
            KeyReport(
                accepted=False,
                expires_at=None,
                withdraw_refused=None,
                message="no_authorization_i_p: no",
                egress="10.0.0.5",
            ),
            "KEY_REFUSED",
            "10.0.0.5",
        ),
        (replace(GOOD, withdraw_refused=False), "KEY_CAN_WITHDRAW", "출금 권한이 없는"),
        (
            replace(GOOD, has=frozenset({Right.WITHDRAW, Right.TRANSFER})),
            "KEY_CAN_WITHDRAW",
            "출금하기, 포켓 간 이동",
        ),
        (
            replace(GOOD, lacks=frozenset({Right.PLACE_ORDERS, Right.VIEW_ORDERS})),
            "KEY_REFUSED",
            "주문조회, 주문하기",
        ),
        (Unavailable("timeout"), "EXCHANGE_UNREACHABLE", URL),
    ],
)
def test_a_key_that_does_not_pass_saves_nothing(
    gate: Gate, minsu: Any, verdict: Any, code: str, remedy: str
) -> None:
    gate.verdict = verdict

    with pytest.raises(AccountProblem) as caught:
        new_account(minsu)

    assert caught.value.code == code
    assert remedy in caught.value.message
    assert "canary" not in caught.value.message
    assert not ExchangeAccount.objects.exists()


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"base_url": "https://api.upbit.com"}, "WRONG_HOST", "base_url"),
        ({"mode": "live"}, "WRONG_HOST", "base_url"),
        (
            {"mode": "live", "base_url": "https://api.upbit.com"},
            "LIVE_OFF",
            "mode",
        ),
        ({"exchange": "mtgox"}, "UNKNOWN_EXCHANGE", "exchange"),
        ({"access_key": ""}, "KEYS_MISSING", "access_key"),
        ({"secret_key": "  "}, "KEYS_MISSING", "secret_key"),
        ({"secret_key": "비밀"}, "KEY_MALFORMED", "secret_key"),
        ({"access_key": "two words"}, "KEY_MALFORMED", "access_key"),
        ({"name": " "}, "INVALID_NAME", "name"),
        ({"name": "x" * 61}, "INVALID_NAME", "name"),
    ],
)
def test_wrong_input_is_refused_before_the_exchange_is_asked(
    gate: Gate, minsu: Any, changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(AccountProblem) as caught:
        new_account(minsu, **changes)

    assert (caught.value.code, caught.value.field) == (code, field)
    assert gate.built == []
    assert not ExchangeAccount.objects.exists()


def test_a_name_is_free_once_per_owner(gate: Gate, minsu: Any) -> None:
    new_account(minsu)
    new_account(make_user("영희"))

    with pytest.raises(AccountProblem) as caught:
        new_account(minsu)

    assert caught.value.code == "NAME_TAKEN"
    assert ExchangeAccount.objects.count() == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://api.upbit.com",
        "https://upbit.com",
        "https://API.UPBIT.COM",
        "https://api.upbit.com.",
        "https://api.upbit.com:443/",
        "http://sg-api.upbit.com:8080",
        "https://user@api.upbit.com",
        "https://127.0.0.1@api.upbit.com",
        "https://api.upbit.com@127.0.0.1",
        "https://api.upbit.com\\@127.0.0.1",
        "http://127.0.0.1\\@api.upbit.com",
        "http://127.0.0.1#@api.upbit.com",
        "https://api.%75pbit.com",
        "https://api.ｕpbit.com",
        "https://api。upbit。com",
        "https://api.upbit.com\n",
        " https://api.upbit.com",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:9000",
        "",
    ],
)
def test_no_trick_lets_paper_reach_upbit(url: str) -> None:
    assert host_problem(mode="paper", base_url=url)


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        ("paper", "http://127.0.0.1:9000"),
        ("paper", "http://localhost:9000/"),
        ("paper", "https://simulator.example.com"),
        ("paper", "http://notupbit.com"),
        ("paper", "http://upbit.com.example.com"),
        ("live", "https://api.upbit.com"),
    ],
)
def test_the_right_host_of_each_mode_passes(mode: str, url: str) -> None:
    assert host_problem(mode=mode, base_url=url) is None


@pytest.mark.parametrize("url", ["http://api.upbit.com", URL, "https://notupbit.com"])
def test_live_reaches_upbit_over_tls_only(url: str) -> None:
    assert host_problem(mode="live", base_url=url)


def test_the_model_itself_refuses_a_wrong_host(minsu: Any) -> None:
    account = ExchangeAccount(owner=minsu, name="x", base_url="https://api.upbit.com")

    with pytest.raises(ValidationError, match="모의투자"):
        account.clean()


def test_adapters_are_kept_until_the_keys_change(gate: Gate, minsu: Any) -> None:
    account = new_account(minsu)
    gate.built.clear()

    adapter_for(account=account)
    adapter_for(account=ExchangeAccount.objects.get(pk=account.pk))
    account.sealed_keys = services.seal_keys(
        account=account, keys=services.ExchangeKeys("other", "pair")
    )
    adapter_for(account=account)

    assert [options["access_key"] for options in gate.built] == [ACCESS, "other"]
    assert {options["pocket"] for options in gate.built} == {str(account.pk)}


def test_a_row_changed_behind_our_back_gets_no_adapter(gate: Gate, minsu: Any) -> None:
    account = new_account(minsu)
    adapter_for(account=account)
    gate.built.clear()
    ExchangeAccount.objects.update(base_url="https://api.upbit.com")

    with pytest.raises(AccountProblem) as caught:
        adapter_for(account=ExchangeAccount.objects.get())

    assert caught.value.code == "WRONG_HOST"
    assert gate.built == []


def test_another_kek_is_explained_before_anything_is_asked(
    gate: Gate, minsu: Any, settings: Any
) -> None:
    account = new_account(minsu)
    gate.built.clear()
    settings.KEYS_KEK = bytes(32)

    with pytest.raises(AccountProblem, match="DANTARO_KEYS_KEK") as caught:
        adapter_for(account=account)

    assert caught.value.code == "KEYS_UNREADABLE"
    assert gate.built == []


def test_a_check_notes_a_refused_key_and_a_pass_clears_it(
    gate: Gate, minsu: Any
) -> None:
    account = new_account(minsu)
    gate.verdict = KeyRefused("expired", name="expired_access_key")
    with pytest.raises(AccountProblem):
        check_account(account=account, now=NOW)
    noted = ExchangeAccount.objects.get().key_problem
    gate.verdict = GOOD

    check_account(account=account, now=NOW)

    assert "expired_access_key" in noted
    assert ExchangeAccount.objects.get().key_problem == ""


def test_a_test_order_is_never_taken_for_one_of_ours() -> None:
    assert not is_ours(TEST_PREFIX + "0" * 32)


@pytest.mark.parametrize(
    ("report", "parts"),
    [
        (GOOD, ("300일 남았습니다.", "Open API 관리 화면에서")),
        (replace(GOOD, expires_at=None), ("키가 작동합니다. 거래소가",)),
        (
            replace(GOOD, expires_at=NOW + timedelta(days=7, hours=5)),
            ("7일 남았습니다. 연장할 수 없으니",),
        ),
        (
            replace(
                GOOD,
                has=frozenset({Right.PLACE_ORDERS}),
                lacks=frozenset(FORBIDDEN_RIGHTS),
                allowed_ips=("203.0.113.7", "203.0.113.8"),
            ),
            (
                "주문 권한을 확인했습니다.",
                "출금·입금·이동 권한이 없음을 확인했습니다.",
                "203.0.113.7, 203.0.113.8",
            ),
        ),
    ],
    ids=["usual", "no expiry", "soon", "all told"],
)
def test_a_passed_check_says_what_is_proven_and_what_to_look_after(
    report: KeyReport, parts: tuple[str, ...]
) -> None:
    text = summary(report=report, now=NOW)

    assert [part for part in parts if part not in text] == []


class TestDailyCheck:
    def test_every_usable_account_is_tested(self, gate: Gate, minsu: Any) -> None:
        first, second = new_account(minsu), new_account(minsu, name="둘째")
        quarantined = new_account(minsu, name="격리")
        ExchangeAccount.objects.update(key_expires_at=None)
        ExchangeAccount.objects.filter(pk=quarantined.pk).update(quarantined_at=NOW)

        check_all(now=NOW)

        seen = ExchangeAccount.objects.exclude(key_expires_at=None)
        assert {account.pk for account in seen} == {first.pk, second.pk}

    def test_a_problem_of_one_is_noted_and_the_next_is_tested(
        self, gate: Gate, minsu: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        new_account(minsu)
        new_account(minsu, name="둘째")
        gate.verdict = KeyRefused("no", name="expired_access_key")

        check_all(now=NOW)

        assert caplog.text.count("expired_access_key") == 2
        assert not ExchangeAccount.objects.filter(key_problem="").exists()

    @pytest.mark.parametrize(("days", "warned"), [(31, False), (30, True), (1, True)])
    def test_an_expiry_that_comes_near_is_warned_of(
        self,
        gate: Gate,
        minsu: Any,
        caplog: pytest.LogCaptureFixture,
        days: int,
        warned: bool,
    ) -> None:
        new_account(minsu)
        gate.verdict = replace(GOOD, expires_at=NOW + timedelta(days=days))

        check_all(now=NOW)

        assert (f"expires in {days} days" in caplog.text) is warned

    def test_it_is_on_the_schedule_once_a_day(self) -> None:
        task = PeriodicTask.objects.get(task="accounts.check_keys")

        assert (task.queue, task.interval.every) == ("housekeeping", 1)
        assert task.interval.period == "days"
        app.loader.import_default_modules()
        assert task.task in app.tasks


def test_an_exchange_that_is_away_says_nothing_about_the_key(
    gate: Gate, minsu: Any
) -> None:
    account = new_account(minsu)
    gate.verdict = Unavailable("timeout")

    with pytest.raises(AccountProblem) as caught:
        check_account(account=account, now=NOW)

    assert caught.value.code == "EXCHANGE_UNREACHABLE"
    assert ExchangeAccount.objects.get().key_problem == ""


class TestCommands:
    """``create_account`` and ``check_account``."""

    @pytest.fixture(autouse=True)
    def _keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DANTARO_ACCESS_KEY", ACCESS)
        monkeypatch.setenv("DANTARO_SECRET_KEY", SECRET)

    def create(self, *extra: str, owner: str = "민수") -> None:
        arguments = ("--owner", owner, "--name", "모의", "--base-url", URL)
        call_command("create_account", *arguments, *extra)

    def test_creating_twice_makes_one_account(
        self, gate: Gate, minsu: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.create("--json")
        first = json.loads(capsys.readouterr().out)
        self.create("--json")
        second = json.loads(capsys.readouterr().out)

        assert (first["created"], second["created"]) == (True, False)
        assert first["id"] == second["id"]
        assert ExchangeAccount.objects.count() == 1

    def test_an_unknown_owner_is_named_with_the_remedy(self, gate: Gate) -> None:
        with pytest.raises(CommandError, match="createsuperuser"):
            self.create(owner="nobody")

    def test_a_refused_key_ends_with_its_sentence(self, gate: Gate, minsu: Any) -> None:
        gate.verdict = KeyRefused("no", name="invalid_access_key")

        with pytest.raises(CommandError, match="KEY_REFUSED"):
            self.create()

    def test_checking_says_how_it_went(
        self, gate: Gate, minsu: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.create()

        call_command("check_account", "모의")

        output = capsys.readouterr()
        assert "키가 작동합니다. 만료까지" in output.out
        assert "canary" not in output.out + output.err
        with pytest.raises(CommandError, match="no account named"):
            call_command("check_account", "없음")


class TestAdmin:
    """The admin pages of accounts."""

    @pytest.fixture
    def browser(self) -> Client:
        admin = make_user("관리자", password=PASSWORD, is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(admin)
        return client

    def add(self, browser: Client, owner: Any, **changes: Any) -> Any:
        values = {
            "owner": owner.pk,
            "name": "모의",
            "mode": "paper",
            "base_url": URL,
            "access_key": ACCESS,
            "secret_key": SECRET,
        }
        return browser.post(
            "/admin/accounts/exchangeaccount/add/", {**values, **changes}
        )

    def test_an_account_is_added_and_never_shows_its_keys(
        self, gate: Gate, browser: Client, minsu: Any
    ) -> None:
        answer = self.add(browser, minsu)

        account = ExchangeAccount.objects.get()
        assert answer.status_code == 302
        for page in ("", f"{account.pk}/change/"):
            url = f"/admin/accounts/exchangeaccount/{page}"
            text = browser.get(url).content.decode()
            assert "1234" in text
            assert "canary" not in text

    def test_what_is_wrong_is_shown_beside_its_field(
        self, gate: Gate, browser: Client, minsu: Any
    ) -> None:
        answer = self.add(browser, minsu, base_url="https://api.upbit.com")

        assert answer.status_code == 200
        assert "모의투자 계정은 실제 업비트 주소를" in answer.content.decode()
        assert SECRET not in answer.content.decode()
        assert not ExchangeAccount.objects.exists()

    def test_an_existing_account_keeps_its_host_and_mode(
        self, gate: Gate, browser: Client, minsu: Any
    ) -> None:
        account = new_account(minsu)

        browser.post(
            f"/admin/accounts/exchangeaccount/{account.pk}/change/",
            {"name": "새 이름", "base_url": "https://api.upbit.com", "mode": "live"},
        )

        account.refresh_from_db()
        assert (account.name, account.base_url, account.mode) == (
            "새 이름",
            URL,
            "paper",
        )

    def test_the_key_check_reports_in_a_message(
        self, gate: Gate, browser: Client, minsu: Any
    ) -> None:
        account = new_account(minsu)
        gate.verdict = KeyRefused("no", name="no_authorization_ip")

        answer = browser.post(
            "/admin/accounts/exchangeaccount/",
            {"action": "check_keys", "_selected_action": str(account.pk)},
            follow=True,
        )

        assert "IP 주소를 허용" in answer.content.decode()
