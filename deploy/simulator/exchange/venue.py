"""The exchange behind the protocol: the matching engine on the markets' feeds.

Orders arrive a moment after they were accepted and cancellations a moment after they
were asked for; both are fixed instants on the real clock, so that walking the same path
again, later or after a restart, tells the same story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from common.money import MarketRules
from deploy.simulator.exchange.conditions import Condition, Conditions
from deploy.simulator.exchange.pending import Pending
from deploy.simulator.exchange.venue_events import (
    CancelAsked,
    MaintenanceSet,
    MarketChanged,
    Successor,
    VenueEvent,
)
from deploy.simulator.exchange.walk import Walk
from deploy.simulator.market.feed import Feed
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_events import (
    Arrived,
    Ended,
    Placed,
    Prevented,
    Traded,
)
from user_project.trading.matching_orders import (
    Level,
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
_WITHOUT_LIMIT: Final = (OrderType.PRICE, OrderType.MARKET)

Listener = Callable[[VenueEvent, Order | None], None]


def instant(ms: int, /) -> datetime:
    """Return the UTC instant of real milliseconds."""
    return _EPOCH + timedelta(milliseconds=ms)


def milliseconds(at: datetime, /) -> int:
    """Return the real milliseconds of an instant."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


class Venue:
    """Accounts and orders, matched against the markets outside by real time."""

    def __init__(
        self,
        *,
        feeds: Mapping[str, Feed],
        conditions: Conditions | None = None,
        latency_ms: int = LATENCY_MS,
        seed: int = 0,
    ) -> None:
        self.feeds = feeds
        self.conditions = conditions or Conditions()
        self.engine = MatchingEngine(observe=self._tell, settle=self._keep)
        self.latency_ms = latency_ms
        self._seed = seed
        self._told = 0
        self._pending = Pending()
        self._listeners: list[Listener] = []
        self._walks: dict[str, Walk] = {}
        self._keepers: list[Callable[[Sequence[VenueEvent]], None]] = []

    def listen(self, listener: Listener, /) -> None:
        """Call *listener* with each event and the order as it then is, if any."""
        self._listeners.append(listener)

    def keep(self, keeper: Callable[[Sequence[VenueEvent]], None], /) -> None:
        """Call *keeper* with all events of an operation, before anybody is answered."""
        self._keepers.append(keeper)

    # --- what clients and operators ask ----------------------------------------------

    def rules(self, *, market: str) -> MarketRules:
        """Return a market's rules; refuse an unknown market as Upbit does."""
        if market not in self.feeds or not self.conditions.is_listed(market=market):
            raise _unknown_market()
        return self.conditions.rules(market=market)

    def price(self, *, market: str, at_ms: int) -> Decimal:
        """Return the last traded price; refuse a market that never traded."""
        price = self.feeds[market].price(at_ms=at_ms)
        if price is None:
            raise OrderRefused("market_offline", "거래가 시작되지 않은 마켓입니다.")
        return price

    def open_account(self, *, account: str, krw: Decimal) -> None:
        """Make an account, unless it lives on from an earlier run."""
        if account not in self.engine.accounts():
            self.engine.open_account(account=account, balances={"KRW": krw})

    def check(self, *, account: str, request: NewOrder, now_ms: int) -> Order:
        """Return the order as it would be accepted; raises OrderRefused."""
        rules = self.rules(market=request.market)
        if self.conditions.is_offline(market=request.market):
            raise OrderRefused("market_offline", "점검 중인 마켓입니다.")
        by_depth = request.ord_type in _WITHOUT_LIMIT
        return self.engine.check(
            account=account,
            request=request,
            rules=rules,
            last=self.price(market=request.market, at_ms=now_ms),
            uuid=self._new_uuid("order"),
            now=instant(now_ms),
            opposite=self._opposite(request, now_ms) if by_depth else None,
            funds_first=self.conditions.assumptions.check_order == "funds_first",
        )

    def place(self, *, account: str, request: NewOrder, now_ms: int) -> Order:
        """Accept an order; it meets the market a moment later."""
        order = self.check(account=account, request=request, now_ms=now_ms)
        self.engine.place(order=order)
        return order

    def ask_cancel(
        self, *, order: Order, now_ms: int, successor: Successor | None = None
    ) -> None:
        """Receive a cancellation; it takes effect a moment later, if still open.

        A *successor* is placed when the order was cancelled; it never comes to be if
        the order fills first or the successor is refused by then.
        """
        if order.state is not State.WAIT:
            raise OrderNotFound(order.uuid)
        if not self._pending.is_cancelling(uuid=order.uuid):
            at_ms = now_ms + self.latency_ms
            self._settle(CancelAsked(uuid=order.uuid, at_ms=at_ms, successor=successor))

    def cancel_and_new(
        self, *, order: Order, request: NewOrder, remain_only: bool, now_ms: int
    ) -> str:
        """Receive a cancellation with a successor; return the successor's uuid."""
        successor = Successor(
            uuid=self._new_uuid("successor"), request=request, remain_only=remain_only
        )
        self.ask_cancel(order=order, now_ms=now_ms, successor=successor)
        return successor.uuid

    def inject(
        self, *, market: str, price: Decimal, volume: Decimal, now_ms: int
    ) -> None:
        """Let somebody else trade; resting orders at or through *price* fill."""
        self.rules(market=market)
        self.advance(now_ms=now_ms)
        self.feeds[market].inject(price=price, volume=volume, at_ms=now_ms)
        if not self.conditions.is_offline(market=market):
            at = instant(now_ms)
            self.engine.walk(market=market, price=price, volume=volume, at=at)

    def change_market(self, *, market: str, now_ms: int, **changes: Any) -> None:
        """Set switches of a market; a delisting cancels what is open there."""
        if market not in self.feeds:
            raise _unknown_market()
        self.advance(now_ms=now_ms)
        was = self.conditions.is_offline(market=market)
        condition = self.conditions.change(market=market, **changes)
        self._settle(
            MarketChanged(market=market, condition=condition.written(), at_ms=now_ms)
        )
        if condition.delisted:
            for order in self.engine.waiting(market=market):
                self._end(order, now_ms)
        elif was and not self.conditions.is_offline(market=market):
            self._resume(market, now_ms)

    def set_maintenance(self, *, on: bool, now_ms: int) -> None:
        """Take the whole exchange offline, or resume it."""
        self.advance(now_ms=now_ms)
        was = self.conditions.maintenance
        self.conditions.maintenance = on
        self._settle(MaintenanceSet(on=on, at_ms=now_ms))
        if was and not on:
            for market in self.engine.markets_waiting():
                if not self.conditions.is_offline(market=market):
                    self._resume(market, now_ms)

    # --- what time brings ------------------------------------------------------------

    def advance(self, *, now_ms: int) -> None:
        """Walk every market with open orders up to *now_ms*."""
        for market in self.engine.markets_waiting():
            if not self.conditions.is_offline(market=market):
                self._advance(market, now_ms)

    def _advance(self, market: str, now_ms: int) -> None:
        while (due := self._pending.next(market=market, now_ms=now_ms)) is not None:
            # What was due during a maintenance takes effect when it is over.
            at_ms = max(due.at_ms, self._walk(market, due.at_ms).passed_ms)
            self._walk_to(market, at_ms)
            order = self.engine.order(uuid=due.uuid)
            if order.state is not State.WAIT:
                self._pending.successor(uuid=due.uuid)  # filled before it was ended
            elif due.arrives and not order.arrived:
                levels = self._opposite(order.request, at_ms)
                self.engine.arrive(uuid=order.uuid, levels=levels, at=instant(at_ms))
            elif not due.arrives:
                self._end(order, at_ms)
        self._walk_to(market, now_ms)

    def _walk_to(self, market: str, until_ms: int) -> None:
        """Let the outside trades up to *until_ms* meet the resting orders."""
        walk = self._walk(market, until_ms)
        while (touch := self.engine.touch(market=market)) != (None, None):
            hit = walk.next_hit(touch=touch, until_ms=until_ms)
            if hit is None:
                return
            at = instant(hit.at_ms)
            self.engine.walk(market=market, price=hit.price, volume=hit.volume, at=at)
        walk.skip(until_ms=until_ms)

    def _walk(self, market: str, at_ms: int) -> Walk:
        if market not in self._walks:
            self._walks[market] = Walk(feed=self.feeds[market], at_ms=at_ms)
        return self._walks[market]

    def _opposite(self, request: NewOrder, at_ms: int) -> tuple[Level, ...]:
        book = self.feeds[request.market].book(at_ms=at_ms)
        return book.asks if request.side is Side.BID else book.bids

    def _end(self, order: Order, at_ms: int) -> None:
        """Cancel an order; its successor follows at once."""
        successor = self._pending.successor(uuid=order.uuid)
        self.engine.cancel(uuid=order.uuid, at=instant(at_ms))
        if successor is None:
            return
        request = successor.request
        if successor.remain_only:
            request = replace(request, volume=order.remaining_volume)
        try:
            new = self.check(account=order.account, request=request, now_ms=at_ms)
        except OrderRefused:
            return  # the old order is gone all the same, as on the exchange
        self.engine.place(order=replace(new, uuid=successor.uuid))

    def _resume(self, market: str, now_ms: int) -> None:
        """Go on after a pause in which nobody traded; what would cross may be ended."""
        self._walk(market, now_ms).skip(until_ms=now_ms)
        if self.conditions.assumptions.resumption == "keeps":
            return
        price = self.price(market=market, at_ms=now_ms)
        for order in self.engine.waiting(market=market):
            limit, bid = order.request.limit, order.request.side is Side.BID
            if limit is not None and (limit > price if bid else limit < price):
                self._end(order, now_ms)

    # --- what is remembered ----------------------------------------------------------

    def restore(self, *, event: VenueEvent) -> None:
        """Apply one event of an earlier run; listeners are not told."""
        match event:
            case CancelAsked():
                pass
            case MarketChanged():
                condition = Condition.read(event.condition)
                self.conditions.put(market=event.market, condition=condition)
                self._walked([event.market], event.at_ms)
            case MaintenanceSet():
                self.conditions.maintenance = event.on
                self._walked(self.engine.markets_waiting(), event.at_ms)
            case _:
                self.engine.apply(event=event)
        self._follow(event)
        order = self._order_of(event)
        if order is not None and isinstance(event, Arrived | Traded | Ended):
            at = event.trade.at if isinstance(event, Traded) else event.at
            self._walked([order.request.market], milliseconds(at))

    def _walked(self, markets: Iterable[str], at_ms: int) -> None:
        """Go on from *at_ms*: what happened up to there is in the log."""
        for market in markets:
            self._walks[market] = Walk(feed=self.feeds[market], at_ms=at_ms)

    def _settle(self, event: VenueEvent) -> None:
        self._tell(event)
        self._keep([event])

    def _keep(self, events: Sequence[VenueEvent]) -> None:
        for keeper in self._keepers:
            keeper(events)

    def _tell(self, event: VenueEvent) -> None:
        self._follow(event)
        order = self._order_of(event)
        for listener in self._listeners:
            listener(event, order)

    def _new_uuid(self, kind: str) -> str:
        """Return an id that only this seed and what happened so far decide."""
        text = f"{self._seed}|{self._told}|{kind}"
        return str(UUID(bytes=sha256(text.encode()).digest()[:16], version=4))

    def _follow(self, event: VenueEvent) -> None:
        """Count an event and keep in mind what it leaves to be done."""
        self._told += 1
        match event:
            case Placed(order=order):
                self._pending.arrive(
                    market=order.request.market,
                    uuid=order.uuid,
                    at_ms=milliseconds(order.created_at) + self.latency_ms,
                )
            case CancelAsked():
                order = self.engine.order(uuid=event.uuid)
                self._pending.cancel(market=order.request.market, asked=event)
            case MarketChanged():
                self._halt_or_not([event.market], event.at_ms)
            case MaintenanceSet():
                self._halt_or_not(self.feeds, event.at_ms)
            case _:
                pass

    def _halt_or_not(self, markets: Iterable[str], at_ms: int) -> None:
        """Let what is shown outside stand still where nothing trades."""
        for market in markets:
            on = self.conditions.is_offline(market=market)
            self.feeds[market].set_halted(on=on, at_ms=at_ms)

    def _order_of(self, event: VenueEvent) -> Order | None:
        match event:
            case Placed():
                return event.order
            case Arrived() | Traded() | Prevented() | Ended() | CancelAsked():
                return self.engine.order(uuid=event.uuid)
            case _:
                return None


def _unknown_market() -> OrderRefused:
    return OrderRefused("notfoundmarket", "존재하지 않는 마켓입니다.")
