"""What can be wrong with an exchange's answers, and what a run makes of it."""

from __future__ import annotations

from typing import ClassVar, Final


class SourceError(Exception):
    """The exchange's quotation gave no usable answer."""

    code: ClassVar[str] = "EXCHANGE_UNAVAILABLE"
    """What a run that ends by it is marked with."""
    coin_code: ClassVar[str] = "CANDLES_UNREADABLE"
    """What a coin is marked with whose candles failed by it."""
    ends_run: ClassVar[bool] = False
    """No other call can succeed either."""


class SourceUnavailable(SourceError):
    """The exchange cannot be reached, is in maintenance or tells us to slow down."""


class UnknownMarket(SourceError):
    """The exchange does not know a market that was asked for."""

    coin_code = "NOT_TRADED"


class ImplausibleCandles(SourceError):
    """Candles that cannot be true; none of the page is believed."""

    coin_code = "CANDLES_IMPLAUSIBLE"


class SourceBlocked(SourceError):
    """The exchange blocked this address (418); nothing is asked until it ends."""

    code = "EXCHANGE_BLOCKED"
    ends_run = True


class ClockOff(SourceError):
    """This machine's clock and the exchange's differ too much to tell closed candles."""

    code = "CLOCK_OFF"
    ends_run = True


EXCHANGE_AWAY: Final = frozenset({SourceError.code, SourceBlocked.code})
"""Codes of runs that failed because the exchange could not be read."""
