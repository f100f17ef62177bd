"""Stored keys that do not open: said at every start, and nobody else waits for them."""

from __future__ import annotations

import importlib
import io
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import OperationalError, connections

from tests.user.factories import make_account, make_bot, make_user
from tests.user.floor import Floor
from user_project.accounts import services, startup
from user_project.accounts.keys import ExchangeKeys, seal_keys
from user_project.accounts.models import ExchangeAccount
from user_project.bots import canary, reconcile, runner
from user_project.bots.doctor import account_health
from user_project.bots.management.commands import watch
from user_project.bots.models import Cycle
from user_project.bots.runner import run_bot

pytestmark = pytest.mark.django_db
OTHER_KEK = bytes(range(32))
KEYS = ExchangeKeys(access_key="open-4321", secret_key="very-secret")


def seal(account: ExchangeAccount, settings: Any, *, kek: bytes) -> None:
    """Store the keys as a server with *kek* would have."""
    present, settings.KEYS_KEK = settings.KEYS_KEK, kek
    account.sealed_keys = seal_keys(account=account, keys=KEYS)
    account.save(update_fields=("sealed_keys",))
    settings.KEYS_KEK = present


@pytest.fixture
def lost(settings: Any) -> ExchangeAccount:
    """Alice's account, of another KEK; her other one opens."""
    settings.KEYS_KEK = bytes(32)
    alice = make_user("alice")
    account = make_account(alice, name="lost")
    seal(account, settings, kek=OTHER_KEK)
    seal(make_account(alice, name="kept"), settings, kek=settings.KEYS_KEK)
    return account


def test_the_log_names_the_account_and_what_to_do(
    lost: ExchangeAccount, caplog: pytest.LogCaptureFixture
) -> None:
    found = startup.say_unreadable_keys()

    assert found == [str(lost)]
    for words in (str(lost.pk), "DANTARO_KEYS_KEK_OLD", "rotate_keks", "되돌리거나"):
        assert words in caplog.text
    assert "kept" not in caplog.text
    assert_no_secret(caplog.text)


def test_a_damaged_row_is_not_blamed_on_the_kek(
    lost: ExchangeAccount, caplog: pytest.LogCaptureFixture
) -> None:
    ExchangeAccount.objects.filter(pk=lost.pk).update(sealed_keys=b"garbage")

    startup.say_unreadable_keys()

    assert "손상" in caplog.text
    assert "KEK" not in caplog.text


def test_the_check_of_the_database_warns_and_does_not_fail(
    lost: ExchangeAccount,
) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("check", databases=["default"], stdout=out, stderr=err)

    said = out.getvalue() + err.getvalue()
    assert said.count("dantaro_user.W003") == 1
    assert str(lost.pk) in said
    assert "DANTARO_KEYS_KEK_OLD" in said
    assert_no_secret(said)


def test_a_check_without_the_database_does_not_read_it(lost: ExchangeAccount) -> None:
    assert len(run_checks(tags=[Tags.database], databases=["default"])) == 1
    assert run_checks(tags=[Tags.database]) == []


def test_a_database_that_is_away_keeps_nobody_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(ExchangeAccount.objects, "all", away)

    assert startup.say_unreadable_keys() == []


class TestEveryProcess:
    """Each says it once, before it begins to work."""

    @pytest.fixture
    def said(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls: list[str] = []
        for module in (startup, canary, watch):
            monkeypatch.setattr(
                module, "say_unreadable_keys", lambda: calls.append("said")
            )
        return calls

    def test_the_web(self, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "close_all", lambda: said.append("closed"))
        module = importlib.import_module("user_project.wsgi")
        said.clear()

        importlib.reload(module)

        assert said == ["said", "closed"]

    def test_a_worker(self, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            canary, "free_leases", lambda *, worker: said.append("working")
        )
        monkeypatch.setattr(canary, "_watchdog", lambda worker: None)
        monkeypatch.setattr(canary, "watch", lambda dog, stopping: None)

        canary.WatchdogStep(SimpleNamespace()).start(SimpleNamespace(hostname="w"))

        assert said == ["said", "working"]

    def test_the_watcher(
        self, said: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed = SimpleNamespace(start=lambda: said.append("working"), stop=bool)
        monkeypatch.setattr(watch, "PriceFeed", lambda **_: feed)
        monkeypatch.setattr(
            watch, "Watcher", lambda **_: SimpleNamespace(run=lambda **_: None)
        )
        monkeypatch.setattr(watch.signal, "signal", lambda number, handler: None)

        call_command("watch", stdout=io.StringIO())

        assert said == ["said", "working"]


class TestTheAccountConcerned:
    """It waits, unhalted, and goes on by itself when the keys open again."""

    @pytest.fixture(autouse=True)
    def real_keys(
        self, floor: Floor, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Open the keys as in production; behind them is the floor's exchange."""
        settings.KEYS_KEK = bytes(32)
        monkeypatch.setattr(services, "_adapters", {})
        monkeypatch.setattr(services, "_build", lambda *, account, keys: floor.exchange)
        monkeypatch.setattr(runner, "adapter_for", services.adapter_for)
        seal(floor.bot.account, settings, kek=OTHER_KEK)

    def test_its_bots_wait_with_the_reason_and_go_on_afterwards(
        self, floor: Floor, settings: Any
    ) -> None:
        floor.run_often(2 * runner.MOST_FAILURES, seconds=20)

        assert (floor.bot.state, floor.bot.reason) == ("running", "KEYS_UNREADABLE")
        assert (floor.exchange.posts, Cycle.objects.count()) == ([], 0)

        settings.KEYS_KEK = OTHER_KEK
        floor.run_often(3)

        assert Cycle.objects.get().state == "open"
        assert floor.bot.reason != "KEYS_UNREADABLE"

    def test_an_address_that_does_not_fit_holds_them_up_the_same_way(
        self, floor: Floor, settings: Any
    ) -> None:
        settings.KEYS_KEK = OTHER_KEK
        right = floor.bot.account.base_url
        accounts = ExchangeAccount.objects.filter(pk=floor.bot.account_id)
        accounts.update(base_url="https://api.upbit.com")
        floor.run_often(2 * runner.MOST_FAILURES, seconds=20)

        assert (floor.bot.state, floor.bot.reason) == ("running", "WRONG_HOST")
        assert (floor.exchange.posts, Cycle.objects.count()) == ([], 0)

        accounts.update(base_url=right)
        floor.run_often(3)

        assert Cycle.objects.get().state == "open"

    def test_another_accounts_bot_trades_meanwhile(
        self, floor: Floor, settings: Any
    ) -> None:
        bob = make_user("bob")
        account = make_account(bob, reconciled_at=floor.bot.account.reconciled_at)
        seal(account, settings, kek=settings.KEYS_KEK)
        healthy = make_bot(
            bob,
            account=account,
            state="running",
            level="aggressive",
            jitter=0,
            next_tick_at=floor.clock(),
        )

        for _ in range(3):
            floor.run()
            run_bot(bot_id=healthy.pk, worker="worker-a", clock=floor.clock)

        assert Cycle.objects.get().bot == healthy
        assert Cycle.objects.get().state == "open"

    def test_the_others_are_compared_and_it_is_told_why_it_is_not(
        self, floor: Floor, settings: Any
    ) -> None:
        account, now = floor.bot.account, floor.clock()
        other = make_account(make_user("bob"), reconciled_at=None)
        seal(other, settings, kek=settings.KEYS_KEK)
        ExchangeAccount.objects.filter(pk=account.pk).update(reconciled_at=None)

        reconcile.reconcile_all(clock=floor.clock)

        other.refresh_from_db()
        account.refresh_from_db()
        assert (other.reconciled_at, account.reconciled_at) == (now, None)
        level, words = account_health(account=account, now=now)
        assert level == "fail"
        assert "DANTARO_KEYS_KEK_OLD" in words

    def test_the_daily_check_notes_nothing_that_the_right_kek_would_not_clear(
        self, floor: Floor
    ) -> None:
        services.check_all(now=floor.clock())

        assert ExchangeAccount.objects.get().key_problem == ""


def assert_no_secret(text: str) -> None:
    """Neither the keys nor what seals them."""
    for secret in (KEYS.access_key, KEYS.secret_key, OTHER_KEK.hex()):
        assert secret not in text
