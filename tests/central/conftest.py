"""Fixtures of the central server's tests.

Nothing of Django is imported at the top: this file is read before the settings are.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import stamina

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from central_project.api.models import ApiKey
    from tests.central.market_world import MemorySource


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test that commits begin with the seeded rows, whoever ran before.

    One that did not would also leave content types behind that break the next that does.
    """
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is not None and marker.kwargs.get("transaction"):
            again = pytest.mark.django_db(transaction=True, serialized_rollback=True)
            item.add_marker(again, append=False)


@pytest.fixture(scope="session", autouse=True)
def _passwords_hashed_quickly() -> Iterator[None]:
    """One round, not a million: the strength of a password is not what tests are of."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture(autouse=True)
def no_waiting_between_retries() -> Iterator[None]:
    """Retries happen, their pauses do not."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(autouse=True)
def _empty_redis() -> None:
    """No counter and no kept answer of another test."""
    from django.core.cache import cache, caches

    cache.clear()
    caches["ratelimit"].clear()


@pytest.fixture
def short_history(settings: Any, db: None) -> None:
    """Ten days of candles are enough for the pipeline's own rules."""
    from central_project.market.models import ScoreSettings

    settings.HISTORY_DAYS = 10
    ScoreSettings.objects.create(
        technical=Decimal("0.25"),
        volume=Decimal("0.25"),
        volatility=Decimal("0.25"),
        risk=Decimal("0.25"),
        min_age_days=5,
    )


@pytest.fixture
def source() -> MemorySource:
    """A quiet exchange with ten coins."""
    from tests.central.market_world import MemorySource

    return MemorySource()


@pytest.fixture
def issued(db: None) -> tuple[ApiKey, str]:
    """A key that opens the API, and its text."""
    from central_project.api.models import ApiKey

    return ApiKey.objects.issue(name="서울 1호")


@pytest.fixture
def reader(issued: tuple[ApiKey, str]) -> APIClient:
    """A client that sends a good key."""
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued[1]}")
    return client
