"""The second step of somebody's login, taken away in the console: asked first, noted."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.user.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Any:
    """A trader whose login has two steps."""
    return with_a_phone(make_user("alice"))


@pytest.fixture
def root() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def with_a_phone(person: Any) -> Any:
    for model in (TOTPDevice, StaticDevice):
        model.objects.create(user=person, name="x", confirmed=True)
    return person


def operator(*rights: str) -> Client:
    person = make_user("operator", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(person)
    return client


def page_of(person: Any) -> str:
    return f"/admin/second-step/{person.pk}/"


def test_it_asks_first_wants_a_reason_and_is_noted(alice: Any, root: Client) -> None:
    with_a_phone(make_user("bob"))

    asked = root.get(page_of(alice))
    silent = root.post(page_of(alice), {"reason": " "})
    assert TOTPDevice.objects.filter(user=alice).exists()
    done = root.post(page_of(alice), {"reason": "휴대폰을 잃음"}, follow=True)

    assert asked.status_code == 200
    assert "정말 본인인지" in asked.content.decode()
    assert silent.status_code == 400
    assert "왜 끄는지" in silent.content.decode()
    assert done.redirect_chain == [(f"/admin/auth/user/{alice.pk}/change/", 302)]
    assert "2단계 로그인을 껐습니다" in done.content.decode()
    for model in (TOTPDevice, StaticDevice):
        assert model.objects.get().user.username == "bob"
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_repr) == (CHANGE, "alice")
    assert entry.object_id == str(alice.pk)
    assert entry.user.username == "root"
    assert entry.get_change_message() == "2단계 로그인 끄기. 휴대폰을 잃음"


def test_the_persons_page_leads_there(alice: Any, root: Client) -> None:
    address = f"/admin/auth/user/{alice.pk}"

    page = root.get(f"{address}/change/").content.decode()
    lead = root.get(f"{address}/second-step/")

    assert f"{address}/second-step/" in page
    assert "2단계 로그인" in page
    assert "켜짐" in page
    assert lead.url == page_of(alice)


def test_what_is_off_is_said_to_be_off(root: Client) -> None:
    carol = make_user("carol")

    page = root.get(page_of(carol)).content.decode()
    answer = root.post(page_of(carol), {"reason": "x"}, follow=True)

    assert "켜져 있지 않습니다" in page
    assert "이미 꺼져 있습니다" in answer.content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("rights", "status"), [((), 403), (("view_user",), 403), (("change_user",), 302)]
)
def test_it_needs_the_right_to_change_people(
    alice: Any, rights: tuple[str, ...], status: int
) -> None:
    answer = operator(*rights).post(page_of(alice), {"reason": "시험"})

    assert answer.status_code == status
    assert TOTPDevice.objects.exists() is (status == 403)


def test_an_operator_does_not_weaken_a_superuser() -> None:
    boss = with_a_phone(make_user("boss", is_staff=True, is_superuser=True))
    client = operator("change_user")

    assert client.get(page_of(boss)).status_code == 403
    assert client.post(page_of(boss), {"reason": "시험"}).status_code == 403
    assert TOTPDevice.objects.exists()


def test_owners_and_strangers_do_not_get_there(alice: Any) -> None:
    owner = Client()
    owner.force_login(alice)

    for client in (owner, Client()):
        answer = client.post(page_of(alice), {"reason": "시험"})
        assert answer.url.startswith("/admin/login/")
    assert TOTPDevice.objects.exists()


@pytest.mark.parametrize("reason", ["\0", "a\0b", "가" * 5000])
def test_an_odd_reason_is_no_fault(alice: Any, root: Client, reason: str) -> None:
    assert root.post(page_of(alice), {"reason": reason}).status_code in {302, 400}


def test_nobody_is_not_found(root: Client) -> None:
    assert root.get("/admin/second-step/0/").status_code == 404
    assert root.get(f"/admin/second-step/{'9' * 30}/").status_code == 404
