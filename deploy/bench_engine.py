"""How many orders the pure engine takes through their life in a second of one core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, cycle, islice
from typing import Final
from uuid import UUID

from common.money import MarketRules
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import Level, NewOrder, OrderType
from user_project.trading.orders import Side

MARKET: Final = "KRW-BTC"
LAST: Final = Decimal(100_000_000)
LIFE: Final = (
    "one life = check, place, arrive, then fill or cancel; market buys and sells that"
    " walk a book of 30 levels, limits that rest and are cancelled, limits that the"
    " market trades through, two accounts that trade with each other"
)
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ASKS: Final = tuple(Level(LAST + 1000 * n, Decimal("0.5")) for n in range(1, 31))
_BIDS: Final = tuple(Level(LAST - 1000 * n, Decimal("0.5")) for n in range(1, 31))
_RULES: Final = MarketRules(market=MARKET)
_SIZE: Final = Decimal("0.001")


class _Floor:
    """An engine and two accounts rich enough for any number of orders."""

    def __init__(self) -> None:
        self.engine = MatchingEngine()
        for account in ("anna", "bert"):
            self.engine.open_account(
                account=account,
                balances={"KRW": Decimal(10) ** 12, "BTC": Decimal(10) ** 6},
            )
        self._names = count(1)

    def _place(
        self,
        side: Side,
        kind: OrderType,
        *,
        price: Decimal | None = None,
        volume: Decimal | None = None,
        account: str = "anna",
    ) -> str:
        number = next(self._names)
        request = NewOrder(
            market=MARKET,
            side=side,
            ord_type=kind,
            price=price,
            volume=volume,
            identifier=f"bench-{number}",
        )
        order = self.engine.check(
            account=account,
            request=request,
            rules=_RULES,
            last=LAST,
            uuid=str(UUID(int=number)),
            now=_NOW,
            opposite=_ASKS if side is Side.BID else _BIDS,
        )
        self.engine.place(order=order)
        levels = _ASKS if side is Side.BID else _BIDS
        self.engine.arrive(uuid=order.uuid, levels=levels, at=_NOW)
        return order.uuid

    def buy_at_market(self) -> None:
        self._place(Side.BID, OrderType.PRICE, price=Decimal(100_000))

    def sell_at_market(self) -> None:
        self._place(Side.ASK, OrderType.MARKET, volume=_SIZE)

    def rest_and_cancel(self) -> None:
        price = LAST - 5_000_000
        uuid = self._place(Side.BID, OrderType.LIMIT, price=price, volume=_SIZE)
        self.engine.cancel(uuid=uuid, at=_NOW)

    def rest_and_fill(self) -> None:
        price = LAST - 100_000
        self._place(Side.BID, OrderType.LIMIT, price=price, volume=_SIZE)
        self.engine.walk(market=MARKET, price=price - 1000, at=_NOW)

    def meet_each_other(self) -> None:
        self._place(Side.ASK, OrderType.LIMIT, price=LAST, volume=_SIZE, account="bert")
        self._place(Side.BID, OrderType.LIMIT, price=LAST, volume=_SIZE)


def engine_orders_per_s(*, orders: int) -> float:
    """Return order lives per second of a fresh engine."""
    floor = _Floor()
    lives: tuple[tuple[Callable[[], None], int], ...] = (
        (floor.buy_at_market, 1),
        (floor.sell_at_market, 1),
        (floor.rest_and_cancel, 1),
        (floor.rest_and_fill, 1),
        (floor.meet_each_other, 2),
    )
    done, started = 0, time.process_time()
    for live, size in cycle(lives):
        live()
        done += size
        if done >= orders:
            return done / (time.process_time() - started)
    raise AssertionError("unreachable")


def float_books_per_s(*, orders: int) -> float:
    """Return how often floats in a dict can be locked, filled and paid in a second.

    The least that any engine does, without rules, history, exactness or a book.
    """
    money = {"KRW": 1e12, "BTC": 1e6}
    known: dict[str, dict[str, object]] = {}
    started = time.process_time()
    for name in _numbered(orders):
        total, fee = 100_000.0, 50.0
        money["KRW"] -= total + fee
        known[name] = {"state": "wait", "locked": total + fee, "volume": 0.0}
        order = known[name]
        order["state"], order["locked"] = "done", 0.0
        order["volume"] = total / 1e8
        money["BTC"] += total / 1e8
    return orders / (time.process_time() - started)


def _numbered(orders: int) -> Iterator[str]:
    return (f"bench-{number}" for number in islice(count(), orders))
