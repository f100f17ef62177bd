"""Whose address a login counts against, with and without proxies in front."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.user.factories import PASSWORD, make_user
from user_project.accounts.addresses import client_address
from user_project.settings import _networks

PROXY = "127.0.0.1"


def trust(settings: Any, *proxies: str) -> None:
    settings.TRUSTED_PROXIES = [ip_network(proxy) for proxy in proxies]


def seen(forwarded: str | None, *, direct: str = PROXY) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=direct)
    return client_address(request=request)


def test_without_trusted_proxies_the_header_is_ignored(settings: Any) -> None:
    assert settings.TRUSTED_PROXIES == []

    assert seen("6.6.6.6") == PROXY
    assert seen(None, direct="10.0.0.9") == "10.0.0.9"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),  # the first was sent by the client himself
        ("1.2.3.4, 10.0.0.7", "1.2.3.4"),  # two proxies
        ("6.6.6.6,1.2.3.4 ,10.0.0.7, 10.0.0.8", "1.2.3.4"),
        ("10.0.0.7", "10.0.0.7"),  # a proxy itself asks
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:db8::1]:5678", "2001:db8::"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        (None, PROXY),
        ("", PROXY),
        ("unknown", PROXY),
        ("1.2.3.4, nonsense", PROXY),
        ("1.2.3.4, \0, 10.0.0.7", "10.0.0.7"),
        ("[", PROXY),
        ("1.2.3.4," * 1000 + "5.6.7.8", "5.6.7.8"),
    ],
)
def test_behind_trusted_proxies_the_last_other_address_is_the_client(
    settings: Any, forwarded: str | None, client: str
) -> None:
    trust(settings, PROXY, "10.0.0.0/24")

    assert seen(forwarded) == client
    assert seen(forwarded, direct="::ffff:127.0.0.1") == client


def test_who_comes_past_the_proxy_cannot_choose_an_address(settings: Any) -> None:
    trust(settings, PROXY)

    assert seen("6.6.6.6", direct="10.9.9.9") == "10.9.9.9"
    assert seen("6.6.6.6", direct="") == ""


@pytest.mark.django_db
def test_behind_a_proxy_one_who_guesses_locks_only_himself(settings: Any) -> None:
    trust(settings, PROXY)
    make_user("alice", password=PASSWORD)
    for number in range(11):
        body = {"username": "alice", "password": "guess"}
        headers = {"X-Forwarded-For": f"10.0.0.{number}, 6.6.6.6"}
        last = Client().post(reverse("login"), body, headers=headers)
    assert last.status_code == 429

    body = {"username": "alice", "password": PASSWORD}
    answer = Client().post(
        reverse("login"), body, headers={"X-Forwarded-For": "1.2.3.4"}
    )

    assert answer.url == reverse("home")


def test_the_setting_is_a_list_of_addresses() -> None:
    proxies = ["127.0.0.1", " 10.0.0.0/24", "::1"]

    assert _networks("PROXIES", proxies) == [
        ip_network(text.strip()) for text in proxies
    ]


@pytest.mark.parametrize("wrong", ["1", "proxy.example", "10.0.0.1/24"])
def test_a_wrong_proxy_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="central wants a number"):
        _networks("PROXIES", [wrong])
