"""An upstream's market data for this exchange's clients: answers and streams as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import WSMsgType, web

from deploy.simulator.house import HOUSE
from deploy.simulator.upstream.rest import UpstreamAway, away_problem
from deploy.simulator.upstream.stream import PATH
from deploy.simulator.upstream.upstream import Upstream

_NEVER_SENT: Final = (1005, 1006)
"""Close codes that say that there was none."""
_JOINED: Final = web.AppKey("upstream_joined", set[web.WebSocketResponse])
Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


def prepare(app: web.Application, /) -> None:
    """Let an application follow its upstream while it runs."""
    joined: set[web.WebSocketResponse] = set()
    app[_JOINED] = joined
    app.cleanup_ctx.append(_following)
    app.on_shutdown.append(_part_all)


async def _following(app: web.Application) -> AsyncIterator[None]:
    async with _upstream(app).running(engine=app[HOUSE].venue.engine):
        yield


async def _part_all(app: web.Application) -> None:
    for socket in app[_JOINED].copy():
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)


async def quotation(request: web.Request) -> web.Response:
    """Answer a quotation call with the upstream's own bytes; 503 while it is away."""
    try:
        answer = await _upstream(request.app).rest.fetch(request.rel_url.raw_path_qs)
    except UpstreamAway as error:
        raise away_problem(str(error)) from error
    headers = {"Content-Type": answer.content_type}
    if answer.remaining is not None:
        headers["Remaining-Req"] = answer.remaining
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def relay(request: web.Request, upstream: Upstream) -> web.WebSocketResponse:
    """Join a client with the upstream's public stream, frames as they are.

    Raises UpbitProblem when the upstream cannot be reached.
    """
    try:
        outside = await upstream.rest.connect(PATH, autoping=False)
    except UpstreamAway as error:
        raise away_problem(str(error)) from error
    inside = web.WebSocketResponse(autoping=False, timeout=1.0)
    try:
        await inside.prepare(request)
        request.app[_JOINED].add(inside)
        ways = [
            asyncio.create_task(_pass_on(inside, outside)),
            asyncio.create_task(_pass_on(outside, inside)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
    finally:
        request.app[_JOINED].discard(inside)
        await outside.close()
    await inside.close(code=_close_code(outside))
    return inside


def _close_code(outside: aiohttp.ClientWebSocketResponse) -> int:
    """Return the code to close with: the upstream's, unless it just vanished."""
    code = outside.close_code
    if code is None or code in _NEVER_SENT:
        return aiohttp.WSCloseCode.GOING_AWAY
    return code


async def _pass_on(source: Socket, sink: Socket) -> None:
    """Pass every frame on until the source ends or the sink is closed."""
    while True:
        message = await source.receive()
        try:
            match message.type:
                case WSMsgType.TEXT:
                    await sink.send_str(message.data)
                case WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                case WSMsgType.PING:
                    await sink.ping(message.data)
                case WSMsgType.PONG:
                    await sink.pong(message.data)
                case _:
                    return
        except (aiohttp.ClientError, ConnectionError):
            return


def _upstream(app: web.Application) -> Upstream:
    upstream = app[HOUSE].upstream
    if upstream is None:
        raise RuntimeError("this simulator has no upstream")
    return upstream
