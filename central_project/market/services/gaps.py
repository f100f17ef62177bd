"""What is missing of a stored history, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from django.db import connection

from central_project.market.models import Unit

HOUR: Final = timedelta(hours=1)


class Why(StrEnum):
    """The reason for missing hours."""

    NOT_LISTED = "not_listed"  # before the coin's first trade
    MAINTENANCE = "maintenance"  # no coin traded: the exchange was away
    SILENT = "silent"  # others traded, this coin did not
    NOT_LOADED = "not_loaded"  # never asked for: the backfill did not come that far


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Hours [since, until) of one market without a candle."""

    market: str
    since: datetime
    until: datetime
    why: Why

    @property
    def hours(self) -> int:
        """Return how many hours are missing."""
        return (self.until - self.since) // HOUR

    def as_json(self) -> dict[str, Any]:
        """Return the gap as the command prints it."""
        return {
            "market": self.market,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "hours": self.hours,
            "why": self.why,
        }


_MISSING: Final = """
    SELECT coin.market, hour,
        hour < coalesce(coin.hours_from, 'infinity') OR hour >= coin.hours_until,
        hour < coalesce((
            SELECT min(started_at) FROM market_candle
            WHERE market = coin.market AND unit = %(unit)s), 'infinity'),
        hour NOT IN (SELECT started_at FROM traded)
    FROM market_coin AS coin,
        generate_series(%(since)s, %(until)s - interval '1 hour', interval '1 hour') hour
    WHERE coin.market = ANY(%(markets)s) AND NOT EXISTS (
        SELECT FROM market_candle AS candle
        WHERE candle.market = coin.market AND candle.unit = %(unit)s
            AND candle.started_at = hour)
    ORDER BY coin.market, hour
"""
_TRADED: Final = """
    WITH traded AS MATERIALIZED (
        SELECT DISTINCT started_at FROM market_candle
        WHERE unit = %(unit)s AND started_at >= %(since)s AND started_at < %(until)s)
"""


def gaps_of(*, markets: Collection[str], since: datetime, until: datetime) -> list[Gap]:
    """Return every stretch of missing hours in [since, until), by market and time.

    Both ends are full hours.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _TRADED + _MISSING,
            {
                "unit": Unit.HOUR.value,
                "since": since,
                "until": until,
                "markets": list(markets),
            },
        )
        rows = [(market, hour, _why(*reasons)) for market, hour, *reasons in cursor]
    # Hours in a row differ from their number by the same amount.
    stretches = groupby(
        enumerate(rows),
        lambda item: (item[1][0], item[1][2], item[1][1] - item[0] * HOUR),
    )
    gaps = []
    for (market, why, _), members in stretches:
        hours = [hour for _, (_, hour, _) in members]
        gaps.append(Gap(market=market, since=hours[0], until=hours[-1] + HOUR, why=why))
    return gaps


def _why(not_loaded: bool, not_listed: bool, nobody: bool, /) -> Why:
    if not_loaded:
        return Why.NOT_LOADED
    if not_listed:
        return Why.NOT_LISTED
    return Why.MAINTENANCE if nobody else Why.SILENT
