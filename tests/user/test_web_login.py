"""Logging in and out, and the limit on guessing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import PASSWORD, make_user
from user_project.accounts import guesses, logins
from user_project.accounts.models import Guess
from user_project.bots.redis_client import shared_client

pytestmark = pytest.mark.django_db
NOWHERE = "redis://127.0.0.1:9/0"
RIGHT = {"username": "alice", "password": PASSWORD}


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    """Redis is stopped: nobody answers at its address."""
    shared_client.cache_clear()
    settings.REDIS_URL = NOWHERE
    settings.CACHES = {
        name: {**cache, "LOCATION": NOWHERE} for name, cache in settings.CACHES.items()
    }
    yield
    shared_client.cache_clear()


def at_the_page(name: str = "alice", password: str = "guess", **more: Any) -> Any:
    body = {"username": name, "password": password}
    return Client(**more).post(reverse("login"), body)


def by_program(name: str = "alice", password: str = "guess", **more: Any) -> Any:
    body = {"username": name, "password": password}
    return Client(**more).post("/api/v1/token", body, content_type="application/json")


def lock(door: Any, name: str = "alice", **more: Any) -> list[int]:
    """Guess eleven times, slowly enough for the address; return the statuses."""
    now, statuses = timezone.now() - timedelta(seconds=11 * 11), []
    for number in range(11):
        with time_machine.travel(now + timedelta(seconds=11 * number), tick=False):
            statuses.append(door(name, **more).status_code)
    return statuses


def test_login_and_logout_work() -> None:
    make_user("alice", password=PASSWORD)
    client = Client()

    entered = client.post(reverse("login"), RIGHT)
    left = client.post(reverse("logout"))

    assert entered.url == reverse("home")
    assert left.url == reverse("login")
    assert client.get(reverse("home")).status_code == 302


def test_guessing_at_the_login_page_is_limited() -> None:
    body = {"username": "nobody", "password": "guess"}

    statuses = [Client().post(reverse("login"), body).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]


def test_an_address_has_ten_wrong_ones_a_minute_at_whatever_names() -> None:
    make_user("alice", password=PASSWORD)

    for number in range(10):
        door = by_program if number % 2 else at_the_page
        assert door(f"nobody {number}").status_code in {200, 400}

    assert at_the_page(password=PASSWORD).status_code == 429
    assert by_program(password=PASSWORD).status_code == 429
    elsewhere = at_the_page(password=PASSWORD, REMOTE_ADDR="10.9.9.9")
    assert elsewhere.url == reverse("home")


@pytest.mark.parametrize("guessing", [at_the_page, by_program])
@pytest.mark.parametrize("entering", [at_the_page, by_program])
def test_one_lock_for_both_doors(guessing: Any, entering: Any) -> None:
    make_user("alice", password=PASSWORD)
    wrong = 200 if guessing is at_the_page else 400

    assert lock(guessing) == [wrong] * 10 + [429]

    refused = entering(password=PASSWORD)
    assert refused.status_code == 429
    assert 60 < int(refused["Retry-After"]) <= 15 * 60


FORMS = ["alice ", " alice", "\talice\n", "ALICE", "Alice", "ａｌｉｃｅ", "ALICE\u3000"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("door", [at_the_page, by_program])
def test_other_ways_to_write_a_name_are_the_same_name(name: str, door: Any) -> None:
    make_user("alice", password=PASSWORD)

    assert lock(door, name)[-1] == 429

    assert at_the_page(password=PASSWORD).status_code == 429


@pytest.mark.parametrize("name", ["alice ", "ａｌｉｃｅ"])
def test_what_is_counted_is_what_is_looked_up(name: str) -> None:
    make_user("alice", password=PASSWORD)

    assert at_the_page(name, PASSWORD).url == reverse("home")
    assert by_program(name, PASSWORD).status_code == 200
    assert logins.looked_up(name) == "alice"


def test_the_right_password_forgives_slips_but_no_guesses_at_others() -> None:
    make_user("alice", password=PASSWORD)
    for _ in range(4):
        at_the_page()
        at_the_page("bob")

    at_the_page(password=PASSWORD)

    assert list(Guess.objects.values_list("what", flat=True)) == ["login bob"] * 4


def test_knocking_at_a_locked_door_does_not_lengthen_the_lock() -> None:
    make_user("alice", password=PASSWORD)
    lock(at_the_page)

    with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=False):
        assert at_the_page(password=PASSWORD).status_code == 429
    with time_machine.travel(timezone.now() + timedelta(minutes=15), tick=False):
        assert at_the_page(password=PASSWORD).url == reverse("home")


def test_guesses_of_the_same_moment_do_not_pass_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = timezone.now()
    for _ in range(9):
        guesses.begin(what="x", seconds=60, now=now)
    create = Guess.objects.create

    def create_beside_another(**values: Any) -> Guess:
        create(**values)  # the other one was looking at the same nine
        return create(**values)

    monkeypatch.setattr(Guess.objects, "create", create_beside_another)
    with pytest.raises(guesses.TooOften):
        guesses.begin(what="x", seconds=60, now=now)

    assert Guess.objects.count() == 10


def test_old_guesses_are_swept_away() -> None:
    now = timezone.now()
    guesses.begin(what="x", seconds=60, now=now - timedelta(hours=2))

    guesses.begin(what="y", seconds=60, now=now)

    assert Guess.objects.get().what == "y"


@pytest.mark.usefixtures("no_redis")
def test_without_redis_people_log_in_and_guesses_count() -> None:
    make_user("alice", password=PASSWORD)

    assert Client().get(reverse("login")).status_code == 200
    assert at_the_page(password=PASSWORD).url == reverse("home")
    assert lock(at_the_page) == [200] * 10 + [429]
    assert by_program(password=PASSWORD).status_code == 429


@pytest.mark.usefixtures("no_redis")
def test_without_redis_a_session_cannot_guess_the_password_either() -> None:
    client = Client()
    client.force_login(make_user("alice", password=PASSWORD))
    body = {"how": "off", "password": "guess"}

    answers = [client.post("/security/", body) for _ in range(11)]

    said = [("1분 뒤에" in answer.content.decode()) for answer in answers]
    assert said == [False] * 10 + [True]


def test_the_api_pages_have_no_login_of_their_own() -> None:
    make_user("alice", password=PASSWORD)
    client = Client()

    answer = client.post("/api/auth/login/?next=/api/v1/bots", RIGHT)

    assert answer.url == "/login/?next=/api/v1/bots"
    assert client.get("/api/v1/bots").status_code == 401


ODD = ["\0", "ali\0ce", "\ud7ff\uffff", "\u202e", "a" * 5000, "'; --", "%00", "💥" * 60]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize("door", [at_the_page, by_program])
def test_odd_text_in_name_or_password_is_just_wrong(
    text: str, field: str, door: Any
) -> None:
    make_user("alice", password=PASSWORD)
    name, password = (text, "x") if field == "username" else ("alice", text)

    assert door(name, password).status_code in {200, 400}


def test_odd_json_is_refused_by_the_token_too() -> None:
    for body in ('{"username": "\\ud800", "password": "x"}', "[]", '"x"', "{", "null"):
        answer = Client().post("/api/v1/token", body, content_type="application/json")
        assert answer.status_code == 400


def test_an_odd_way_on_leads_home() -> None:
    make_user("alice", password=PASSWORD)

    for way in ("\0", "//evil.example", "/\r\nX: y", "javascript:alert(1)"):
        answer = Client().post(reverse("login"), {**RIGHT, "next": way})
        assert answer.status_code == 302
        assert "evil" not in answer.url
        assert "X" not in answer.headers
