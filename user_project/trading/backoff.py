"""How long to wait after orders that the exchange did not want."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from user_project.trading.facts import OrderFacts
from user_project.trading.lifecycle import OrderState

FIRST_BACKOFF: Final = timedelta(seconds=60)
LONGEST_BACKOFF: Final = timedelta(hours=1)


def backoff_until(orders: Sequence[OrderFacts], /) -> datetime | None:
    """Return when the next order of this kind may be sent, None when at once.

    *orders* oldest first. Failures in a row double the pause: 1 minute up to an hour.
    """
    failed = list(takewhile(_failed, reversed(orders)))
    if not failed or failed[0].closed_at is None:
        return None
    doublings: int = 2 ** min(len(failed) - 1, 6)
    return failed[0].closed_at + min(FIRST_BACKOFF * doublings, LONGEST_BACKOFF)


def _failed(order: OrderFacts) -> bool:
    return order.thrown_out or order.state in (OrderState.REFUSED, OrderState.BURNED)
