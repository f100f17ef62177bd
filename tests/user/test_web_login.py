"""Logging in and out, and the limit on guessing."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from tests.user.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def cheap_logins(settings: Any) -> None:
    """Hashing is cheap, and tries of other tests do not count."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    caches["ratelimit"].clear()


@pytest.mark.usefixtures("cheap_logins")
def test_login_and_logout_work() -> None:
    make_user("alice", password=PASSWORD)
    client = Client()

    entered = client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    left = client.post(reverse("logout"))

    assert entered.url == reverse("home")
    assert left.url == reverse("login")
    assert client.get(reverse("home")).status_code == 302


@pytest.mark.usefixtures("cheap_logins")
def test_guessing_at_the_login_page_is_limited() -> None:
    body = {"username": "nobody", "password": "guess"}

    statuses = [Client().post(reverse("login"), body).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
