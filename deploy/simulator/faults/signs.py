"""Outward signs of a fault: what a caller sees of an answer that went wrong.

Accepted and refused calls go through the same signs, so nobody can tell them apart.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from deploy.simulator.rest.errors import UpbitProblem, over_limit

REMAINING: Final = "Remaining-Req"
INVENTED_LENGTH: Final = 640
_HTML: Final = (
    "<!DOCTYPE html><html><head><title>Upbit</title></head>"
    "<body><h1>Service Temporarily Unavailable</h1></body></html>"
)
_REFUSALS: Final = {
    "409": (409, "conflict", "요청을 처리할 수 없습니다."),
    "500": (500, "internal_server_error", "알 수 없는 에러가 발생하였습니다."),
    "nonce_used": (401, "nonce_used", "이미 사용된 nonce 값입니다."),
    "no_authorization_ip": (401, "no_authorization_ip", "This is not a verified IP."),
    "expired_access_key": (401, "expired_access_key", "API 키가 만료되었습니다."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """How the answer to one call is to go wrong."""

    sign: str
    seconds: float
    random: Random
    exchange: bool
    """Whether errors are named with words; quotation names them by their status."""


async def show(
    *,
    wrong: Wrong,
    request: web.Request,
    response: web.Response,
    closing: asyncio.Event,
) -> web.Response:
    """Return what the caller gets instead of *response*, once it is time."""
    match wrong.sign:
        case "delay":
            await _pause(wrong.seconds, closing)
        case "hang":
            await _pause(wrong.seconds, closing)
            _drop(request, reset=False)
        case "reset":
            _drop(request, reset=True)
        case sign:
            return _SIGNS.get(sign, _refusal)(response, wrong)
    return response


def written(value: Any, /) -> bytes:
    """Return JSON as this exchange writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def never_answered(sign: str, /) -> bool:
    """Tell whether a caller gets no answer at all."""
    return sign in ("hang", "reset")


def invented_order(*, random: Random, market: str | None, status: int) -> web.Response:
    """Return the answer to an order that does not exist, to be cut short or replaced."""
    text = {
        "uuid": str(UUID(int=random.getrandbits(128), version=4)),
        "market": market or "KRW-BTC",
        "side": "bid",
    }
    body = written(text).ljust(INVENTED_LENGTH)
    return web.Response(status=status, body=body, content_type="application/json")


async def _pause(seconds: float, closing: asyncio.Event) -> None:
    """Wait, but not longer than this process lives."""
    try:
        await asyncio.wait_for(closing.wait(), seconds)
    except TimeoutError:
        return


def _drop(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return  # the caller went first
    if reset:
        peer = transport.get_extra_info("socket")
        # Nothing may linger: the kernel then answers with RST instead of FIN.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _instead(
    response: web.Response,
    body: bytes,
    *,
    status: int,
    content_type: str = "application/json",
) -> web.Response:
    """Return another answer that counts the remaining calls like the first one."""
    new = web.Response(status=status, body=body, content_type=content_type)
    if REMAINING in response.headers:
        new.headers[REMAINING] = response.headers[REMAINING]
    return new


def _problem(response: web.Response, problem: UpbitProblem) -> web.Response:
    return _instead(response, written(problem.body()), status=problem.status)


def _refusal(response: web.Response, wrong: Wrong) -> web.Response:
    status, name, message = _REFUSALS[wrong.sign]
    problem = UpbitProblem(
        status=status, name=name if wrong.exchange else status, message=message
    )
    return _problem(response, problem)


def _over_limit(response: web.Response, wrong: Wrong) -> web.Response:
    seconds = None if wrong.sign == "429" else round(wrong.seconds)
    new = _problem(
        response, over_limit(blocked_seconds=seconds, exchange=wrong.exchange)
    )
    if REMAINING in new.headers:
        new.headers[REMAINING] = re.sub(r"sec=\d+", "sec=0", new.headers[REMAINING])
    return new


def _html(response: web.Response, wrong: Wrong) -> web.Response:
    return _instead(response, _HTML.encode(), status=200, content_type="text/html")


def _truncated(response: web.Response, wrong: Wrong) -> web.Response:
    body = _bytes(response)
    new = _instead(response, body[: len(body) // 20], status=response.status)
    new.headers["Content-Length"] = str(len(body))
    new.force_close()
    return new


def _malformed(response: web.Response, wrong: Wrong) -> web.Response:
    body = _bytes(response)
    return _instead(response, body[: len(body) // 2], status=response.status)


def _without_remaining(response: web.Response, wrong: Wrong) -> web.Response:
    response.headers.pop(REMAINING, None)
    return response


def _dotted_remaining(response: web.Response, wrong: Wrong) -> web.Response:
    text = response.headers.get(REMAINING, "")
    response.headers[REMAINING] = re.sub(
        r"group=(?!exchange\.)", "group=exchange.", text
    )
    return response


def _without_uuid(response: web.Response, wrong: Wrong) -> web.Response:
    order = _order(response)
    for name in ("uuid", "new_order_uuid"):
        order.pop(name, None)
    return _instead(response, written(order), status=response.status)


def _wrong_identifier(response: web.Response, wrong: Wrong) -> web.Response:
    order = _order(response)
    order["identifier"] = f"other-{wrong.random.getrandbits(32):08x}"
    return _instead(response, written(order), status=response.status)


def _error_body_200(response: web.Response, wrong: Wrong) -> web.Response:
    status, name, message = _REFUSALS["500"]
    problem = UpbitProblem(status=status, name=name, message=message)
    return _instead(response, written(problem.body()), status=200)


def _bytes(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _order(response: web.Response) -> dict[str, Any]:
    return dict(json.loads(_bytes(response)))


_SIGNS: Final[dict[str, Callable[[web.Response, Wrong], web.Response]]] = {
    "429": _over_limit,
    "418": _over_limit,
    "html": _html,
    "truncated": _truncated,
    "malformed_json": _malformed,
    "without_remaining": _without_remaining,
    "dotted_remaining": _dotted_remaining,
    "without_uuid": _without_uuid,
    "wrong_identifier": _wrong_identifier,
    "error_body_200": _error_body_200,
}
