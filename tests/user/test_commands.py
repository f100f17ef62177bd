"""The commands an operator types when nothing else runs."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.user.factories import QuietExchange, make_account, make_bot, make_user
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import audit as auditing
from user_project.bots import doctor, emergency, reconcile, services
from user_project.bots.models import (
    Bot,
    BotEvent,
    Cycle,
    LedgerEntry,
    Order,
    QueueHeartbeat,
    ServerSwitch,
)
from user_project.bots.quarantine import lift_quarantine


def run(*words: str, exit_code: int = 0) -> str:
    """Run a command and return what it printed; it must end as told."""
    out, code = io.StringIO(), 0
    try:
        call_command(*words, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    except CommandError as error:
        code = error.returncode
        out.write(str(error))
    assert code == exit_code, out.getvalue()
    return out.getvalue()


@pytest.fixture
def traded(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Floor:
    """A bot that holds its first stage; every command meets the same exchange."""
    for module in (auditing, reconcile, services, doctor):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: floor.exchange)
    floor.run_often(4)
    return floor


class TestAudit:
    def test_sound_books_are_silent(self, traded: Floor) -> None:
        assert "문제 0건" in run("audit")
        assert json.loads(run("audit", "--json")) == []

    @pytest.mark.parametrize(
        ("damage", "code"),
        [
            (lambda: Order.objects.filter(stage=1).update(paid_fee=1), "I1"),
            (lambda: Cycle.objects.update(reserved=0), "I4"),
            (lambda: Cycle.objects.update(volume=Decimal("0.5")), "I5"),
            (lambda: LedgerEntry.objects.first().delete(), "I6"),
            (lambda: Cycle.objects.update(profit=1), "I6"),
            (lambda: LedgerEntry.objects.update(at=timezone.now()), "I6"),
            (lambda: LedgerEntry.objects.update(owner=make_user("bert")), "I6"),
            (
                lambda: Order.objects.filter(stage=2).update(
                    state="unknown", created_at=timezone.now() - timedelta(hours=1)
                ),
                "I7",
            ),
            (lambda: Order.objects.filter(stage=1).update(fence=99), "I8"),
            (lambda: Order.objects.filter(stage=1).update(posted_at=None), "I9"),
        ],
    )
    def test_damage_is_found_and_named(
        self, traded: Floor, damage: Any, code: str
    ) -> None:
        traded.damaged = True
        damage()
        found = json.loads(run("audit", "--json", exit_code=1))
        assert code in {one["code"] for one in found}

    def test_an_order_of_ours_that_no_book_knows_is_found(self, traded: Floor) -> None:
        traded.damaged = True
        order = Order.objects.filter(stage=2).get()
        Order.objects.filter(pk=order.pk).update(identifier="dt1-another")
        found = json.loads(run("audit", "--json", exit_code=1))
        assert "I2" in {one["code"] for one in found}

    def test_coins_that_are_gone_are_found(
        self, traded: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        traded.damaged = True
        monkeypatch.setattr(traded.exchange, "get_balances", dict)
        (one,) = json.loads(run("audit", "--json", exit_code=1))
        assert one["code"] == "I5"

    def test_offline_needs_no_exchange(
        self, traded: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*, account: ExchangeAccount) -> Any:
            raise auditing_error()

        monkeypatch.setattr(auditing, "adapter_for", away)
        run("audit", "--offline")
        assert "--offline" in run("audit", exit_code=2)

    def test_an_unknown_account_is_said(self, traded: Floor) -> None:
        assert "없습니다" in run("audit", "--account", "nobody", exit_code=2)


def auditing_error() -> Exception:
    from user_project.exchanges.adapter import Unavailable

    return Unavailable("HTTP 503")


class TestReconcile:
    def test_looking_changes_nothing(self, traded: Floor) -> None:
        traded.damaged = True
        ExchangeAccount.objects.update(reconciled_at=None)
        traded.exchange.trade_at("98000000")
        (row,) = json.loads(run("reconcile", "--json"))
        assert row["woken"] == 1
        account = ExchangeAccount.objects.get()
        assert account.reconciled_at is None

        run("reconcile", "--apply")
        account.refresh_from_db()
        assert account.reconciled_at is not None

    def test_a_strange_order_is_shown_and_only_applied_quarantines(
        self, traded: Floor
    ) -> None:
        traded.damaged = True
        Order.objects.filter(stage=2).update(identifier="dt1-another")
        assert "우리 기록에 없는" in run("reconcile", exit_code=1)
        assert ExchangeAccount.objects.get().quarantined_at is None
        run("reconcile", "--apply", exit_code=1)
        assert ExchangeAccount.objects.get().quarantined_at is not None
        assert (
            "격리했습니다" in BotEvent.objects.get(kind="account.quarantined").message
        )

    def test_an_order_that_a_person_accepted_quarantines_no_more(
        self, traded: Floor
    ) -> None:
        traded.damaged = True
        Order.objects.filter(stage=2).update(identifier="dt1-another")
        run("reconcile", "--apply", exit_code=1)
        account = ExchangeAccount.objects.get()
        assert len(account.strange_orders) == 1

        lift_quarantine(account=account, note="내 것", by="boss", now=timezone.now())
        run("reconcile", "--apply")

        account.refresh_from_db()
        assert account.quarantined_at is None
        Order.objects.filter(stage=1).update(identifier="dt1-third")
        ExchangeAccount.objects.update(reconciled_at=None)
        run("reconcile", "--apply", exit_code=1)
        account.refresh_from_db()
        assert len(account.strange_orders) == 1
        assert account.strange_orders != account.accepted_orders


class TestReplay:
    def test_every_order_of_a_round_is_decided_again(self, traded: Floor) -> None:
        for order in Order.objects.all():
            rows = json.loads(run("replay", order.identifier, "--json"))
            assert [row["equal"] for row in rows] == [True, True]
            assert all(row["kept"] == row["again"] != "" for row in rows)

    def test_another_amount_is_a_difference(self, traded: Floor) -> None:
        order = Order.objects.get(stage=1)
        Order.objects.filter(pk=order.pk).update(funds=order.funds + 1)
        assert "order: 다름" in run("replay", str(order.pk), exit_code=1)

    def test_another_seed_is_a_difference_of_the_plan(self, floor: Floor) -> None:
        Bot.objects.update(jitter=Decimal("0.25"))
        floor.run()
        Cycle.objects.update(start_at=None)
        floor.run_often(4)
        order = Order.objects.get(stage=1)
        run("replay", str(order.pk))
        order.cycle.plan["seed"] = "00ff"
        order.cycle.save()
        assert "plan: 다름" in run("replay", str(order.pk), exit_code=1)

    def test_facts_of_other_rules_are_not_compared(self, traded: Floor) -> None:
        order = Order.objects.get(stage=1)
        order.decided_on["rules_version"] = "1"
        order.save()
        assert "rules version 1" in run("replay", str(order.pk), exit_code=2)
        assert "없습니다" in run("replay", "nothing", exit_code=2)


class TestEmergencyStop:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch, floor: Floor) -> None:
        from user_project.bots.management.commands import emergency_stop

        # The exchange's clock is the test's own: real pauses would tell nothing.
        monkeypatch.setattr(
            emergency_stop.time, "sleep", lambda seconds: floor.clock.pass_seconds(2)
        )
        monkeypatch.setattr(emergency_stop.timezone, "now", floor.clock)

    def test_the_dry_run_only_tells(self, traded: Floor) -> None:
        text = run("emergency_stop", "--sell-all", "--dry-run")
        assert "시장가 매도" in text
        assert "매수 주문 2건 취소" in text
        assert Cycle.objects.get().exit_reason == ""

    def test_it_sells_all_without_any_other_process(self, traded: Floor) -> None:
        body = json.loads(run("emergency_stop", "--sell-all", "--yes", "--json"))
        assert [row["done"] for row in body["results"]] == [True]
        cycle = Cycle.objects.get()
        assert (cycle.state, cycle.exit_reason) == ("closed", "emergency")
        assert ServerSwitch.objects.get().kill_switch_at is not None

    def test_nothing_happens_without_a_yes(self, traded: Floor) -> None:
        assert "--yes" in run("emergency_stop", exit_code=2)
        assert not ServerSwitch.objects.exists()

    def test_the_scope_may_be_one_owner(self, traded: Floor) -> None:
        make_user("bob")
        assert "멈출 봇은 없었고" in run("emergency_stop", "--owner", "bob", "--yes")
        assert "없습니다" in run("emergency_stop", "--owner", "eve", exit_code=2)
        run("emergency_stop", "--owner", "alice", "--yes")
        assert Order.objects.live().filter(side="bid").count() == 0
        assert emergency.switches.server_switch().kill_switch_at is None


class TestBots:
    @pytest.fixture(autouse=True)
    def quiet(self, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
        exchange = QuietExchange(now=timezone.now())
        monkeypatch.setattr(services, "adapter_for", lambda *, account: exchange)

    def test_a_bot_is_made_started_paused_and_stopped(self) -> None:
        from tests.user.factories import make_snapshot

        make_snapshot(timezone.now())
        make_account(make_user("alice"))
        made = run(
            *("bots", "create", "--owner", "alice", "--market", "KRW-BTC"),
            *("--budget", "1000000", "--stages", "3", "--trailing", "0.01"),
            *("--table", "0:1,0.05:2", "--no-crash-brake", "--yes", "--json"),
        )
        (row,) = json.loads(made)
        bot = Bot.objects.get(pk=row["id"])
        assert (bot.stages, bot.trailing, bot.crash_brake) == (
            3,
            Decimal("0.01"),
            False,
        )
        assert bot.stage_table[1] == {"drop": "0.05", "weight": "2"}
        for verb, state in (
            ("start", "running"),
            ("pause", "paused"),
            ("resume", "running"),
            ("finish", "finishing"),
            ("stop", "stopped"),
        ):
            (row,) = json.loads(run("bots", verb, str(bot.pk), "--json"))
            assert row["state"] == state
        assert "할 수 없습니다" in run("bots", "pause", bot.name, exit_code=2)

    @pytest.mark.parametrize(
        "words",
        [
            ("--budget", "NaN"),
            ("--budget", "1000000", "--stages", "21"),
            ("--budget", "1000000", "--multiplier", "2.01"),
            ("--budget", "1000000", "--shape", "round"),
            ("--budget", "1000000", "--table", "0:x"),
        ],
    )
    def test_senseless_options_are_refused(self, words: tuple[str, ...]) -> None:
        make_account(make_user("alice"))
        base = ("bots", "create", "--owner", "alice", "--market", "KRW-BTC", "--yes")
        run(*base, *words, exit_code=2)
        assert Bot.objects.count() == 0

    def test_the_list_says_why(self) -> None:
        bot = make_bot(make_user("alice"), state="running", reason="WAIT_PRICE")
        assert "내려오기를 기다립니다" in run("bots", "list")
        assert json.loads(run("bots", "list", "--owner", "bob", "--json")) == []
        assert json.loads(run("bots", "list", "--json"))[0]["id"] == str(bot.pk)


class TestDoctor:
    def test_it_names_what_is_missing_and_what_to_do(self, traded: Floor) -> None:
        checks = json.loads(run("doctor", "--json", exit_code=1))
        levels = {check["name"]: check["level"] for check in checks}
        assert levels["database"] == "ok"
        assert levels["redis"] == "ok"
        assert levels["queue bots.0"] == "fail"
        assert all(check["text"] for check in checks)

    def test_a_living_queue_is_well(self, traded: Floor) -> None:
        now = timezone.now()
        QueueHeartbeat.objects.create(queue="bots.0", worker="w", seen_at=now)
        levels = {check.name: check.level for check in doctor.examine(now=now)}
        assert levels["queue bots.0"] == "ok"
        assert levels["queue bots.1"] == "fail"

    def test_trouble_of_an_account_is_told(self, traded: Floor) -> None:
        ExchangeAccount.objects.update(
            quarantined_at=timezone.now(), quarantine_reason="둘이 하나를"
        )
        assert "둘이 하나를" in run("doctor", exit_code=1)

    @pytest.mark.parametrize("state", ["posting", "unknown", "abandoned_watch"])
    def test_an_order_without_a_result_is_told(self, traded: Floor, state: str) -> None:
        traded.damaged = True  # the audit finds such an order, too
        order = Order.objects.filter(state="filled")[:1].get()
        order.state, order.created_at = state, timezone.now() - timedelta(minutes=11)
        order.save()
        checks = {check.name: check for check in doctor.examine(now=timezone.now())}
        assert checks["orders"].level == "fail"
        assert "1건" in checks["orders"].text

    def test_redis_away_is_told(self, traded: Floor, settings: Any) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        checks = {check.name: check for check in doctor.examine(now=timezone.now())}
        assert checks["redis"].level == "fail"
