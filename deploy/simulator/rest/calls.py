"""How a call is let in: who calls, within the limits, as signed; then it is answered.

Every answer says how many calls are left, refusals and unknown paths included. A call
whose sender is not known counts for its address.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from deploy.simulator.exchange.venue import instant
from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.rest.auth import ApiKey, Caller, Scope
from deploy.simulator.rest.errors import NOT_FOUND, UpbitProblem, over_limit
from deploy.simulator.rest.limits import EXCHANGE_GROUPS, ORIGIN, OverLimit
from deploy.simulator.rest.parameters import Parameters, read_parameters
from user_project.trading.matching_orders import OrderNotFound, OrderRefused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[], Awaitable[web.StreamResponse]]

LONGEST_BODY: Final = 64 * 1024
"""Bytes; the longest order is a few hundred."""
KEY: Final = web.RequestKey("key", ApiKey)
ASKED: Final = web.RequestKey("asked", Parameters)
log = logging.getLogger("simulator")


def json_answer(value: Any, /, *, status: int = 200) -> web.Response:
    """Return a JSON answer as Upbit writes it, without spaces."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return web.Response(
        body=text.encode(), status=status, content_type="application/json"
    )


def public(*, group: str, handler: Handler) -> Handler:
    """Return a quotation handler: anybody may call, counted per address.

    What comes from a web page (it has an Origin header) gets one call in 10 seconds.
    """

    async def call(request: web.Request) -> web.StreamResponse:
        return await _counted(
            request,
            group,
            request.remote or "",
            lambda: handler(request),
            from_a_page="Origin" in request.headers,
        )

    return call


def private(*, group: str, scope: Scope | None, handler: Handler) -> Handler:
    """Return an exchange handler: signed calls of keys with *scope*, per pocket."""

    async def call(request: web.Request) -> web.StreamResponse:
        house = request.app[HOUSE]
        address = request.remote or ""
        try:
            caller = house.keys.authenticate(
                header=request.headers.get("Authorization"),
                address=address,
                now=instant(house.now_ms()),
            )
        except UpbitProblem as problem:
            return await _counted(request, group, address, _raising(problem))
        request[KEY], request[CALLER] = caller.key, caller.key.pocket
        return await _counted(
            request,
            group,
            caller.key.pocket,
            lambda: _signed(request, caller, scope, handler),
        )

    return call


async def _signed(
    request: web.Request, caller: Caller, scope: Scope | None, handler: Handler
) -> web.StreamResponse:
    """Read what is asked, check that it was signed and allowed, and do it."""
    house = request.app[HOUSE]
    asked = await _asked(request, lenient=house.assumptions.bodies == "lenient")
    caller.check_hash(asked=asked)
    caller.check_scope(needed=scope)
    request[ASKED] = asked
    house.venue.advance(now_ms=house.now_ms())
    return await handler(request)


async def _asked(request: web.Request, *, lenient: bool) -> Parameters:
    try:
        body = await request.read() if request.body_exists else b""
    except web.HTTPRequestEntityTooLarge as error:
        text = f"본문은 {LONGEST_BODY}바이트까지입니다."
        raise UpbitProblem(status=413, name="bad_request", message=text) from error
    return read_parameters(
        method=request.method,
        query=request.rel_url.raw_query_string,
        body=body,
        content_type=request.content_type,
        lenient=lenient,
    )


def _raising(problem: UpbitProblem) -> Answer:
    async def refuse() -> web.StreamResponse:
        raise problem

    return refuse


async def _counted(
    request: web.Request,
    group: str,
    who: str,
    answer: Answer,
    *,
    from_a_page: bool = False,
) -> web.StreamResponse:
    """Count a call, answer it or refuse it in Upbit's words, and say what is left."""
    house = request.app[HOUSE]
    left = 0
    try:
        counted = ORIGIN if from_a_page else group
        left = house.limits.take(group=counted, who=who, now_ms=house.now_ms())
        response = await answer()
    except OverLimit as error:
        response = _too_many(request, error, exchange=group in EXCHANGE_GROUPS)
    except (UpbitProblem, OrderRefused, OrderNotFound) as error:
        problem = problem_of(error)
        response = json_answer(problem.body(), status=problem.status)
    if "Remaining-Req" not in response.headers:  # an upstream counts as well
        response.headers["Remaining-Req"] = house.limits.header(
            group=group, left=left, dotted=house.assumptions.group_names == "dotted"
        )
    return response


def _too_many(
    request: web.Request, error: OverLimit, *, exchange: bool
) -> web.Response:
    problem = over_limit(blocked_seconds=error.blocked_seconds, exchange=exchange)
    match request.app[HOUSE].assumptions.limit_body:
        case "text":
            text = "Too many API requests." if problem.status == 429 else str(problem)
            return web.Response(text=text, status=problem.status)
        case "flat":
            return json_answer(problem.body()["error"], status=problem.status)
        case _:
            return json_answer(problem.body(), status=problem.status)


def problem_of(error: UpbitProblem | OrderRefused | OrderNotFound, /) -> UpbitProblem:
    """Return a refusal of the engine in Upbit's words."""
    if isinstance(error, UpbitProblem):
        return error
    if isinstance(error, OrderNotFound):
        return UpbitProblem(status=404, name="order_not_found", message=NOT_FOUND)
    status = 403 if error.name == "market_offline" else 400
    return UpbitProblem(status=status, name=error.name, message=error.message)


@web.middleware
async def in_upbits_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer unknown paths, other methods and our own failures as Upbit would."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        problem = UpbitProblem(
            status=error.status, name=error.status, message=error.reason
        )
        allow = error.headers.get("Allow")
    except Exception:
        # A stream that is open already can no longer be answered.
        if not request.path.startswith("/v1/"):
            raise
        log.exception("%s %s failed", request.method, request.path)
        problem = UpbitProblem(
            status=500,
            name="internal_server_error",
            message="서버에서 요청을 처리하지 못했습니다.",
        )
        allow = None
    response = await _counted(
        request, "default", request.remote or "", _raising(problem)
    )
    if allow is not None:
        response.headers["Allow"] = allow
    return response
