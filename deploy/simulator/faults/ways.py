"""What becomes of a call that a fault strikes: done, not done, done late or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from deploy.simulator.exchange.venue import instant, milliseconds
from deploy.simulator.faults.http import DESK, RECEIVED, WRONG, known_call
from deploy.simulator.faults.kinds import KINDS, Way
from deploy.simulator.faults.reads import Read, altered
from deploy.simulator.faults.registry import Armed, Call, Faults
from deploy.simulator.faults.signs import Wrong, invented_order
from deploy.simulator.house import CALLER, HOUSE
from deploy.simulator.rest.calls import KEY, Handler, problem_of
from deploy.simulator.rest.errors import UpbitProblem
from user_project.trading.matching_orders import OrderNotFound, OrderRefused

_REFUSALS: Final = (UpbitProblem, OrderRefused, OrderNotFound)
_REMEMBERED: Final = tuple(KINDS[kind] for kind in ("stale_list", "stale_ticker"))
_HANG_SECONDS: Final = KINDS["accept_then_hang"].seconds or 0.0


def breakable(*, handler: Handler, faults: Faults) -> Handler:
    """Return a handler that faults may strike."""

    async def call(request: web.Request) -> web.StreamResponse:
        asked = known_call(request)
        armed = faults.strike(call=asked)
        if armed is None:
            return await _true_answer(request, handler, asked)
        request[RECEIVED].fault = armed.id
        struck = Struck(request, handler, armed, asked, faults)
        return await _WAYS[armed.kind.way](struck)

    return call


async def _true_answer(
    request: web.Request, handler: Handler, call: Call
) -> web.StreamResponse:
    response = await handler(request)
    if any(kind.suits(endpoint=call.endpoint) for kind in _REMEMBERED):
        request.app[DESK].answers.keep(
            question=_question(request),
            body=_body(response),
            now_ms=request.app[HOUSE].now_ms(),
        )
    return response


def _question(request: web.Request) -> tuple[str, str, str]:
    return request.get(CALLER, ""), request.path, request.query_string


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


@dataclass(frozen=True, slots=True)
class Struck:
    """One call and the fault that has it."""

    request: web.Request
    handler: Handler
    armed: Armed
    call: Call
    faults: Faults

    @property
    def seconds(self) -> float:
        """Return how long the fault lasts."""
        return self.armed.fault.seconds

    async def answer(self) -> web.StreamResponse:
        """Do what is asked; a refusal is noted and raised."""
        try:
            return await _true_answer(self.request, self.handler, self.call)
        except _REFUSALS as error:
            self.note(f"refused by the exchange itself ({problem_of(error).name})")
            raise

    async def outcome(self) -> str:
        """Do what is asked; return the status and, of a refusal, its name."""
        try:
            response = await _true_answer(self.request, self.handler, self.call)
        except _REFUSALS as error:
            problem = problem_of(error)
            return f"{problem.status} {problem.name}"
        return str(response.status)

    def note(self, done: str, /) -> None:
        """Write down what became of the call."""
        self.faults.note(armed=self.armed, call=self.call, done=done)

    def go_wrong(self, sign: str, /, *, seconds: float) -> None:
        """Let the answer carry a sign; 418 blocks the caller for true."""
        pocket = self.request.get(CALLER)
        self.request[WRONG] = Wrong(
            sign=sign,
            seconds=seconds,
            random=self.armed.random,
            exchange=pocket is not None,
        )
        if sign == "418":
            house = self.request.app[HOUSE]
            house.limits.block(
                who=pocket or self.request.remote or "",
                seconds=seconds,
                now_ms=house.now_ms(),
            )


async def _accept(struck: Struck) -> web.StreamResponse:
    response = await struck.answer()
    sign = struck.armed.kind.sign
    struck.go_wrong(sign, seconds=struck.seconds)
    struck.note(f"done; answer: {sign}")
    return response


async def _reject(struck: Struck) -> web.StreamResponse:
    sign = struck.armed.kind.sign
    struck.go_wrong(sign, seconds=struck.seconds)
    struck.note(f"not done; answer: {sign}")
    return invented_order(
        random=struck.armed.random,
        market=next(iter(struck.call.markets), None),
        status=201 if struck.request.method == "POST" else 200,
    )


async def _late(struck: Struck) -> web.StreamResponse:
    sign = struck.armed.fault.sign
    struck.go_wrong(sign, seconds=_HANG_SECONDS)
    struck.note(f"answer: {sign}; to be done {struck.seconds:g} s later")
    struck.request.app[DESK].later(_arrive_late(struck))
    return web.Response()


async def _arrive_late(struck: Struck) -> None:
    try:
        await asyncio.sleep(struck.seconds)
    except asyncio.CancelledError:
        struck.note("never done; this process ended first")
        raise
    house = struck.request.app[HOUSE]
    if not _key_still_works(struck.request):
        struck.note("not done late; the key no longer works")
        return
    house.venue.advance(now_ms=house.now_ms())
    struck.note(f"done {struck.seconds:g} s late: {await struck.outcome()}")


def _key_still_works(request: web.Request) -> bool:
    house, mine = request.app[HOUSE], request[KEY]
    return mine in house.keys.of_pocket(pocket=mine.pocket) and not mine.is_expired(
        now=instant(house.now_ms())
    )


async def _twice(struck: Struck) -> web.StreamResponse:
    struck.note(f"done; first answer, which is lost: {await struck.outcome()}")
    return await struck.answer()


async def _slow(struck: Struck) -> web.StreamResponse:
    struck.go_wrong("delay", seconds=struck.seconds)
    struck.note(f"answer delayed for {struck.seconds:g} s")
    return await struck.answer()


async def _alter(struck: Struck) -> web.StreamResponse:
    response = await struck.answer()
    if not isinstance(response, web.Response):
        return response
    house = struck.request.app[HOUSE]
    read = Read(
        response=response,
        question=_question(struck.request),
        answers=struck.request.app[DESK].answers,
        seconds=struck.seconds,
        now_ms=house.now_ms(),
        created_ms=lambda uuid: milliseconds(
            house.venue.engine.order(uuid=uuid).created_at
        ),
    )
    said, done = altered(struck.armed.fault.kind, read)
    struck.note(done)
    return said


_WAYS: Final[dict[Way, Callable[[Struck], Awaitable[web.StreamResponse]]]] = {
    Way.ACCEPT: _accept,
    Way.REJECT: _reject,
    Way.LATE: _late,
    Way.TWICE: _twice,
    Way.SLOW: _slow,
    Way.ALTER: _alter,
}
