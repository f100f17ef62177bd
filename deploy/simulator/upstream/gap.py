"""The trades that nobody listened to: told by the upstream's history afterwards.

A short gap is read trade by trade. A long one (a closed notebook, a stopped exchange) is
read trade by trade at both ends and by minute candles between, walked as recordings are.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from deploy.simulator.market.clock import DAY_MS, MINUTE_MS
from deploy.simulator.market.path import Cells, walk
from deploy.simulator.market.ticks import exact
from deploy.simulator.upstream.reads import Deal, deal_of
from deploy.simulator.upstream.rest import UpstreamAway, UpstreamRest

SHORT_MS: Final = 4 * MINUTE_MS
TRADES_PAGE, CANDLES_PAGE = 500, 200
MOST_PAGES: Final = 60
"""Of trades within a few minutes: thirty thousand."""
FURTHEST_DAYS: Final = 7
"""Single trades are told for a week back."""
_COLUMNS: Final = (
    *("opening_price", "high_price", "low_price", "trade_price"),
    *("candle_acc_trade_volume", "candle_acc_trade_price"),
)
log = logging.getLogger("simulator")


async def read_missed(
    rest: UpstreamRest, *, market: str, since_ms: int, now_ms: int
) -> list[Deal]:
    """Return a market's trades since an instant of the upstream, oldest first.

    Raises what UpstreamRest.read raises.
    """
    if now_ms - since_ms <= SHORT_MS:
        return await _trades(rest, market, since_ms, None, now_ms)
    first = (since_ms // MINUTE_MS + 1) * MINUTE_MS
    last = (now_ms // MINUTE_MS - 1) * MINUTE_MS  # its last candle may still change
    begun: list[Deal] = []
    if now_ms // DAY_MS - since_ms // DAY_MS <= FURTHEST_DAYS:
        begun = await _trades(rest, market, since_ms, first, now_ms)
    between = await _candles(rest, market, first, last)
    return begun + between + await _trades(rest, market, last, None, now_ms)


async def _trades(
    rest: UpstreamRest, market: str, since_ms: int, until_ms: int | None, now_ms: int
) -> list[Deal]:
    """Return the trades of ``[since, until)``; until None: up to the present."""
    query = {"market": market, "count": str(TRADES_PAGE), **_end(until_ms, now_ms)}
    found: dict[int | None, Deal] = {}
    for _ in range(MOST_PAGES):
        page = _understood(await rest.read("/v1/trades/ticks", query, fresh=True))
        found |= {deal.number: deal for deal in page}
        if len(page) < TRADES_PAGE or page[-1].traded_ms < since_ms:
            break
        query["cursor"] = str(page[-1].number)
    else:
        log.warning("%s traded too often to read every trade missed", market)
    chosen = [
        deal
        for deal in found.values()
        if since_ms <= deal.traded_ms
        and (until_ms is None or deal.traded_ms < until_ms)
    ]
    return sorted(chosen, key=lambda deal: (deal.traded_ms, deal.number or 0))


def _end(until_ms: int | None, now_ms: int) -> dict[str, str]:
    """Return the parameters that let trades end at an instant of the last seven days."""
    if until_ms is None:
        return {}
    # Nothing says whether `to` belongs to what it ends; what is too late is dropped.
    day_ms = (until_ms - 1) // DAY_MS * DAY_MS
    to = _utc(min(until_ms, day_ms + DAY_MS - 1000))
    query = {"to": f"{to:%H%M%S}"}
    days = now_ms // DAY_MS - day_ms // DAY_MS
    return query | ({"days_ago": str(days)} if days else {})


async def _candles(
    rest: UpstreamRest, market: str, first_ms: int, last_ms: int
) -> list[Deal]:
    """Return the minutes of ``[first, last)`` as the trades that make them up."""
    rows: list[dict[str, Any]] = []
    end_ms = last_ms
    while end_ms > first_ms:
        to = f"{_utc(end_ms):%Y-%m-%dT%H:%M:%SZ}"
        query = {"market": market, "to": to, "count": str(CANDLES_PAGE)}
        page = await rest.read("/v1/candles/minutes/1", query)
        if not page:
            break
        rows += page
        end_ms = _begin_ms(page[-1])
    kept = [row for row in reversed(rows) if first_ms <= _begin_ms(row) < last_ms]
    return _walked(kept) if kept else []


def _walked(rows: list[dict[str, Any]]) -> list[Deal]:
    def column(name: str) -> Any:
        return np.array([float(row[name]) for row in rows], np.float64)

    try:
        cells = Cells(
            np.array([_begin_ms(row) // MINUTE_MS for row in rows], np.int64),
            *(column(name) for name in _COLUMNS),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamAway("its candles cannot be understood") from error
    points = walk(cells)
    return [
        Deal(
            price=exact(float(price)),
            volume=exact(float(volume)),
            traded_ms=at,
            number=None,
        )
        for at, price, volume in zip(
            points.path_ms.tolist(), points.price, points.volume, strict=True
        )
    ]


def _begin_ms(row: Any) -> int:
    try:
        at = datetime.fromisoformat(row["candle_date_time_utc"])
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamAway("its candles cannot be understood") from error
    return int(at.replace(tzinfo=UTC).timestamp() * 1000)


def _understood(rows: Any) -> list[Deal]:
    try:
        return [deal_of(row) for row in rows]
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UpstreamAway("its trades cannot be understood") from error


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
