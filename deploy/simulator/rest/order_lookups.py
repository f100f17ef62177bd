"""Upbit's lookups of orders over HTTP: one, by ids, open, closed, and the old list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from aiohttp import web

from common.upbit import CLOSED_ORDERS_WINDOW_DAYS
from deploy.simulator.exchange.venue import instant
from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.rest.calls import ASKED, json_answer
from deploy.simulator.rest.errors import bad
from deploy.simulator.rest.order_views import order_view
from deploy.simulator.rest.parameters import Parameters
from user_project.trading.matching_orders import Order, OrderNotFound

MOST_LOOKED_UP: Final = 100
LAGS: Final = {
    "none": timedelta(0),
    "short": timedelta(milliseconds=500),
    "long": timedelta(seconds=5),
}
_WINDOW: Final = timedelta(days=CLOSED_ORDERS_WINDOW_DAYS)
_OPEN: Final = ("wait", "watch")
_CLOSED: Final = ("done", "cancel")


async def one(request: web.Request) -> web.Response:
    """GET /v1/order: one order with its trades; uuid wins over identifier."""
    order = find(request, request[ASKED])
    if not _is_visible(request, order):
        raise OrderNotFound(order.uuid)
    assumptions = request.app[HOUSE].assumptions
    return json_answer(order_view(order, assumptions=assumptions, with_trades=True))


async def by_ids(request: web.Request) -> web.Response:
    """GET /v1/orders/uuids: up to 100 orders, by uuid or by identifier."""
    found = find_many(request, most=MOST_LOOKED_UP).values()
    newest_first = sorted(
        (order for order in found if order is not None),
        key=lambda order: order.created_at,
        reverse=True,
    )
    return _listed(request, _of_market(request, newest_first))


async def still_open(request: web.Request) -> web.Response:
    """GET /v1/orders/open: waiting orders in pages of up to 100."""
    asked = request[ASKED]
    states = _states(asked, _OPEN, default=("wait",))
    limit = asked.number("limit", default=100, most=100)
    skipped = (asked.number("page", default=1, most=10**6) - 1) * limit
    rows = (o for o in waiting_orders(request) if str(o.state) in states)
    return _listed(request, _of_market(request, rows), skipped, limit)


async def closed(request: web.Request) -> web.Response:
    """GET /v1/orders/closed: finished orders created within a window of 7 days."""
    asked = request[ASKED]
    states = _states(asked, _CLOSED, default=_CLOSED)
    limit = asked.number("limit", default=100, most=1000)
    start, end = _window(request)
    recent = takewhile(lambda order: order.created_at >= start, _mine(request))
    rows = (o for o in recent if o.created_at <= end and str(o.state) in states)
    return _listed(request, _of_market(request, rows), 0, limit)


async def any_state(request: web.Request) -> web.Response:
    """GET /v1/orders: the list before open and closed were parted, if still served."""
    house, asked = request.app[HOUSE], request[ASKED]
    if house.assumptions.old_orders == "gone":
        raise web.HTTPNotFound
    states = _states(asked, (*_OPEN, *_CLOSED), default=("wait",))
    limit = asked.number("limit", default=100, most=100)
    skipped = (asked.number("page", default=1, most=10**6) - 1) * limit
    among = waiting_orders(request) if set(states) <= set(_OPEN) else _mine(request)
    rows = (o for o in among if str(o.state) in states)
    return _listed(request, _of_market(request, rows), skipped, limit)


def find(request: web.Request, asked: Parameters, /) -> Order:
    """Return the caller's order that *asked* names by uuid or identifier.

    Raises UpbitProblem or OrderNotFound.
    """
    uuid, identifier = asked.one("uuid"), asked.one("identifier")
    if uuid is None and identifier is None:
        raise bad("validation_error", "uuid 또는 identifier를 입력해주세요.")
    return request.app[HOUSE].venue.engine.find(
        account=request[CALLER], uuid=uuid, identifier=identifier
    )


def find_many(request: web.Request, /, *, most: int) -> dict[str, Order | None]:
    """Return the caller's orders by the uuids or identifiers asked; None if unknown."""
    asked, engine = request[ASKED], request.app[HOUSE].venue.engine
    uuids, identifiers = asked.many("uuids"), asked.many("identifiers")
    ids = dict.fromkeys(uuids or identifiers)
    if bool(uuids) == bool(identifiers) or len(ids) > most:
        text = f"uuids[] 또는 identifiers[] 중 하나를 1~{most}개 입력해주세요."
        raise bad("validation_error", text)
    found: dict[str, Order | None] = {}
    for name in ids:
        key = {"uuid": name} if uuids else {"identifier": name}
        try:
            found[name] = engine.find(account=request[CALLER], **key)
        except OrderNotFound:
            found[name] = None
    return found


def waiting_orders(request: web.Request, /) -> list[Order]:
    """Return the caller's open orders, newest first."""
    engine, market = request.app[HOUSE].venue.engine, request[ASKED].one("market")
    markets = engine.markets_waiting() if market is None else (market,)
    mine = [
        order
        for name in markets
        for order in engine.waiting(market=name)
        if order.account == request[CALLER]
    ]
    return sorted(mine, key=lambda order: order.created_at)[::-1]


def is_newest_first(asked: Parameters, /) -> bool:
    """Tell which end of a list comes first: `order_by` is desc unless said."""
    return asked.choice("order_by", "desc", "asc") == "desc"


def _mine(request: web.Request) -> Iterator[Order]:
    return request.app[HOUSE].venue.engine.orders(account=request[CALLER])


def _is_visible(request: web.Request, order: Order) -> bool:
    """Tell whether lookups know the order yet."""
    house = request.app[HOUSE]
    lag = LAGS[house.assumptions.lookup_lag]
    return not lag or instant(house.now_ms()) - order.created_at >= lag


def _of_market(request: web.Request, orders: Iterable[Order]) -> Iterator[Order]:
    market = request[ASKED].one("market")
    return (o for o in orders if market in (None, o.request.market))


def _listed(
    request: web.Request,
    newest_first: Iterable[Order],
    skipped: int = 0,
    limit: int | None = None,
) -> web.Response:
    """Answer a page of orders in the order asked for."""
    assumptions = request.app[HOUSE].assumptions
    rows: Iterable[Order] = (o for o in newest_first if _is_visible(request, o))
    if not is_newest_first(request[ASKED]):
        rows = list(rows)[::-1]
    stop = None if limit is None else skipped + limit
    return json_answer(
        [order_view(o, assumptions=assumptions) for o in islice(rows, skipped, stop)]
    )


def _states(
    asked: Parameters, known: tuple[str, ...], *, default: tuple[str, ...]
) -> tuple[str, ...]:
    single, several = asked.many("state"), asked.many("states")
    if single and several:
        raise bad("invalid_parameter", "state와 states[]는 함께 쓸 수 없습니다.")
    states = tuple(single or several) or default
    if not set(states) <= set(known):
        raise bad("invalid_parameter", f"state는 {', '.join(known)} 중 하나입니다.")
    return states


def _window(request: web.Request) -> tuple[datetime, datetime]:
    """Return the window of creation times; at most 7 days, by default the last ones."""
    start, end = _time(request, "start_time"), _time(request, "end_time")
    try:
        if end is None:
            now = instant(request.app[HOUSE].now_ms())
            end = now if start is None else start + _WINDOW
        if start is None:
            start = end - _WINDOW
    except OverflowError as error:
        raise bad("invalid_parameter", "조회 기간을 확인해주세요.") from error
    if not timedelta(0) <= end - start <= _WINDOW:
        raise bad("invalid_parameter", "조회 기간은 최대 7일입니다.")
    return start, end


def _time(request: web.Request, name: str) -> datetime | None:
    """Return the true instant meant by ISO-8601 or milliseconds of our clock."""
    text = request[ASKED].one(name)
    if text is None:
        return None
    try:
        if text.isascii() and text.isdecimal():
            at = instant(int(text))
        else:
            # A plus sign that was not encoded arrives as a space.
            at = datetime.fromisoformat(text.replace(" ", "+"))
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return at - request.app[HOUSE].clock_error
    except (ValueError, OverflowError) as error:
        problem = bad("invalid_parameter", f"{name}은(는) ISO-8601 또는 ms입니다.")
        raise problem from error
