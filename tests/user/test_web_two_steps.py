"""A login in two steps, and the lock against guessing one person's password."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.user.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db
LOGIN = {"username": "alice", "password": PASSWORD}


@pytest.fixture(autouse=True)
def cheap_logins(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice() -> SimpleNamespace:
    """An operator who has turned the second step on, with her written codes."""
    owner = make_user("alice", password=PASSWORD, is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(owner)
    client.get("/security/")
    device = TOTPDevice.objects.get(user=owner)
    with time_machine.travel(timezone.now() - timedelta(minutes=5)):
        page = client.post("/security/", {"how": "on", "code": code_of(device)})
    codes = re.findall(r"<code>(\w+)</code>", page.content.decode())
    device.refresh_from_db()
    assert device.confirmed
    return SimpleNamespace(owner=owner, client=client, device=device, codes=codes)


def code_of(device: TOTPDevice, *, off: int = 0) -> str:
    return f"{totp(device.bin_key, drift=off):06d}"


def is_in(client: Client) -> bool:
    return bool(client.get("/").status_code == 200)


def test_the_password_alone_opens_nothing(alice: SimpleNamespace) -> None:
    client = Client()

    answer = client.post("/login/", LOGIN)

    assert answer.url == reverse("login-code")
    for address in ("/", "/admin/", "/api/v1/bots", "/stop/"):
        assert client.get(address).status_code in {302, 401, 403}, address
    refused = client.post("/api/v1/token", LOGIN, content_type="application/json")
    assert refused.status_code == 400


def test_the_right_code_opens_once(alice: SimpleNamespace) -> None:
    code = code_of(alice.device)
    first, second = Client(), Client()
    for client in (first, second):
        client.post("/login/?next=/orders/", {**LOGIN, "next": "/orders/"})

    entered = first.post("/login/code/", {"code": code})
    again = second.post("/login/code/", {"code": code})

    assert entered.url == "/orders/"
    assert is_in(first)
    assert again.status_code == 400
    assert not is_in(second)


def test_a_written_code_opens_once(alice: SimpleNamespace) -> None:
    assert len(alice.codes) == len(set(alice.codes)) == 10
    first, second = Client(), Client()
    for client in (first, second):
        client.post("/login/", LOGIN)
        client.post("/login/code/", {"code": alice.codes[0]})

    assert is_in(first)
    assert not is_in(second)
    assert StaticToken.objects.count() == 9


def test_wrong_codes_have_to_wait(alice: SimpleNamespace) -> None:
    client = Client()
    client.post("/login/", LOGIN)
    for _ in range(3):
        assert client.post("/login/code/", {"code": "000000"}).status_code == 400

    assert (
        client.post("/login/code/", {"code": code_of(alice.device)}).status_code == 400
    )

    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        client.post("/login/code/", {"code": code_of(alice.device)})
        assert is_in(client)


def test_codes_cannot_be_guessed_by_starting_anew(alice: SimpleNamespace) -> None:
    statuses = []
    for _ in range(11):
        client = Client(REMOTE_ADDR=f"10.0.0.{len(statuses)}")
        client.post("/login/", LOGIN)
        statuses.append(client.post("/login/code/", {"code": "1"}).status_code)

    assert statuses == [400] * 10 + [429]


def test_half_a_login_does_not_last(alice: SimpleNamespace) -> None:
    client = Client()
    client.post("/login/", LOGIN)

    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        answer = client.post("/login/code/", {"code": code_of(alice.device)})

    assert answer.url == reverse("login")
    assert not is_in(client)
    assert Client().get("/login/code/").url == reverse("login")


def test_a_program_sends_the_code_with_the_password(alice: SimpleNamespace) -> None:
    body = {**LOGIN, "code": code_of(alice.device)}

    answer = Client().post("/api/v1/token", body, content_type="application/json")

    assert answer.status_code == 200
    assert answer.json()["token"]


def test_the_console_has_no_login_of_its_own(alice: SimpleNamespace) -> None:
    answer = Client().post("/admin/login/", {**LOGIN, "next": "/admin/"})
    assert answer.url == "/login/?next=%2Fadmin%2F"

    owner = Client()
    owner.force_login(make_user("bob"))
    refused = owner.get("/admin/", follow=True)
    assert refused.status_code == 403
    assert "운영자 계정으로" in refused.content.decode()


def test_it_is_turned_off_with_the_password(alice: SimpleNamespace) -> None:
    alice.client.post("/security/", {"how": "off", "password": "wrong"})
    assert TOTPDevice.objects.exists()

    alice.client.post("/security/", {"how": "off", "password": PASSWORD})
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
    client = Client()
    client.post("/login/", LOGIN)
    assert is_in(client)


def test_a_wrong_first_code_turns_nothing_on() -> None:
    client = Client()
    client.force_login(make_user("bob", password=PASSWORD))
    page = client.get("/security/").content.decode()
    assert "data:image/svg+xml" in page

    refused = client.post("/security/", {"how": "on", "code": "000000"})

    assert refused.status_code == 400
    assert not TOTPDevice.objects.filter(confirmed=True).exists()


def test_one_persons_step_is_not_anothers(alice: SimpleNamespace) -> None:
    bob = Client()
    bob.force_login(make_user("bob", password=PASSWORD))

    bob.post("/security/", {"how": "off", "password": PASSWORD})

    assert TOTPDevice.objects.filter(user=alice.owner, confirmed=True).exists()


def test_an_operator_helps_who_lost_the_phone(alice: SimpleNamespace) -> None:
    with pytest.raises(CommandError):
        call_command("totp_off", "nobody", "--yes")

    call_command("totp_off", "alice", "--yes")

    client = Client()
    client.post("/login/", LOGIN)
    assert is_in(client)


def test_guessing_one_name_locks_that_name_for_that_address_alone() -> None:
    make_user("carol", password=PASSWORD)
    wrong = {"username": "carol", "password": "guess"}
    right = {"username": "carol", "password": PASSWORD}
    now, statuses = timezone.now(), []
    for _ in range(11):
        now += timedelta(seconds=11)
        with time_machine.travel(now, tick=False):
            statuses.append(Client().post("/login/", wrong).status_code)
    assert statuses == [200] * 10 + [429]

    with time_machine.travel(now, tick=False):
        locked = Client().post("/login/", right)
        elsewhere = Client(REMOTE_ADDR="10.9.9.9")
        elsewhere.post("/login/", right)
        assert is_in(elsewhere)
    assert locked.status_code == 429
    # The first of ten is fifteen minutes old 15 min less 110 s from now: 13 min 10 s.
    assert "14분 뒤에 다시 하세요" in locked.content.decode()
    assert 780 < int(locked["Retry-After"]) <= 840

    with time_machine.travel(now + timedelta(minutes=16), tick=False):
        client = Client()
        client.post("/login/", right)
        assert is_in(client)
