"""Faults of REST calls: around each handler, and around all that is answered.

A call is signed, counted and checked first; only what would be done then is struck. So a
struck call uses its nonce and its place in the rate limit like any other, and a call
that the exchange itself refuses is answered with that refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from deploy.simulator.faults.clock import skewed, skewed_date
from deploy.simulator.faults.reads import Answers
from deploy.simulator.faults.registry import Call, Faults
from deploy.simulator.faults.signs import Wrong, never_answered, show
from deploy.simulator.house import CALLER, HOUSE, House
from deploy.simulator.operator.received import CALLS, Calls, Received
from deploy.simulator.rest.calls import ASKED, KEY, LONGEST_BODY, Handler
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.rest.parameters import NOTHING, Parameters, read_parameters
from user_project.trading.matching_orders import OrderNotFound

WRONG: Final = web.RequestKey("wrong", Wrong)
"""How the answer is to go wrong, once it is there."""
RECEIVED: Final = web.RequestKey("received", Received)
CALL: Final = web.RequestKey("call", Call)


@dataclass(slots=True)
class Desk:
    """What faults remember between calls, and what they still have to do."""

    answers: Answers = field(default_factory=Answers)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    def later(self, work: Coroutine[Any, Any, None], /) -> None:
        """Do something after the caller was answered; it ends with this process."""
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Drop what is still to come."""
        for task in list(self._late):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


DESK: Final = web.AppKey("desk", Desk)


def prepare(*, app: web.Application) -> None:
    """Give an application what `watched` and struck calls need."""
    app[DESK], app[CALLS] = Desk(), Calls()
    app.on_shutdown.append(_stop_waiting)
    app.cleanup_ctx.append(_drop_late_calls)


async def _stop_waiting(app: web.Application) -> None:
    app[DESK].closing.set()


async def _drop_late_calls(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[DESK].close()


@web.middleware
async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write down what comes in; let the answer go wrong where a fault struck."""
    if request.path.startswith(("/simulator/", "/healthz")):
        return await handler(request)
    house = request.app[HOUSE]
    call = request[CALL] = await _call(request)
    received = request[RECEIVED] = Received(
        at_ms=house.now_ms(),
        method=request.method,
        path=request.path,
        endpoint=call.endpoint,
        identifier=call.identifier,
    )
    request.app[CALLS].note(received)
    response = await handler(request)
    if not isinstance(response, web.Response):
        received.status = response.status
        return response
    wrong = request.get(WRONG)
    if wrong is None or not never_answered(wrong.sign):
        received.status = response.status
    return await _told(request, response, wrong)


async def _told(
    request: web.Request, response: web.Response, wrong: Wrong | None
) -> web.Response:
    house = request.app[HOUSE]
    if house.faults is not None and house.faults.offset_ms:
        _skew(response, house, house.faults)
    if wrong is None:
        return response
    closing = request.app[DESK].closing
    told = await show(wrong=wrong, request=request, response=response, closing=closing)
    if not never_answered(wrong.sign):
        request[RECEIVED].status = told.status
    return told


def _skew(response: web.Response, house: House, faults: Faults) -> None:
    offset_ms = faults.offset_ms
    response.headers["Date"] = skewed_date(offset_ms=offset_ms, now_ms=house.now_ms())
    if isinstance(response.body, bytes):
        response.body = skewed(response.body, offset_ms=offset_ms)


async def _call(request: web.Request) -> Call:
    """Return what a call asks, as far as faults care; its sender is not known yet."""
    asked = await _asked(request)
    resource = request.match_info.route.resource
    path = request.path if resource is None else resource.canonical
    named = (asked.one("market"), *asked.many("markets"), *asked.many("pairs"))
    return Call(
        endpoint=f"{request.method} {path}",
        markets=frozenset(market for market in named if market),
        identifier=asked.one("identifier") or asked.one("new_identifier"),
    )


async def _asked(request: web.Request) -> Parameters:
    length = request.content_length or 0
    try:
        return read_parameters(
            method=request.method,
            query=request.rel_url.raw_query_string,
            body=await request.read() if 0 < length <= LONGEST_BODY else b"",
            content_type=request.content_type,
            lenient=True,
        )
    except UpbitProblem:
        return NOTHING  # the exchange will say what is wrong with it


def known_call(request: web.Request, /) -> Call:
    """Return a call with its sender and, for an order named by id, its market."""
    call, pocket = request[CALL], request.get(CALLER)
    if pocket is None:
        return call
    return replace(
        call,
        who=frozenset({pocket, request[KEY].access_key}),
        markets=call.markets | _market_of_order(request, pocket),
    )


def _market_of_order(request: web.Request, pocket: str) -> frozenset[str]:
    uuid, identifier = request[ASKED].one("uuid"), request[ASKED].one("identifier")
    if request.method == "POST" or not (uuid or identifier):
        return frozenset()
    engine = request.app[HOUSE].venue.engine
    try:
        order = engine.find(account=pocket, uuid=uuid, identifier=identifier)
    except OrderNotFound:
        return frozenset()
    return frozenset({order.request.market})
