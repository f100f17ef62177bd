"""Reads that say something else: hidden orders, stale or empty lists, odd market data."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from deploy.simulator.faults.signs import written

MEMORY_BYTES: Final = 16_000_000
UNKNOWN_CODE: Final = "KRW-NOSUCHCOIN"
_NOT_FOUND: Final = {
    "error": {"name": "order_not_found", "message": "주문을 찾지 못했습니다."}
}
Question = tuple[str, str, str]
"""Who asked which path with which query."""


@dataclass(slots=True)
class Answers:
    """What was truly answered lately, so that it can be said again."""

    _kept: deque[tuple[int, Question, bytes]] = field(default_factory=deque)
    _bytes: int = 0

    def keep(self, *, question: Question, body: bytes, now_ms: int) -> None:
        """Remember an answer; the oldest are forgotten when there are too many."""
        self._kept.append((now_ms, question, body))
        self._bytes += len(body)
        while self._bytes > MEMORY_BYTES:
            self._bytes -= len(self._kept.popleft()[2])

    def before(self, *, question: Question, at_ms: int) -> bytes | None:
        """Return the newest answer not younger than *at_ms*."""
        for then_ms, asked, body in reversed(self._kept):
            if asked == question and then_ms <= at_ms:
                return body
        return None

    def oldest(self, *, question: Question) -> bytes:
        """Return the oldest answer that is remembered; there must be one."""
        return next(body for _, asked, body in self._kept if asked == question)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One true answer to a read, and what may be said instead."""

    response: web.Response
    question: Question
    answers: Answers
    seconds: float
    now_ms: int
    created_ms: Callable[[str], int]
    """When an order (by uuid) was accepted."""

    def is_young(self, row: dict[str, Any]) -> bool:
        """Tell whether an order was accepted less than `seconds` ago."""
        return self.now_ms - self.created_ms(row["uuid"]) < self.seconds * 1000

    def body(self) -> Any:
        """Return the true answer, parsed."""
        return json.loads(self.response.body)  # type: ignore[arg-type]  # bytes by then

    def instead(self, body: Any, *, status: int | None = None) -> web.Response:
        """Return another answer."""
        return web.Response(
            body=written(body),
            status=status or self.response.status,
            content_type="application/json",
        )


Altered = tuple[web.Response, str]
"""The answer to give and what was done."""


def altered(kind: str, read: Read, /) -> Altered:
    """Return what a fault of this kind makes of a true answer (status 200)."""
    return _ALTERATIONS[kind](read)


def _delayed_visibility(read: Read) -> Altered:
    body = read.body()
    if isinstance(body, dict):
        if not read.is_young(body):
            return read.response, "nothing to hide"
        return read.instead(_NOT_FOUND, status=404), "hid a new order"
    rows = [row for row in body if not read.is_young(row)]
    return read.instead(rows), f"hid {len(body) - len(rows)} new orders"


def _false_404(read: Read) -> Altered:
    return read.instead(_NOT_FOUND, status=404), "denied an order that exists"


def _stale_list(read: Read) -> Altered:
    at_ms = read.now_ms - int(read.seconds * 1000)
    old = read.answers.before(question=read.question, at_ms=at_ms)
    if old is None:
        return read.instead([]), "an empty list; nobody had asked by then"
    return _again(old), f"the list of {read.seconds:g} s ago"


def _stale_ticker(read: Read) -> Altered:
    at_ms = read.now_ms - int(read.seconds * 1000)
    old = read.answers.before(question=read.question, at_ms=at_ms)
    old = old or read.answers.oldest(question=read.question)
    return _again(old), f"prices of {read.seconds:g} s ago or the oldest known"


def _again(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _empty_list(read: Read) -> Altered:
    return read.instead([]), f"hid {len(read.body())} rows"


def _candle_high_below_low(read: Read) -> Altered:
    rows = read.body()
    for row in rows[:1]:
        row["high_price"], row["low_price"] = row["low_price"], row["high_price"]
        if row["high_price"] == row["low_price"]:
            row["low_price"] = row["high_price"] * 2
    return read.instead(rows), "high below low in the newest candle"


def _unknown_code(read: Read) -> Altered:
    rows = read.body()
    rows += [{**row, "market": UNKNOWN_CODE} for row in rows[-1:]]
    return read.instead(rows), f"added a row of {UNKNOWN_CODE}"


_ALTERATIONS: Final[dict[str, Callable[[Read], Altered]]] = {
    "delayed_visibility": _delayed_visibility,
    "false_404": _false_404,
    "stale_list": _stale_list,
    "stale_ticker": _stale_ticker,
    "empty_list": _empty_list,
    "candle_high_below_low": _candle_high_below_low,
    "unknown_code": _unknown_code,
}
