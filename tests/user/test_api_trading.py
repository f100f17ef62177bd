"""The API beyond reading: the owner's hand, stops, repeated requests, the year's books."""

from __future__ import annotations

import csv
import io
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.user.factories import (
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.accounts import services as account_services
from user_project.accounts.keys import open_keys
from user_project.api.models import IdempotentRequest
from user_project.bots import adjustments, exports, prices, quotes, services
from user_project.bots.models import Adjustment, Bot, Fill, LedgerEntry, Order
from user_project.trading.orders import PriceQuote

pytestmark = pytest.mark.django_db
OPTIONS = {"budget": "1000000", "market": "KRW-BTC"}
FILE = Path(settings.BASE_DIR) / "docs" / "openapi" / "user-v1.yaml"


@pytest.fixture(autouse=True)
def exchange(monkeypatch: pytest.MonkeyPatch) -> QuietExchange:
    """An exchange that answers questions, and the price everybody sees."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    quote = PriceQuote(
        market="KRW-BTC", price=Decimal(101_000_000), received_at=timezone.now()
    )
    monkeypatch.setattr(prices, "shared", lambda *, host, market: quote)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {"KRW-BTC": quote})
    return quiet


@pytest.fixture
def owner() -> Any:
    make_snapshot(timezone.now())
    return make_user("alice")


class Api:
    """A logged-in caller."""

    def __init__(self, user: Any) -> None:
        self.client = Client()
        self.client.force_login(user)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1/{path}",
            body or {},
            content_type="application/json",
            headers={name.replace("_", "-"): text for name, text in headers.items()},
        )

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(
            f"/api/v1/{path}", body, content_type="application/json"
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}")


@pytest.fixture
def api(owner: Any) -> Api:
    return Api(owner)


@pytest.fixture
def story(owner: Any) -> Bot:
    """A running bot whose account was looked at a moment ago."""
    return make_story(owner, account=make_account(owner, reconciled_at=timezone.now()))


class TestOptions:
    FULL = {
        "stages": 5,
        "stage_table": [
            {"drop": "0", "weight": "1"},
            {"drop": "0.05", "weight": "2"},
        ],
        "max_depth": "0.3",
        "resting_stages": 0,
        "trailing": "0.01",
        "stop_below_last": "0.1",
        "break_even_after": "0.02",
        "max_hold_hours": 240,
        "max_cycles": 3,
        "reinvest": "0.5",
        "reentry": "last_sell",
        "crash_brake": False,
    }

    def test_every_option_is_kept_and_told(self, api: Api, owner: Any) -> None:
        make_account(owner)
        made = api.post("bots", {**OPTIONS, **self.FULL})
        assert made.status_code == 201
        assert {name: made.json()[name] for name in self.FULL} == self.FULL

    def test_an_idle_bot_is_changed_in_part(self, api: Api, owner: Any) -> None:
        bot = make_bot(owner)
        answer = api.patch(f"bots/{bot.pk}", {"trailing": "0.02", "stages": 3})
        assert answer.status_code == 200
        bot.refresh_from_db()
        assert (bot.trailing, bot.stages, bot.budget) == (Decimal("0.02"), 3, 1_000_000)
        api.patch(f"bots/{bot.pk}", {"trailing": None})
        bot.refresh_from_db()
        assert bot.trailing is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("budget", "NaN"),
            ("budget", "Infinity"),
            ("budget", "1e6"),
            ("budget", "1" * 30),
            ("budget", "-1"),
            ("stages", 0),
            ("stages", 21),
            ("stages", "seven"),
            ("multiplier", "2.01"),
            ("multiplier", "0.99"),
            ("take_profit", "0"),
            ("trailing", "0.5"),
            ("stop_below_last", "0"),
            ("reentry", "whenever"),
            ("max_cycles", 0),
            ("stage_table", [{"drop": "0.1", "weight": "1"}]),
            ("stage_table", [{"drop": "0", "weight": "NaN"}]),
            ("stage_table", [{"drop": "0", "weight": "1"}] * 2),
            ("stage_table", [{"drop": f"0.{n:02}", "weight": "1"} for n in range(21)]),
            ("colour", "red"),
        ],
    )
    def test_senseless_options_name_the_field(
        self, api: Api, owner: Any, field: str, value: Any
    ) -> None:
        make_account(owner)
        for path in ("bots", "bots/preview"):
            answer = api.post(path, {**OPTIONS, field: value})
            assert answer.status_code == 400
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert str(answer.json()["field"]).startswith(field)
        assert Bot.objects.count() == 0


class TestTheOwnersHand:
    def test_a_running_round_is_changed(self, api: Api, story: Bot) -> None:
        bought = api.post(f"bots/{story.pk}/buy-now", {"amount": "50000"})
        moved = api.post(f"bots/{story.pk}/take-profit", {"take_profit": "0.03"})
        skipped = api.post(f"bots/{story.pk}/skip-stage", {"stage": 2})

        assert [a.status_code for a in (bought, moved, skipped)] == [200, 200, 200]
        changes = skipped.json()["cycle"]["owner_changes"]
        assert changes["take_profit"] == "0.03"
        assert changes["skipped"] == [2]
        assert changes["manual_buys"][0]["amount"] == "50000"

    @pytest.mark.parametrize(
        ("action", "body", "code"),
        [
            ("buy-now", {"amount": "100"}, "MIN_ORDER"),
            ("skip-stage", {"stage": 1}, "UNKNOWN_STAGE"),
            ("take-profit", {"take_profit": "2"}, "OUT_OF_RANGE"),
        ],
    )
    def test_a_wish_that_cannot_be_is_explained(
        self, api: Api, story: Bot, action: str, body: Any, code: str
    ) -> None:
        answer = api.post(f"bots/{story.pk}/{action}", body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)

    def test_stop_and_sell_marks_the_round(self, api: Api, story: Bot) -> None:
        answer = api.post(f"bots/{story.pk}/stop-and-sell").json()
        assert answer["cycle"]["exit_reason"] == "owner"
        assert answer["bot"]["state"] == "finishing"

    def test_coins_are_released_once_nothing_rests(self, api: Api, story: Bot) -> None:
        answer = api.post(f"bots/{story.pk}/release-coins")
        assert answer.status_code == 200
        cycle = story.cycles.get()
        assert (cycle.state, cycle.volume) == ("closed", 0)

    def test_a_switch_is_turned_on_and_off(self, api: Api, story: Bot) -> None:
        on = api.post(f"bots/{story.pk}/kill-switch", {"on": True}).json()
        assert on["bot"]["kill_switch_at"] is not None
        path = f"accounts/{story.account_id}/kill-switch"
        assert api.post(path, {"on": True}).json()["kill_switch_at"] is not None
        assert api.post(path, {"on": False}).json()["kill_switch_at"] is None

    def test_a_copy_waits_to_be_started(self, api: Api, story: Bot) -> None:
        copy = api.post(f"bots/{story.pk}/clone", {"name": "둘째"})
        assert copy.status_code == 201
        assert (copy.json()["state"], copy.json()["name"]) == ("draft", "둘째")


class TestAccounts:
    def test_caps_are_set_one_by_one(self, api: Api, owner: Any) -> None:
        account = make_account(owner)
        api.patch(f"accounts/{account.pk}", {"cap_budget": "5000000"})
        answer = api.patch(f"accounts/{account.pk}", {"cap_cycles": 3}).json()
        assert (answer["cap_budget"], answer["cap_cycles"]) == ("5000000", 3)
        assert answer["cap_coin"] is None
        assert (
            api.patch(f"accounts/{account.pk}", {"cap_coin": "-1"}).status_code == 400
        )

    def test_new_keys_replace_the_old_and_are_never_shown(
        self, api: Api, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report = QuietExchange(now=timezone.now()).check_key()
        monkeypatch.setattr(account_services, "_ask", lambda **_: report)
        account = make_account(owner)
        body = {"access_key": "new-access-9876", "secret_key": "very-secret-1234"}

        answer = api.post(f"accounts/{account.pk}/keys", body, Idempotency_Key="k-1")
        again = api.post(f"accounts/{account.pk}/keys", body, Idempotency_Key="k-1")

        account.refresh_from_db()
        assert open_keys(account=account).secret_key == "very-secret-1234"
        assert answer.json()["access_key_last4"] == "9876"
        assert again.headers["Idempotent-Replayed"] == "true"
        kept = IdempotentRequest.objects.get()
        shown = answer.content.decode() + kept.body + kept.request_sha256
        assert "very-secret-1234" not in shown
        assert "new-access" not in shown

    def test_keys_that_do_not_work_leave_the_old_ones(
        self, api: Api, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**_: Any) -> Any:
            raise account_services.AccountProblem("KEY_REFUSED", "거부", field=None)

        monkeypatch.setattr(account_services, "_ask", refuse)
        account = make_account(owner, sealed_keys=b"old")
        answer = api.post(
            f"accounts/{account.pk}/keys",
            {"access_key": "abcd", "secret_key": "efgh"},
        )
        account.refresh_from_db()
        assert (answer.status_code, bytes(account.sealed_keys)) == (400, b"old")


class TestEmergency:
    def test_the_dry_run_is_the_default_and_changes_nothing(
        self, api: Api, story: Bot
    ) -> None:
        answer = api.post("emergency-stop", {"sell_all": True}).json()
        (effect,) = answer["effects"]
        assert (effect["volume"], effect["estimated_won"]) == ("0.002", "202000")
        assert answer["id"] is None
        story.refresh_from_db()
        assert story.state == "running"

    def test_selling_everything_wants_its_words(self, api: Api, story: Bot) -> None:
        body = {"sell_all": True, "dry_run": False}
        refused = api.post("emergency-stop", body)
        assert (refused.status_code, refused.json()["field"]) == (400, "confirm")
        done = api.post("emergency-stop", {**body, "confirm": "SELL ALL"}).json()
        assert [row["done"] for row in done["results"]] == [False]
        told = api.get(f"emergency-stop/{done['id']}").json()
        assert told["effects"] == done["effects"]
        assert story.cycles.get().exit_reason == "emergency"
        other = Api(make_user("bob"))
        assert other.get(f"emergency-stop/{done['id']}").status_code == 404

    def test_a_foreign_account_is_no_scope(self, api: Api, story: Bot) -> None:
        stranger = make_account(make_user("bob"))
        body = {"account": str(stranger.pk)}
        assert api.post("emergency-stop", body).status_code == 404


class TestRepeatedRequests:
    def test_the_same_request_is_carried_out_once(self, api: Api, owner: Any) -> None:
        make_account(owner)
        first = api.post("bots", OPTIONS, Idempotency_Key="a")
        second = api.post("bots", OPTIONS, Idempotency_Key="a")

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"
        assert Bot.objects.count() == 1

    def test_a_refusal_is_repeated_too(self, api: Api, owner: Any) -> None:
        body = {**OPTIONS, "stages": 21}
        answers = [api.post("bots", body, Idempotency_Key="a") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert answers[0].json() == answers[1].json()

    def test_a_key_belongs_to_one_request(self, api: Api, owner: Any) -> None:
        make_account(owner)
        api.post("bots", OPTIONS, Idempotency_Key="a")
        other = api.post("bots", {**OPTIONS, "stages": 3}, Idempotency_Key="a")
        assert (other.status_code, other.json()["code"]) == (
            422,
            "IDEMPOTENCY_KEY_REUSED",
        )

    def test_keys_of_two_owners_do_not_meet(self, api: Api, owner: Any) -> None:
        bob = make_user("bob")
        for user in (owner, bob):
            make_account(user)
            assert (
                Api(user).post("bots", OPTIONS, Idempotency_Key="a").status_code == 201
            )
        assert Bot.objects.count() == 2

    def test_a_request_under_way_is_waited_for(self, api: Api, owner: Any) -> None:
        make_account(owner)
        api.post("bots", OPTIONS, Idempotency_Key="a")
        IdempotentRequest.objects.update(status=None)
        busy = api.post("bots", OPTIONS, Idempotency_Key="a")
        assert (busy.status_code, busy.headers["Retry-After"]) == (409, "1")

        IdempotentRequest.objects.update(at=timezone.now() - timedelta(minutes=2))
        assert api.post("bots", OPTIONS, Idempotency_Key="a").status_code == 201

    def test_what_failed_on_our_side_may_be_tried_again(
        self, api: Api, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_account(owner)

        def unavailable(**_: Any) -> Any:
            raise services.BotProblem("STALE_PRICE", "나중에")

        with monkeypatch.context() as broken:
            broken.setattr(services, "create_bot", unavailable)
            failed = api.post("bots", OPTIONS, Idempotency_Key="a")
        assert failed.status_code == 503
        assert api.post("bots", OPTIONS, Idempotency_Key="a").status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 65, "é"])
    def test_a_malformed_key_is_refused(self, api: Api, owner: Any, key: str) -> None:
        make_account(owner)
        assert api.post("bots", OPTIONS, Idempotency_Key=key).status_code == 400

    def test_old_answers_are_forgotten(self, api: Api, owner: Any) -> None:
        make_account(owner)
        api.post("bots", OPTIONS, Idempotency_Key="a")
        IdempotentRequest.objects.update(at=timezone.now() - timedelta(hours=25))
        api.post("bots", {**OPTIONS, "stages": 3}, Idempotency_Key="b")
        assert IdempotentRequest.objects.get().key == "b"


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_make_one_bot(exchange: QuietExchange) -> None:
    make_snapshot(timezone.now())
    owner = make_user("alice")
    make_account(owner)
    start, answers = threading.Barrier(4), []

    def ask() -> None:
        api = Api(owner)
        start.wait()
        try:
            answers.append(api.post("bots", OPTIONS, Idempotency_Key="a").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Bot.objects.count() == 1
    assert set(answers) <= {201, 409}
    assert 201 in answers


@pytest.fixture
def traded(story: Bot) -> Bot:
    """A sale with 1,234.5 won of profit on New Year's Eve, shortly before midnight UTC."""
    cycle = story.cycles.get()
    order = Order.objects.create(
        bot=story,
        cycle=cycle,
        stage=0,
        side="ask",
        attempt=1,
        identifier="dt1-sale",
        market="KRW-BTC",
        kind="limit",
        body_sha256="0" * 64,
        state="filled",
        fence=1,
    )
    fill = Fill.objects.create(
        order=order,
        trade_uuid="t-sale",
        price=101_000_000,
        volume=Decimal("0.002"),
        funds=202_000,
        fee=101,
        traded_at=datetime(2026, 12, 31, 15, 30, tzinfo=UTC),
    )
    for account, amount in (("profit", "-1234.5"), ("fee", "101"), ("cash", "1133.5")):
        LedgerEntry.objects.create(
            fill=fill,
            cycle=cycle,
            owner=cycle.bot.owner,
            account=account,
            currency="KRW",
            amount=amount,
            at=fill.traded_at,
        )
    return story


def _year_of(api: Api, year: int) -> list[dict[str, str]]:
    text = b"".join(api.get(f"pnl/{year}.csv").streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


class TestProfit:
    def test_days_are_korean_days(self, api: Api, traded: Bot) -> None:
        (line,) = api.get("pnl?by=day").json()
        assert line == {
            "key": "2027-01-01",
            "name": "2027-01-01",
            "profit": "1234.5",
            "fees": "101",
        }
        assert api.get("pnl?by=day&last=2026-12-31").json() == []
        assert len(api.get("pnl?by=day&first=2027-01-01&last=2027-01-01").json()) == 1

    @pytest.mark.parametrize("by", ["day", "coin", "bot"])
    def test_every_view_sums_to_the_ledger(
        self, api: Api, traded: Bot, by: str
    ) -> None:
        lines = api.get(f"pnl?by={by}").json()
        profit = sum(Decimal(line["profit"]) for line in lines)
        ledger = sum(
            -entry.amount for entry in LedgerEntry.objects.filter(account="profit")
        )
        assert profit == ledger == Decimal("1234.5")

    def test_another_owner_has_other_books(self, traded: Bot) -> None:
        bob = Api(make_user("bob"))
        assert bob.get("pnl").json() == []
        lines = list(bob.get("pnl/2027.csv").streaming_content)
        assert len(lines) == 1

    def test_the_year_opens_in_a_spreadsheet_and_runs_nothing(
        self, api: Api, traded: Bot
    ) -> None:
        Bot.objects.update(name='=HYPERLINK("http://evil")')
        text = b"".join(api.get("pnl/2027.csv").streaming_content).decode()
        assert text.startswith("\ufeff")
        (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        assert row["체결 시각(KST)"] == "2027-01-01 00:30:00"
        assert row["봇"] == '\'=HYPERLINK("http://evil")'
        assert (row["금액(원)"], row["실현손익(원)"]) == ("202000", "1234.5")

    def test_coins_that_left_without_a_sale_are_in_the_year_too(
        self, api: Api, traded: Bot
    ) -> None:
        traded.cycles.update(state="closed")
        cycle = make_cycle(
            traded,
            seq=7,
            volume=Decimal("0.003"),
            cost=Decimal(300_150),
            deficit=Decimal("0.001"),
        )
        adjustments.release(bot=traded, cycle=cycle, by=None, now=timezone.now())
        Adjustment.objects.update(at=datetime(2027, 6, 1, 3, 0, tzinfo=UTC))

        rows = _year_of(api, 2027)

        kinds = {row["구분"]: row for row in rows if row["회차"] == "7"}
        lost, released = kinds["계정에서 사라짐"], kinds["소유자에게 이관"]
        assert lost["체결 시각(KST)"] == "2027-06-01 12:00:00"
        assert (lost["수량"], lost["실현손익(원)"]) == ("0.001", "-100050")
        assert (released["수량"], released["실현손익(원)"]) == ("0.002", "0")
        assert (lost["체결가"], lost["금액(원)"], lost["체결번호"]) == ("", "0", "")
        profit = sum(Decimal(row["실현손익(원)"]) for row in rows)
        assert profit == sum(
            Decimal(line["profit"]) for line in api.get("pnl?by=day").json()
        )
        assert rows == sorted(rows, key=lambda row: row["체결 시각(KST)"])
        others = [*_year_of(api, 2026), *_year_of(Api(make_user("bob")), 2027)]
        assert {row["회차"] for row in others} == {"1"}

    def test_a_loss_stays_a_number(self) -> None:
        assert exports._harmless("-12.5") == "-12.5"
        assert exports._harmless("-cmd") == "'-cmd"

    def test_executions_and_bookings_are_listed(self, api: Api, traded: Bot) -> None:
        assert api.get(f"fills?bot={traded.pk}").json()["count"] == 2
        assert api.get(f"ledger?bot={traded.pk}").json()["count"] == 4
        assert "body" not in api.get("snapshots").json()["results"][0]


def test_the_committed_description_is_what_the_code_generates(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))

    assert made.read_text("utf-8") == FILE.read_text("utf-8"), (
        "the API changed: run `manage_user.py spectacular --validate --fail-on-warn"
        f" --file {FILE.relative_to(settings.BASE_DIR)}` and commit the file"
    )


def test_a_number_is_no_text(owner: Any) -> None:
    body = {"sell_all": False, "dry_run": True, "confirm": 0.0}

    answer = Api(owner).post("emergency-stop", body)

    assert answer.status_code == 400
    assert "글자로 보내세요" in answer.content.decode()
