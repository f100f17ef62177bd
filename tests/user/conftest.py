"""Fixtures of the user server's tests.

Nothing of Django is imported here: this file is read before the settings are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.user.floor import Floor
    from user_project.trading.orders import PriceQuote


@pytest.fixture(scope="session", autouse=True)
def _static_files_read_once() -> Iterator[None]:
    """Look for the packages' static files once, not for each test's client (0.1 s)."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    read = WhiteNoiseMiddleware.add_files_from_finders
    kept: dict[str, dict[str, object]] = {}

    def read_once(middleware: WhiteNoiseMiddleware) -> None:
        prefix = middleware.static_prefix
        if prefix not in kept:
            read(middleware)
            kept[prefix] = dict(middleware.files)
        middleware.files.update(kept[prefix])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", read_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_hashed_quickly() -> Iterator[None]:
    """One round, not a million: the strength of a password is not what tests are of."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture
def floor(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Floor]:
    """A bot, its exchange and its clock; its books are audited after every test."""
    from django.utils import timezone

    from tests.user.floor import HandClock, make_floor
    from user_project.bots import prices

    made = make_floor(HandClock(timezone.now()))
    monkeypatch.setattr(
        "user_project.bots.runner.adapter_for", lambda *, account: made.exchange
    )
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    yield made
    if not made.damaged:
        assert made.audit() == []


@pytest.fixture
def shared_price(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the owner sees is what the exchange last said."""
    from user_project.bots import prices

    def shared(*, host: str, market: str) -> PriceQuote | None:
        return floor.exchange.get_prices(markets=[market]).get(market)

    def all_shared(*, host: str) -> dict[str, PriceQuote]:
        return floor.exchange.get_prices(markets=["KRW-BTC"])

    monkeypatch.setattr(prices, "shared", shared)
    monkeypatch.setattr(prices, "all_shared", all_shared)
