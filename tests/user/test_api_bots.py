"""Making and steering bots over the API; bad input names its remedy."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.user.factories import (
    QuietExchange,
    make_account,
    make_bot,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots import quotes, services
from user_project.bots.models import Bot
from user_project.central_api.models import CentralSnapshot
from user_project.trading.orders import PriceQuote

pytestmark = pytest.mark.django_db

GOOD = {"market": "KRW-BTC", "budget": "1000000"}


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> QuietExchange:
    """An exchange that knows KRW-BTC."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    return quiet


@pytest.fixture
def alice(exchange: QuietExchange) -> SimpleNamespace:
    """An owner with one account, logged in, with a fresh analysis."""
    owner = make_user("alice")
    make_account(owner)
    make_snapshot(timezone.now())
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(owner=owner, client=client, exchange=exchange)


def post(client: Client, path: str, body: Any = None) -> Any:
    """POST JSON and return the response."""
    return client.post(f"/api/v1/{path}", body or {}, content_type="application/json")


def test_a_preview_shows_every_order_and_stores_nothing(alice: SimpleNamespace) -> None:
    answer = post(alice.client, "bots/preview", GOOD)

    body = answer.json()
    assert answer.status_code == 200
    assert body["korean_name"] == "비트코인"
    assert body["support"] == "90000000"
    assert len(body["plan"]["stages"]) == 7
    assert body["plan"]["stages"][0]["price"] == "101000000"
    assert not Bot.objects.exists()


def test_money_is_text_without_exponents(alice: SimpleNamespace) -> None:
    answer = post(alice.client, "bots/preview", GOOD)

    plan = answer.json()["plan"]
    texts = [plan[name] for name in ("minimum_budget", "drop", "rebound", "worst_case")]
    texts += [value for row in plan["stages"] for value in list(row.values())[1:]]
    assert all(re.fullmatch(r"\d+(\.\d+)?", text) for text in texts)


def test_created_bots_wait_for_a_start(alice: SimpleNamespace) -> None:
    created = post(alice.client, "bots", GOOD)

    started = post(alice.client, f"bots/{created.json()['id']}/start")

    assert created.status_code == 201
    assert created.json()["state"] == "draft"
    assert started.status_code == 200
    assert started.json()["bot"]["state"] == "running"


def test_an_empty_market_means_automatic_choice(alice: SimpleNamespace) -> None:
    answer = post(alice.client, "bots", {"budget": 1_000_000})

    assert answer.status_code == 201
    assert answer.json()["auto_select"] is True


def test_a_deeper_level_and_another_shape_are_used(alice: SimpleNamespace) -> None:
    options = {**GOOD, "level": "conservative", "shape": "equal"}

    body = post(alice.client, "bots/preview", options).json()

    amounts = [Decimal(row["amount"]) for row in body["plan"]["stages"]]
    assert body["level"] == "conservative"
    assert body["support"] == "80000000"
    assert max(amounts) - min(amounts) <= 7
    assert not any("한 단계 깊은" in note for note in body["notes"])


def test_json_numbers_arrive_exactly(alice: SimpleNamespace) -> None:
    body = '{"market": "KRW-BTC", "budget": 1000000, "multiplier": 1.10}'

    answer = alice.client.post("/api/v1/bots", body, content_type="application/json")

    assert answer.json()["multiplier"] == "1.1"


BAD_INPUT = [
    ({"budget": "-1"}, "budget", "부터"),
    ({"budget": "0"}, "budget", "부터"),
    ({"budget": "5000"}, "budget", "예산을 늘리"),
    ({"budget": "NaN"}, "budget", "숫자"),
    ({"budget": "1e30"}, "budget", ""),
    ({"budget": "많이"}, "budget", "숫자"),
    ({"stages": 0}, "stages", "1부터 20까지"),
    ({"stages": 21}, "stages", "1부터 20까지"),
    ({"multiplier": "3"}, "multiplier", "1부터 2까지"),
    ({"multiplier": "0.5"}, "multiplier", "1부터 2까지"),
    ({"take_profit": "0"}, "take_profit", "0.0001부터 1까지"),
    ({"jitter": "0.5"}, "jitter", "0부터 0.35까지"),
    ({"stage_cooldown_seconds": -5}, "stage_cooldown_seconds", "0부터 86,400까지"),
    ({"market": "BTC-KRW"}, "market", "KRW-BTC처럼"),
    ({"market": "krw-btc"}, "market", "KRW-BTC처럼"),
    ({"market": "KRW-NOPE"}, "market", "마켓 코드"),
    ({"shape": "spiral"}, "shape", ""),
    ({"level": "deepest"}, "level", ""),
    ({"stage": 5}, "stage", "쓸 수 있는 항목"),
    ({"account": "not-a-uuid"}, "account", ""),
]


@pytest.mark.parametrize("path", ["bots", "bots/preview"])
@pytest.mark.parametrize(("change", "field", "words"), BAD_INPUT, ids=str)
def test_bad_input_names_the_field_and_the_remedy(
    alice: SimpleNamespace, path: str, change: dict[str, Any], field: str, words: str
) -> None:
    answer = post(alice.client, path, {**GOOD, **change})

    body = answer.json()
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert body["field"] == field
    assert words in body["detail"]
    assert body["code"].isupper()
    assert body["request_id"] == answer["X-Request-ID"]
    assert not Bot.objects.exists()


def test_a_missing_budget_is_named(alice: SimpleNamespace) -> None:
    answer = post(alice.client, "bots", {"market": "KRW-BTC"})

    assert answer.status_code == 400
    assert answer.json()["field"] == "budget"


def test_every_wrong_field_is_told_at_once(alice: SimpleNamespace) -> None:
    answer = post(alice.client, "bots", {**GOOD, "stages": 0, "multiplier": "3"})

    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"stages", "multiplier"}


@pytest.mark.parametrize("body", ["{", '{"budget": Infinity}', "[1]", '"text"'])
def test_a_body_that_is_no_object_is_refused(alice: SimpleNamespace, body: str) -> None:
    answer = alice.client.post("/api/v1/bots", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_warned_market_is_refused(
    alice: SimpleNamespace, exchange: QuietExchange
) -> None:
    exchange.warning = True

    answer = post(alice.client, "bots", GOOD)

    assert answer.status_code == 400
    assert answer.json()["code"] == "MARKET_WARNING"
    assert "다른 코인" in answer.json()["detail"]


def test_without_any_analysis_the_answer_is_503(alice: SimpleNamespace) -> None:
    CentralSnapshot.objects.all().delete()

    answer = post(alice.client, "bots/preview", GOOD)

    assert answer.status_code == 503
    assert answer.json()["code"] == "CENTRAL_UNAVAILABLE"
    assert int(answer["Retry-After"]) > 0


def test_bad_input_is_told_even_while_central_is_away(alice: SimpleNamespace) -> None:
    CentralSnapshot.objects.all().delete()

    answer = post(alice.client, "bots", {**GOOD, "budget": "-1"})

    assert answer.status_code == 400


def test_an_owner_without_account_is_told_what_to_do(exchange: QuietExchange) -> None:
    client = Client()
    client.force_login(make_user("newcomer"))

    answer = post(client, "bots", GOOD)

    assert answer.status_code == 400
    assert answer.json()["code"] == "NO_ACCOUNT"


@pytest.mark.parametrize(
    ("state", "action", "status"),
    [
        ("draft", "start", 200),
        ("draft", "pause", 409),
        ("running", "start", 409),
        ("running", "pause", 200),
        ("running", "finish", 200),
        ("running", "stop", 200),
        ("paused", "resume", 200),
        ("stopped", "resume", 409),
        ("stopped", "stop", 409),
        ("halted", "pause", 409),
        ("halted", "resume", 200),
    ],
)
def test_actions_follow_the_state_table(
    alice: SimpleNamespace, state: str, action: str, status: int
) -> None:
    account = alice.owner.accounts.get()
    bot = make_bot(alice.owner, account=account, state=state)

    answer = post(alice.client, f"bots/{bot.pk}/{action}")

    bot.refresh_from_db()
    assert answer.status_code == status
    assert (bot.state == state) is (status == 409)
    if status == 409:
        assert answer.json()["code"] == "INVALID_STATE"


def test_a_bot_shows_its_numbers_with_their_time(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotes.prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(quotes.prices, "all_shared", lambda *, host: {})
    bot = make_story(alice.owner, account=alice.owner.accounts.get())

    body = alice.client.get(f"/api/v1/bots/{bot.pk}").json()

    assert body["price"] == "101000000"
    assert body["price_at"].endswith("Z")
    assert body["volume"] == "0.002"
    assert body["cost"] == "200100"
    assert body["value"] == "202000"
    assert body["unrealised"] == "1799"
    assert body["take_profit_price"] == "101602000"
    assert [row["state"] for row in body["stages"]] == ["filled", "waiting", "waiting"]
    assert body["cycle"]["plan"]["korean_name"] == "비트코인"


@pytest.mark.parametrize(
    ("close", "told"),
    [("96000000", "0.05208333"), ("101000000", "0"), (None, None)],
)
def test_a_bot_and_a_preview_tell_the_days_change(
    alice: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    close: str | None,
    told: str | None,
) -> None:
    quote = PriceQuote(
        market="KRW-BTC",
        price=Decimal(101_000_000),
        received_at=timezone.now(),
        previous_close=None if close is None else Decimal(close),
    )
    monkeypatch.setattr(quotes.prices, "all_shared", lambda *, host: {"KRW-BTC": quote})
    alice.exchange.get_prices = lambda *, markets: {"KRW-BTC": quote}
    bot = make_story(alice.owner, account=alice.owner.accounts.get())

    status = alice.client.get(f"/api/v1/bots/{bot.pk}").json()
    preview = post(alice.client, "bots/preview", GOOD).json()

    assert (status["day_change"], preview["day_change"]) == (told, told)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("orders?state=filled", 200),
        ("orders?state=nonsense", 400),
        ("orders?bot=nonsense", 400),
        ("events?bot=nonsense", 400),
        ("recommendations?limit=0", 400),
        ("recommendations?limit=51", 400),
        ("recommendations?limit=1", 200),
        ("bots/nonsense", 404),
        ("bots/00000000-0000-0000-0000-000000000000", 404),
        ("cycles/nonsense", 404),
    ],
)
def test_queries_are_checked(alice: SimpleNamespace, path: str, status: int) -> None:
    answer = alice.client.get(f"/api/v1/{path}")

    assert answer.status_code == status


def test_filters_narrow_to_one_bot_and_state(alice: SimpleNamespace) -> None:
    account = alice.owner.accounts.get()
    first = make_story(alice.owner, account=account)
    make_story(alice.owner, account=account, market="KRW-ETH", name="이더리움")

    everything = alice.client.get("/api/v1/orders").json()
    of_first = alice.client.get(f"/api/v1/orders?bot={first.pk}").json()
    cancelled = alice.client.get("/api/v1/orders?state=cancelled").json()

    assert everything["count"] == 2
    assert [row["bot"] for row in of_first["results"]] == [str(first.pk)]
    assert cancelled["count"] == 0


def test_recommendations_come_with_their_age(alice: SimpleNamespace) -> None:
    body = alice.client.get("/api/v1/recommendations").json()

    assert body["central"]["level"] == "fresh"
    assert body["central"]["run_id"] == "run-1"
    assert body["recommendations"][0]["symbol"] == "KRW-BTC"
    assert body["recommendations"][0]["score"] == "72.25"


def test_a_bug_is_not_dressed_up_as_an_answer(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(services, "preview_bot", broken)

    with pytest.raises(RuntimeError, match="a bug"):
        post(alice.client, "bots/preview", GOOD)


def test_answers_hold_no_floats(alice: SimpleNamespace) -> None:
    bot = make_story(alice.owner, account=alice.owner.accounts.get())
    paths = [f"bots/{bot.pk}", f"bots/{bot.pk}/cycles", "orders", "recommendations"]

    bodies = [alice.client.get(f"/api/v1/{path}").content for path in paths]

    def refuse(text: str) -> None:
        pytest.fail(f"a float on the wire: {text}")

    for body in bodies:
        json.loads(body, parse_float=refuse)
