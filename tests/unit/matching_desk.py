"""One account and one engine, for tests of what happens to orders."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from common.money import MarketRules, ticks_of
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    Level,
    NewOrder,
    Order,
    OrderType,
    SmpType,
    TimeInForce,
    Wallet,
)
from user_project.trading.orders import Side

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
D = Decimal


class Desk:
    """One account on one engine, with ids counted up."""

    def __init__(self, **balances: str) -> None:
        self.engine = MatchingEngine()
        self.count = 0
        self.open("owner", **balances)

    def open(self, account: str, **balances: str) -> None:
        amounts = {code: D(text) for code, text in balances.items()}
        self.engine.open_account(account=account, balances=amounts)

    def place(
        self,
        side: str,
        ord_type: str,
        *,
        price: str | None = None,
        volume: str | None = None,
        market: str = "KRW-BTC",
        identifier: str | None = None,
        last: str = "100000000",
        account: str = "owner",
        tif: str | None = None,
        smp: str = "none",
        opposite: tuple[Level, ...] | None = None,
    ) -> Order:
        self.count += 1
        order = self.engine.check(
            account=account,
            request=NewOrder(
                market=market,
                side=Side(side),
                ord_type=OrderType(ord_type),
                price=None if price is None else D(price),
                volume=None if volume is None else D(volume),
                identifier=identifier,
                time_in_force=None if tif is None else TimeInForce(tif),
                smp_type=SmpType(smp),
            ),
            rules=MarketRules(market=market, ticks=ticks_of(market=market)),
            last=D(last),
            uuid=str(UUID(int=self.count)),
            now=NOW,
            opposite=opposite,
        )
        self.engine.place(order=order)
        return order

    def arrive(self, order: Order, *levels: str | tuple[str, str]) -> Order:
        """Let *order* meet outside levels: prices with enough, or (price, size)."""
        pairs = [
            level if isinstance(level, tuple) else (level, "1000") for level in levels
        ]
        book = [Level(D(price), D(size)) for price, size in pairs]
        self.engine.arrive(uuid=order.uuid, levels=book, at=NOW)
        return self.now(order)

    def rest(self, side: str, price: str, volume: str, **options: str) -> Order:
        """Place a limit order that meets nobody."""
        order = self.place(side, "limit", price=price, volume=volume, **options)  # type: ignore[arg-type]
        return self.arrive(order)

    def walk(
        self, *prices: str, market: str = "KRW-BTC", volume: str | None = None
    ) -> list[Order]:
        """Trade outside at *prices*; return the orders that traded, in turn."""
        size = None if volume is None else D(volume)
        uuids: dict[str, None] = {}
        for price in prices:
            for event in self.engine.walk(
                market=market, price=D(price), volume=size, at=NOW
            ):
                uuids[event.uuid] = None  # type: ignore[union-attr]
        return [self.engine.order(uuid=uuid) for uuid in uuids]

    def now(self, order: Order) -> Order:
        return self.engine.order(uuid=order.uuid)

    def cancel(self, order: Order) -> Order:
        self.engine.cancel(uuid=order.uuid, at=NOW)
        return self.now(order)

    def wallet(self, currency: str, *, account: str = "owner") -> Wallet:
        return self.engine.wallets(account=account).get(currency, Wallet())
