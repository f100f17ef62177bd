"""Fixtures of the user server's tests.

Nothing of Django is imported here: this file is read before the settings are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.user.floor import Floor


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
    yield made
    if not made.damaged:
        assert made.audit() == []
