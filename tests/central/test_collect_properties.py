"""Whatever the market's past and the pipeline's breaks: the stored candles are the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central_project.market.models import Candle, Coin, Unit, floor_to
from central_project.market.services.collect import collecting
from central_project.market.sources import CandleRow
from tests.central.market_world import FIVE, HOUR, NOW, MemorySource

pytestmark = pytest.mark.django_db
BTC = "KRW-BTC"
BEGIN = NOW.replace(minute=0, second=0) - timedelta(hours=20)
SLOTS = 12 * 60
"""Five minutes each, from BEGIN on."""
VALUES = ("open", "high", "low", "close", "volume", "quote_volume")


class Crash(Exception):
    """The worker ends here."""


@dataclass
class Truth:
    """One coin's 5-minute candles, and when the exchange has booked each."""

    silent: set[int]
    listed: int
    late: Mapping[int, int]
    """Slot to minutes after its end."""
    rows: dict[datetime, CandleRow] = field(init=False)

    def __post_init__(self) -> None:
        slots = [n for n in range(self.listed, SLOTS) if n not in self.silent]
        self.rows = {row.started_at: row for row in map(_candle, slots)}

    def booked(self, moment: datetime, now: datetime) -> bool:
        minutes = self.late.get((moment - BEGIN) // FIVE, 0)
        return moment + FIVE + timedelta(minutes=minutes) <= now

    def hours(self, rows: Mapping[datetime, CandleRow]) -> dict[datetime, CandleRow]:
        """Roll rows up, which come oldest first."""
        parts: dict[datetime, list[CandleRow]] = {}
        for moment in rows:
            parts.setdefault(moment.replace(minute=0), []).append(rows[moment])
        return {hour: _rolled(hour, inside) for hour, inside in parts.items()}


def _candle(slot: int) -> CandleRow:
    price = Decimal(10_000 + slot * 7919 % 997)
    return CandleRow(
        started_at=BEGIN + slot * FIVE,
        open=price,
        high=price + slot % 13,
        low=price - slot % 11,
        close=price - slot % 5,
        volume=Decimal(slot % 17 + 1),
        quote_volume=Decimal(slot % 19 + 1),
    )


def _rolled(hour: datetime, parts: list[CandleRow]) -> CandleRow:
    return CandleRow(
        started_at=hour,
        open=parts[0].open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=parts[-1].close,
        volume=sum((part.volume for part in parts), Decimal(0)),
        quote_volume=sum((part.quote_volume for part in parts), Decimal(0)),
    )


class TrueSource(MemorySource):
    """Serves what is booked by now, and may crash at a call."""

    def __init__(self, truth: Truth) -> None:
        super().__init__(markets=[BTC])
        self.truth = truth
        self.crash_at: int | None = None

    def candles(
        self, *, market: str, unit: int, before: datetime, count: int
    ) -> list[CandleRow]:
        self.calls["candles"] += 1
        if self.calls["candles"] == self.crash_at:
            raise Crash
        booked = {
            moment: row
            for moment, row in self.truth.rows.items()
            if moment < before and self.truth.booked(moment, self.now)
        }
        rows = booked if unit == 5 else self.truth.hours(booked)
        return list(rows.values())[-count:]


def collect(source: TrueSource) -> None:
    with collecting(source=source, now=source.now, history_days=1) as collection:
        for _ in collection.arrivals(beat=lambda: None):
            pass
    assert not collection.failed


def stored(unit: Unit) -> dict[datetime, CandleRow]:
    rows = Candle.objects.filter(market=BTC, unit=unit)
    return {
        row.started_at: CandleRow(
            row.started_at, *(getattr(row, name) for name in VALUES)
        )
        for row in rows
    }


STRETCHES = st.lists(st.tuples(st.integers(0, SLOTS), st.integers(1, 90)), max_size=4)
TRUTHS = st.builds(
    lambda singles, stretches, listed, late: Truth(
        silent=singles
        | {n for start, length in stretches for n in range(start, start + length)},
        listed=listed,
        late=late,
    ),
    singles=st.sets(st.integers(0, SLOTS - 1), max_size=60),
    stretches=STRETCHES,
    listed=st.integers(0, 12 * 22),
    late=st.dictionaries(st.integers(0, SLOTS - 1), st.integers(1, 55), max_size=40),
)
RUNS = st.lists(
    st.tuples(st.integers(1, 1100), st.none() | st.integers(1, 3)),
    min_size=1,
    max_size=8,
)
"""Minutes since the run before (up to 18 hours), and the call at which it crashes."""


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(truth=TRUTHS, breaks=RUNS)
def test_hours_and_minutes_are_rebuilt_exactly(
    truth: Truth, breaks: list[tuple[int, int | None]]
) -> None:
    Candle.objects.all().delete()
    Coin.objects.all().delete()
    source = TrueSource(truth)
    last = BEGIN + SLOTS * FIVE - 4 * HOUR
    for minutes, crash in [(0, None), *breaks]:
        source.now = min(last, source.now + timedelta(minutes=minutes))
        source.crash_at = crash and source.calls["candles"] + crash
        with suppress(Crash):
            collect(source)
    source.crash_at = None
    for _ in range(2):  # the hour in which the last trade was booked late has ended
        source.now += HOUR
        collect(source)

    coin = Coin.objects.get()
    assert coin.hours_from is not None
    assert coin.hours_until is not None
    this_hour = source.now.replace(minute=0, second=0)
    end = floor_to(moment=source.now, seconds=300)
    assert (coin.hours_until, coin.minutes_until) == (this_hour, end)
    known = {at: row for at, row in truth.rows.items() if at < end}
    # The last closed hour is still open to late trades; all before it is final.
    settled = this_hour - HOUR
    assert _until(stored(Unit.HOUR), coin.hours_from, settled) == _until(
        truth.hours(known), coin.hours_from, settled
    )
    booked = {at: row for at, row in known.items() if truth.booked(at, source.now)}
    assert _until(stored(Unit.FIVE), settled, end) == _until(booked, settled, end)


def _until(
    rows: Mapping[datetime, CandleRow], since: datetime, until: datetime
) -> dict[datetime, CandleRow]:
    return {at: row for at, row in rows.items() if since <= at < until}
