"""Who may see what: every address of the URL conf, tried by everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from tests.user.factories import QuietExchange, make_snapshot, make_story, make_user
from user_project.accounts import services as account_services
from user_project.bots import chart, quotes, services
from user_project.bots.models import EmergencyStop
from user_project.notifications.models import Target

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {
    "api-docs",
    "api-schema",
    "api-token",
    "healthz",
    "login",
    "login-code",
    "logout",
    "readyz",
    "version",
}
"""Addresses without an owner; the test fails when a new one joins unnoticed."""
OTHERS_BUSINESS = ("admin/", "i18n/", "api/auth/")
"""Django's own pages, which have tests of their own."""


@dataclass(frozen=True)
class Route:
    """One address of the URL conf and the methods it answers."""

    name: str
    arguments: tuple[str, ...]
    methods: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the test's name."""
        return f"{self.name}-{'-'.join(self.methods)}"


def routes() -> list[Route]:
    """Return every named address, without format suffixes."""
    found = {route.label: route for route in _walk(get_resolver().url_patterns, "")}
    return [found[label] for label in sorted(found)]


def _walk(patterns: list[Any], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        where = prefix + str(pattern.pattern)
        if where.startswith(OTHERS_BUSINESS):
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, where)
        elif isinstance(pattern, URLPattern) and "format" not in where:
            arguments = tuple(pattern.pattern.regex.groupindex)
            name = str(pattern.name)
            yield Route(name, arguments, tuple(_methods(pattern.callback)))


def _methods(view: Any) -> list[str]:
    if hasattr(view, "actions"):
        return [method for method in view.actions if method != "head"]
    if hasattr(view, "cls"):
        return [name for name in ("get", "post", "patch") if hasattr(view.cls, name)]
    return ["get", "post"]


OWNED = [route for route in routes() if route.name not in OPEN_TO_ALL]
SHARED = {"api-pnl-year", "year-csv", "profit-month", "profit-csv"}
"""Addresses that are the same for every owner and answer with the caller's own."""
ADDRESSED = [r for r in OWNED if r.arguments and r.name not in SHARED]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Alice owns everything, Bob nothing; the exchange answers questions only."""
    exchange = QuietExchange(now=timezone.now())
    for module in (services, quotes, chart):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: exchange)
    monkeypatch.setattr(
        account_services, "check_account", lambda *, account, now: exchange.check_key()
    )
    make_snapshot(timezone.now())
    alice = make_user("alice")
    return SimpleNamespace(
        alice=alice,
        bob=make_user("bob"),
        bot=make_story(alice),
        stop=EmergencyStop.objects.create(owner=alice),
        target=Target.objects.create(owner=alice, name="폰", sealed_address=b""),
    )


def _address(route: Route, world: SimpleNamespace) -> str:
    bot = world.bot
    rows = {
        "api-account": bot.account_id,
        "api-bot": bot.pk,
        "api-cycle": bot.cycles.get().pk,
        "api-order": bot.orders.get().pk,
        "api-emergency-result": world.stop.pk,
        "bot": bot.pk,
    }
    if not route.name.startswith(tuple(rows)):
        values = {
            **{"year": 2026, "month": 11, "bot_id": bot.pk, "action": "switch"},
            **{"account_id": bot.account_id, "stop_id": world.stop.pk},
            **{"target_id": world.target.pk, "kind": "coin"},
        }
        if route.name == "target-action":
            values["action"] = "turn"
        return reverse(route.name, kwargs={key: values[key] for key in route.arguments})
    # "api-bot-pause" and "bot-action" address what their longest known prefix names.
    owner = max((name for name in rows if route.name.startswith(name)), key=len)
    values = {"pk": rows[owner], "bot_id": bot.pk, "action": "pause"}
    return reverse(route.name, kwargs={name: values[name] for name in route.arguments})


def _status(who: Any, method: str, address: str) -> int:
    client = Client()
    if who is not None:
        client.force_login(who)
    call: Callable[..., Any] = getattr(client, method)
    return int(call(address, content_type="application/json").status_code)


def _plain_address(route: Route, world: SimpleNamespace) -> str:
    return _address(route, world) if route.arguments else reverse(route.name)


@pytest.mark.parametrize("route", OWNED, ids=lambda route: route.label)
def test_a_stranger_without_login_sees_nothing(
    route: Route, world: SimpleNamespace
) -> None:
    address = _plain_address(route, world)

    statuses = {_status(None, method, address) for method in route.methods}

    assert statuses <= ({401} if address.startswith("/api/") else {302})


@pytest.mark.parametrize("route", ADDRESSED, ids=lambda route: route.label)
def test_what_belongs_to_another_owner_does_not_exist(
    route: Route, world: SimpleNamespace
) -> None:
    address = _address(route, world)

    statuses = {_status(world.bob, method, address) for method in route.methods}

    assert statuses <= {404, 405}
    assert 404 in statuses


@pytest.mark.parametrize("route", OWNED, ids=lambda route: route.label)
def test_the_owner_is_served(route: Route, world: SimpleNamespace) -> None:
    address = _plain_address(route, world)

    statuses = {_status(world.alice, method, address) for method in route.methods}

    # 400: an empty body was sent; 409: the bot is in another state.
    assert statuses <= {200, 201, 302, 400, 405, 409}
    assert statuses & {200, 201, 302, 400, 409}


@pytest.mark.parametrize("path", ["bots", "accounts", "orders", "events"])
def test_lists_hold_only_the_callers_rows(path: str, world: SimpleNamespace) -> None:
    client = Client()
    client.force_login(world.bob)

    foreign = client.get(f"/api/v1/{path}").json()
    client.force_login(world.alice)
    own = client.get(f"/api/v1/{path}").json()

    assert foreign["count"] == 0
    assert own["count"] == 1


def test_filters_do_not_reach_into_foreign_bots(world: SimpleNamespace) -> None:
    client = Client()
    client.force_login(world.bob)

    answers = [
        client.get(f"/api/v1/{path}?bot={world.bot.pk}").json()
        for path in ("orders", "events")
    ]

    assert [answer["count"] for answer in answers] == [0, 0]


def test_a_bot_on_a_foreign_account_is_refused(world: SimpleNamespace) -> None:
    client = Client()
    client.force_login(world.bob)
    body = {"account": str(world.bot.account_id), "budget": "1000000"}

    answer = client.post("/api/v1/bots", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["code"] == "NO_ACCOUNT"
    assert world.bob.bots.count() == 0


METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", OWNED, ids=lambda route: route.label)
def test_every_method_of_every_address_for_everybody(
    route: Route, method: str, world: SimpleNamespace
) -> None:
    """Nobody meets a fault; rank alone opens nobody's bots; strangers stay outside."""
    address = _plain_address(route, world)
    staff = make_user("carol", is_staff=True)
    in_api = address.startswith("/api/")
    answers = method in route.methods

    anonymous = _status(None, method, address)
    assert anonymous == 401 if in_api else anonymous in {302, 403}
    for other in (world.bob, staff):
        status = _status(other, method, address)
        if not route.arguments or route.name in SHARED:
            assert status < 500, other
        elif method == "options" and in_api:
            # What could be sent, whatever is there: the same for any identifier.
            assert status in {200, 404, 405}, other
        else:
            assert status in {404, 405}, other
            assert status == 404 or not (in_api and answers)
    owned = _status(world.alice, method, address)
    assert owned < 500
    if in_api and not answers and method not in ("head", "options"):
        assert owned == 405
