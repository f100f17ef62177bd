"""Upbit's public data: prices, names and flags, ticks. Needs no key."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from upbit import Upbit, omit

from common.money import TickTable, UnknownTicks, to_decimal
from user_project.exchanges import upbit_codec as codec
from user_project.exchanges.adapter import Candle, ExchangeError, MarketState, Refused
from user_project.exchanges.upbit_errors import Call
from user_project.exchanges.upbit_wire import UpbitWire
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

MARKETS_PER_CALL: Final = 100
PAGE: Final = 200
DAY_MINUTES: Final = 1440


class UpbitQuotes:
    """Reads about markets through one client and its wire."""

    def __init__(self, *, client: Upbit, wire: UpbitWire) -> None:
        self._wire = wire
        self._tickers = client.tickers.with_raw_response
        self._pairs = client.trading_pairs.with_raw_response
        self._candles = client.candles.with_raw_response
        self._instruments = client.orderbooks.with_raw_response

    def prices(self, markets: Sequence[str], /) -> dict[str, PriceQuote]:
        """Return last prices; one unknown market must not cost the others theirs."""
        quotes: dict[str, PriceQuote] = {}
        wanted = sorted(set(markets))
        for start in range(0, len(wanted), MARKETS_PER_CALL):
            quotes |= self._batch(wanted[start : start + MARKETS_PER_CALL])
        return quotes

    def price(self, market: str, /) -> Decimal:
        """Return one market's last price; raise Refused when it has none."""
        quote = self.prices([market]).get(market)
        if quote is None:
            raise Refused(f"{market} has no price", name="notfoundmarket")
        return quote.price

    def markets(self) -> dict[str, MarketState]:
        """Return names and flags of every listed market."""
        states = self._wire.read(
            lambda: self._pairs.list(is_details=True),
            lambda answer: [codec.market_state(item) for item in codec.listed(answer)],
            group="market",
        )
        return {state.market: state for state in states}

    def corrected(self, table: TickTable, /, *, market: str) -> TickTable:
        """Return *table* with the tick that the exchange tells at the last price.

        The exchange knows better, but only for the band of the present price; stages
        lie far below, where the table stays in charge.
        """
        try:
            told, price = self._tick_and_price(market)
            if told == table.tick_size(price=price):
                return table
            again, later = self._tick_and_price(market)
        except (ExchangeError, KeyError) as error:
            log.info("tick of %s not compared: %s", market, error)
            return table
        if again != told or table.band(price=later) != table.band(price=price):
            return table  # the price is just crossing the edge of a band
        return _corrected(table, market=market, price=price, told=told)

    def candles(self, market: str, /, *, unit: int, count: int) -> list[Candle]:
        """Return the last candles, oldest first; days where *unit* is 1440."""
        found: dict[datetime, Candle] = {}
        before: datetime | None = None
        while len(found) < count:
            page = self._page(market, unit, min(count - len(found), PAGE), before)
            fresh = {one.started_at: one for one in page} | found
            if len(fresh) == len(found):
                break  # the coin is younger than that
            found, before = fresh, min(fresh)
        return [found[at] for at in sorted(found)][-count:]

    def _page(
        self, market: str, unit: int, count: int, before: datetime | None
    ) -> list[Candle]:
        asked: dict[str, Any] = {
            "market": market,
            "count": count,
            "to": omit if before is None else f"{before:%Y-%m-%dT%H:%M:%SZ}",
        }
        days = unit == DAY_MINUTES
        return self._wire.read(
            lambda: (
                self._candles.list_days(**asked)
                if days
                else self._candles.list_minutes(unit, **asked)  # type: ignore[arg-type]  # any int
            ),
            lambda answer: [codec.candle(item) for item in codec.listed(answer)],
            group="candle",
            call=Call.MARKET,
        )

    def _batch(self, markets: Sequence[str]) -> dict[str, PriceQuote]:
        try:
            return self._read(markets)
        except Refused:
            listed = self.markets()
        known = [market for market in markets if market in listed]
        return self._read(known) if known else {}

    def _read(self, markets: Sequence[str]) -> dict[str, PriceQuote]:
        prices = self._wire.read(
            lambda: self._tickers.list_by_trading_pairs(markets=",".join(markets)),
            codec.last_prices,
            group="ticker",
            call=Call.MARKET,
        )
        now = datetime.now(UTC)
        return {
            market: PriceQuote(
                market=market, price=price, received_at=now, previous_close=close
            )
            for market, (price, close) in prices.items()
        }

    def _tick_and_price(self, market: str) -> tuple[Decimal, Decimal]:
        told = self._wire.read(
            lambda: self._instruments.list_instruments(markets=market),
            lambda answer: to_decimal(codec.listed(answer)[0].tick_size),
            group="orderbook",
            call=Call.MARKET,
        )
        return told, self._read([market])[market].price


def _corrected(
    table: TickTable, *, market: str, price: Decimal, told: Decimal
) -> TickTable:
    log.warning(
        "upbit.tick.mismatch %s at %s: the exchange says %s, the table %s",
        market,
        price,
        told,
        table.tick_size(price=price),
    )
    try:
        return table.corrected(price=price, tick=told)
    except UnknownTicks as error:
        log.warning("upbit.tick.unusable %s: %s; the table stays", market, error)
        return table
