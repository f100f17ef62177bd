"""Upbit's public data: prices, names and flags, ticks. Needs no key."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from upbit import Upbit

from common.money import ticks_of, to_decimal
from user_project.exchanges import upbit_codec as codec
from user_project.exchanges.adapter import ExchangeError, MarketState, Refused
from user_project.exchanges.upbit_errors import Call
from user_project.exchanges.upbit_wire import UpbitWire
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

MARKETS_PER_CALL: Final = 100


class UpbitQuotes:
    """Reads about markets through one client and its wire."""

    def __init__(self, *, client: Upbit, wire: UpbitWire) -> None:
        self._wire = wire
        self._tickers = client.tickers.with_raw_response
        self._pairs = client.trading_pairs.with_raw_response
        self._instruments = client.orderbooks.with_raw_response

    def prices(self, markets: Sequence[str], /) -> dict[str, PriceQuote]:
        """Return last prices; one unknown market must not cost the others theirs."""
        quotes: dict[str, PriceQuote] = {}
        wanted = sorted(set(markets))
        for start in range(0, len(wanted), MARKETS_PER_CALL):
            quotes |= self._batch(wanted[start : start + MARKETS_PER_CALL])
        return quotes

    def markets(self) -> dict[str, MarketState]:
        """Return names and flags of every listed market."""
        states = self._wire.read(
            lambda: self._pairs.list(is_details=True),
            lambda answer: [codec.market_state(item) for item in codec.listed(answer)],
            group="market",
        )
        return {state.market: state for state in states}

    def compare_tick(self, market: str, /) -> None:
        """Log when the exchange's tick at the last price is not the table's.

        The table stays in charge: stages lie far below the market, where the one tick
        that the exchange tells says nothing.
        """
        try:
            told = self._tick(market)
            quote = self._last(market)
        except (ExchangeError, KeyError) as error:
            log.info("tick of %s not compared: %s", market, error)
            return
        expected = ticks_of(market=market).tick_size(price=quote.price)
        if told != expected:
            log.warning(
                "upbit.tick.mismatch %s at %s: the exchange says %s, the table %s",
                market,
                quote.price,
                told,
                expected,
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
            market: PriceQuote(market=market, price=price, received_at=now)
            for market, price in prices.items()
        }

    def _last(self, market: str) -> PriceQuote:
        return self._read([market])[market]

    def _tick(self, market: str) -> Decimal:
        return self._wire.read(
            lambda: self._instruments.list_instruments(markets=market),
            lambda answer: to_decimal(codec.listed(answer)[0].tick_size),
            group="orderbook",
            call=Call.MARKET,
        )
