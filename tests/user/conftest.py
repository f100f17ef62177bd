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
