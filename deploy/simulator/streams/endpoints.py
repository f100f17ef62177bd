"""The WebSocket side: `/websocket/v1` for everybody, `/websocket/v1/private` for keys."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from deploy.simulator.faults.stream import Line
from deploy.simulator.house import HOUSE
from deploy.simulator.rest.auth import ApiKey
from deploy.simulator.rest.calls import KEY, private, public
from deploy.simulator.rest.limits import ORIGIN
from deploy.simulator.streams.accounts import AccountStreams
from deploy.simulator.streams.connection import Connection, Times
from deploy.simulator.streams.frames import Message
from deploy.simulator.streams.hub import Hub
from deploy.simulator.streams.talk import Talk
from deploy.simulator.upstream.relay import relay

CONNECT: Final = "websocket-connect"
LONGEST_REQUEST: Final = 1 << 20
CLOSE_SECONDS: Final = 1.0
"""How long a client may take to say goodbye."""
_TIMES: Final = web.AppKey("stream_times", Times)
_HUB: Final = web.AppKey("stream_hub", Hub)
_ACCOUNTS: Final = web.AppKey("stream_accounts", AccountStreams)
_OPEN: Final = web.AppKey("stream_open", set[web.WebSocketResponse])


def add_streams(app: web.Application, *, times: Times | None = None) -> None:
    """Add both endpoints and the task behind them to an application with a house."""
    house = app[HOUSE]
    app[_TIMES] = times or Times()
    app[_HUB] = Hub(house=house, clock=time.monotonic)
    app[_ACCOUNTS] = AccountStreams(house=house, hub=app[_HUB])
    opened: set[web.WebSocketResponse] = set()
    app[_OPEN] = opened
    app.router.add_get("/websocket/v1", public(group=CONNECT, handler=_anybody))
    app.router.add_get(
        "/websocket/v1/private", private(group=CONNECT, scope=None, handler=_account)
    )
    app.cleanup_ctx.append(_serving)
    app.on_shutdown.append(_close_all)


async def _serving(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[_HUB].run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _close_all(app: web.Application) -> None:
    code = WSCloseCode.GOING_AWAY
    await asyncio.gather(*(socket.close(code=code) for socket in app[_OPEN].copy()))


async def _anybody(request: web.Request) -> web.StreamResponse:
    upstream = request.app[HOUSE].upstream
    if upstream is not None:
        return await relay(request, upstream)
    return await _connected(request)


async def _account(request: web.Request) -> web.StreamResponse:
    house = request.app[HOUSE]
    if "Origin" in request.headers:
        who = request.remote or ""
        house.limits.take(group=ORIGIN, who=who, now_ms=house.now_ms())
    return await _connected(request)


async def _connected(request: web.Request) -> web.StreamResponse:
    """Keep one connection from handshake to end."""
    app, transport = request.app, request.transport
    socket = web.WebSocketResponse(
        autoping=False, max_msg_size=LONGEST_REQUEST, timeout=CLOSE_SECONDS
    )
    await socket.prepare(request)
    if transport is None:
        return socket
    talk = _talk(app, request.get(KEY), transport, socket)
    app[_OPEN].add(socket)
    talk.hub.join(talk.connection)
    try:
        await _listen(socket, talk)
    finally:
        talk.hub.leave(talk.connection)
        app[_OPEN].discard(socket)
    return socket


def _talk(
    app: web.Application,
    key: ApiKey | None,
    transport: asyncio.Transport,
    socket: web.WebSocketResponse,
) -> Talk:
    connection = Connection(
        pipe=transport,
        packed=socket.compress == zlib.MAX_WBITS,
        clock=time.monotonic,
        pocket=None if key is None else key.pocket,
        line=_line(app, key),
        times=app[_TIMES],
    )
    return Talk(
        house=app[HOUSE],
        hub=app[_HUB],
        accounts=app[_ACCOUNTS],
        connection=connection,
        key=key,
    )


def _line(app: web.Application, key: ApiKey | None) -> Line[Message] | None:
    """Return where faults may strike a connection, if the simulator has any."""
    faults = app[HOUSE].faults
    if faults is None:
        return None
    who = frozenset() if key is None else frozenset({key.access_key, key.pocket})
    return Line(faults=faults, who=who)


async def _listen(socket: web.WebSocketResponse, talk: Talk) -> None:
    """Do what the client says until either side ends the connection."""
    while True:
        message = await socket.receive()
        talk.connection.heard()
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                if not await talk.hear(message.data):
                    await socket.close()
            case WSMsgType.PING:
                await socket.pong(message.data)
            case WSMsgType.PONG:
                pass
            case _:
                return
