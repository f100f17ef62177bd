"""The exchange behind the protocol: the matching engine on the markets' tapes.

Orders arrive a moment after they were accepted and cancellations a moment after they
were asked for; both are fixed instants on the real clock, so that walking the same path
again, later or after a restart, tells the same story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import uuid4

import numpy as np

from common.money import MarketRules, plain, ticks_of
from deploy.simulator.journal import Event, Journal
from deploy.simulator.tape import Tape, Trades
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    State,
)
from user_project.trading.orders import Side

LATENCY_MS: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(ms: int, /) -> datetime:
    """Return the UTC instant of real milliseconds."""
    return _EPOCH + timedelta(milliseconds=ms)


def milliseconds(at: datetime, /) -> int:
    """Return the real milliseconds of an instant."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def exact(price: float, /) -> Decimal:
    """Return a path price, which lies on the tick grid, without binary dust."""
    return Decimal(repr(round(price, 8)))


class Venue:
    """Accounts and orders, matched against the path by real time."""

    def __init__(
        self, *, tapes: Mapping[str, Tape], journal: Journal | None = None
    ) -> None:
        self.tapes = tapes
        self.engine = MatchingEngine()
        self._journal = journal
        self._walked_ms: dict[str, int] = {}
        self._cancel_ms: dict[str, int] = {}

    def rules(self, *, market: str) -> MarketRules:
        """Return a market's limits; refuse an unknown market as Upbit does."""
        if market not in self.tapes:
            raise OrderRefused("notfoundmarket", "존재하지 않는 마켓입니다.")
        return MarketRules(market=market, ticks=ticks_of(market=market))

    def open_account(self, *, account: str, krw: Decimal) -> None:
        """Make an account, unless it lives on from an earlier run."""
        if account not in self.engine.accounts():
            self.engine.open_account(account=account, balances={"KRW": krw})
            self._note({"event": "account", "account": account, "krw": plain(krw)})

    def place(self, *, account: str, request: NewOrder, now_ms: int) -> Order:
        """Accept an order; it meets the market a moment later."""
        rules = self.rules(market=request.market)
        last = self.price(market=request.market, at_ms=now_ms)
        order = self.engine.place(
            account=account,
            request=request,
            rules=rules,
            last=last,
            uuid=str(uuid4()),
            now=instant(now_ms),
        )
        self._note(_placed(order, last, now_ms))
        return order

    def price(self, *, market: str, at_ms: int) -> Decimal:
        """Return the last traded price; refuse a market that never traded."""
        last = self.tapes[market].last(at_ms=at_ms)
        if not len(last):
            raise OrderRefused("market_offline", "거래가 시작되지 않은 마켓입니다.")
        return exact(float(last.close[-1]))

    def ask_cancel(self, *, order: Order, now_ms: int) -> None:
        """Receive a cancellation; it takes effect a moment later, if still open."""
        if order.state is not State.WAIT:
            raise OrderNotFound(order.uuid)
        if order.uuid not in self._cancel_ms:
            at = now_ms + LATENCY_MS
            self._cancel_ms[order.uuid] = at
            self._note({"event": "cancel_asked", "uuid": order.uuid, "at": at})

    def advance(self, *, now_ms: int) -> None:
        """Walk every market with open orders up to *now_ms*."""
        for market in self.engine.markets_waiting():
            self._advance(market, now_ms)

    def _advance(self, market: str, now_ms: int) -> None:
        at = self._walked_ms.get(market, 0)
        for due_ms, uuid, arrives in self._due(market, now_ms):
            self._walk(market, at, due_ms)
            at = max(at, due_ms)
            if arrives:
                self._arrive(market, uuid, due_ms)
            else:
                self._end(uuid)
        self._walk(market, at, now_ms)
        self._walked_ms[market] = max(at, now_ms)

    def _due(self, market: str, now_ms: int) -> list[tuple[int, str, bool]]:
        """Return arrivals and cancellations up to now, in time order."""
        waiting = self.engine.waiting(market=market)
        due = [
            (milliseconds(order.created_at) + LATENCY_MS, order.uuid, True)
            for order in waiting
            if not order.arrived
        ]
        due += [
            (self._cancel_ms[order.uuid], order.uuid, False)
            for order in waiting
            if order.uuid in self._cancel_ms
        ]
        return sorted(event for event in due if event[0] <= now_ms)

    def _arrive(self, market: str, uuid: str, at_ms: int) -> None:
        price = self.price(market=market, at_ms=at_ms)
        order = self.engine.arrive(uuid=uuid, price=price, at=instant(at_ms))
        if order.trades:
            self._traded(order)
        elif order.state is State.CANCEL:
            self._note({"event": "cancelled", "uuid": uuid})

    def _end(self, uuid: str) -> None:
        self._cancel_ms.pop(uuid, None)
        try:
            order = self.engine.cancel(uuid=uuid)
        except OrderNotFound:
            return  # it filled before the cancellation took effect
        self._note({"event": "cancelled", "uuid": order.uuid})

    def _walk(self, market: str, after_ms: int, until_ms: int) -> None:
        """Let the path's trades in ``(after, until]`` meet the resting orders."""
        if until_ms <= after_ms or not self._touch(market):
            return
        trades = self.tapes[market].trades(after_ms=after_ms, until_ms=until_ms)
        first = 0
        while (limits := self._touch(market)) is not None:
            hit = _first_hit(trades, first, *limits)
            if hit is None:
                return
            price, at = exact(float(trades.price[hit])), instant(int(trades.at_ms[hit]))
            for order in self.engine.walk(market=market, price=price, at=at):
                self._traded(order)
            first = hit + 1

    def _touch(self, market: str) -> tuple[float, float] | None:
        """Return (highest bid, lowest ask) that rest; None when nothing does."""
        bids: list[float] = []
        asks: list[float] = []
        for order in self.engine.waiting(market=market):
            if order.arrived and order.request.price is not None:
                side = bids if order.request.side is Side.BID else asks
                side.append(float(order.request.price))
        if not bids and not asks:
            return None
        return max(bids, default=-np.inf), min(asks, default=np.inf)

    def _traded(self, order: Order) -> None:
        trade = order.trades[-1]
        self._note(
            {
                "event": "traded",
                "uuid": order.uuid,
                "price": plain(trade.price),
                "volume": plain(trade.volume),
                "at": trade.at.isoformat(),
            }
        )

    def _note(self, event: Event) -> None:
        if self._journal is not None:
            self._journal.append(event)

    def restore(self, *, event: Event) -> None:
        """Apply one event of an earlier run."""
        match event["event"]:
            case "account":
                self.engine.open_account(
                    account=event["account"], balances={"KRW": Decimal(event["krw"])}
                )
            case "placed":
                self._replace(event)
            case "traded":
                self.engine.execute(
                    uuid=event["uuid"],
                    price=Decimal(event["price"]),
                    volume=Decimal(event["volume"]),
                    at=datetime.fromisoformat(event["at"]),
                )
            case "cancel_asked":
                self._cancel_ms[event["uuid"]] = event["at"]
            case "cancelled":
                self._cancel_ms.pop(event["uuid"], None)
                self.engine.cancel(uuid=event["uuid"])

    def _replace(self, event: Event) -> None:
        asked = event["request"]
        request = NewOrder(
            market=asked["market"],
            side=Side(asked["side"]),
            ord_type=OrderType(asked["ord_type"]),
            price=_decimal(asked["price"]),
            volume=_decimal(asked["volume"]),
            identifier=asked["identifier"],
            smp_type=asked["smp_type"],
        )
        self.engine.place(
            account=event["account"],
            request=request,
            rules=MarketRules(
                market=request.market, ticks=ticks_of(market=request.market)
            ),
            last=Decimal(event["last"]),
            uuid=event["uuid"],
            now=instant(event["at"]),
        )


def _first_hit(trades: Trades, first: int, bid: float, ask: float) -> int | None:
    # Floats are exact enough: prices of one market differ by whole ticks.
    prices = trades.price[first:]
    hits = np.flatnonzero((prices <= bid * (1 + 1e-12)) | (prices >= ask * (1 - 1e-12)))
    return int(hits[0]) + first if len(hits) else None


def _placed(order: Order, last: Decimal, now_ms: int) -> Event:
    asked = {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in asdict(order.request).items()
    }
    return {
        "event": "placed",
        "account": order.account,
        "uuid": order.uuid,
        "at": now_ms,
        "last": plain(last),
        "request": asked,
    }


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
