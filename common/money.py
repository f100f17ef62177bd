"""Won and coin arithmetic: KRW market rules, tick tables, Decimal without surprises.

Tick tables and limits are Upbit's KRW market rules (developer guide, "KRW market
information"); a table is valid from a day on, and the next one stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_DOWN, Context, Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Final

WON: Final = Decimal(1)
VOLUME_STEP: Final = Decimal("0.00000001")
MAX_MAGNITUDE: Final = 40
MAX_DIGITS: Final = 60
_EXACT: Final = Context(prec=4 * MAX_DIGITS, rounding=ROUND_DOWN)
"""Wide enough for any two numbers of money: the caller's context never rounds here."""


class NotADecimal(ValueError):
    """Money must arrive as text, int or Decimal; a float has already lost digits."""


def to_decimal(value: object, /) -> Decimal:
    """Return *value* as a finite Decimal; refuse floats, NaN, infinities, words, giants."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise NotADecimal(f"{value!r} is {type(value).__name__}, not decimal text")
    try:
        number = Decimal(value)
    except ArithmeticError as error:
        raise NotADecimal(f"{value!r} is not a decimal number") from error
    if not number.is_finite():
        raise NotADecimal(f"{value!r} is not a finite number")
    # No price, volume or budget is longer; written out, 1e999999999 fills the memory.
    if (
        abs(number.adjusted()) > MAX_MAGNITUDE
        or len(number.as_tuple().digits) > MAX_DIGITS
    ):
        raise NotADecimal("the number is too long to be money")
    return number


def plain(value: Decimal, /) -> str:
    """Write *value* without exponent and without trailing zeros: ``0.00001``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def floor_won(value: Decimal, /) -> Decimal:
    """Cut to whole won, towards zero for the positive amounts used here."""
    return _EXACT.quantize(value, WON)


def truncate_volume(value: Decimal, /) -> Decimal:
    """Cut a coin volume to the 8 decimals Upbit keeps."""
    return _EXACT.quantize(value, VOLUME_STEP)


class UnknownTicks(ValueError):
    """No tick table of that day is known, or a tick does not fit its band."""


@dataclass(frozen=True, slots=True)
class TickTable:
    """Price step per price band; a price on a band's edge belongs to the upper band."""

    effective_at: date
    bands: tuple[tuple[Decimal, Decimal], ...]
    """(lower edge, tick), highest edge first; the last edge is 0."""

    def __post_init__(self) -> None:
        """Refuse bands on which rounding across an edge would leave the grid."""
        edges = [edge for edge, _ in self.bands]
        if not edges or edges[-1] != 0 or edges != sorted(set(edges), reverse=True):
            raise UnknownTicks("bands go from the highest edge down to 0")
        for (edge, tick), (_, below) in pairwise(self.bands):
            if not (_divides(tick, edge) and _divides(below, edge)):
                raise UnknownTicks(f"the edge {plain(edge)} is not on both its grids")

    def band(self, *, price: Decimal) -> tuple[Decimal, Decimal]:
        """Return lower edge and tick of the band that holds *price* (KRW, > 0)."""
        if price <= 0:
            raise ValueError(f"a price must be above 0, got {plain(price)}")
        for band in self.bands:
            if price >= band[0]:
                break
        return band

    def tick_size(self, *, price: Decimal) -> Decimal:
        """Return the tick of the band that holds *price* (KRW, > 0)."""
        return self.band(price=price)[1]

    def floor(self, *, price: Decimal) -> Decimal:
        """Return the highest valid price that is not above *price*; 0 below one tick."""
        tick = self.tick_size(price=price)
        return _EXACT.multiply(_EXACT.divide_int(price, tick), tick)

    def ceil(self, *, price: Decimal) -> Decimal:
        """Return the lowest valid price that is not below *price*."""
        down = self.floor(price=price)
        if down == price:
            return down
        # One step up may reach the next band; its edge is on both grids.
        return _EXACT.add(down, self.tick_size(price=price))

    def is_on_tick(self, *, price: Decimal) -> bool:
        """Tell whether *price* lies on the grid of its own band."""
        return price > 0 and self.floor(price=price) == price

    def corrected(self, *, price: Decimal, tick: Decimal) -> TickTable:
        """Return the table with *tick* in the band that holds *price*.

        Raises UnknownTicks when an edge of that band would not lie on its grid.
        """
        lower, _ = self.band(price=price)
        bands = tuple(
            (edge, tick if edge == lower else old) for edge, old in self.bands
        )
        return replace(self, bands=bands)


def _divides(tick: Decimal, edge: Decimal) -> bool:
    return tick > 0 and _EXACT.remainder(edge, tick) == 0


def _bands(*rows: tuple[str, str]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(edge), Decimal(tick)) for edge, tick in rows)


KRW_TICKS: Final = TickTable(
    effective_at=date(2025, 7, 31),
    bands=_bands(
        ("1000000", "1000"),
        ("500000", "500"),
        ("100000", "100"),
        ("50000", "50"),
        ("10000", "10"),
        ("5000", "5"),
        ("1000", "1"),
        ("100", "1"),
        ("10", "0.1"),
        ("1", "0.01"),
        ("0.1", "0.001"),
        ("0.01", "0.0001"),
        ("0.001", "0.00001"),
        ("0.0001", "0.000001"),
        ("0.00001", "0.0000001"),
        ("0", "0.00000001"),
    ),
)

STABLE_TICKS: Final = replace(
    KRW_TICKS,
    bands=(
        *KRW_TICKS.bands[:5],
        (Decimal(1000), Decimal("0.5")),
        *KRW_TICKS.bands[7:],
    ),
)
"""KRW-USDT and KRW-USDC: half a won between 1,000 and 10,000 won (since 2025-03-21)."""


@dataclass(frozen=True, slots=True)
class TickRules:
    """The tables of all KRW markets from one day (Korean time) on."""

    common: TickTable
    exceptions: Mapping[str, TickTable]

    @property
    def effective_at(self) -> date:
        """Return the first day."""
        return self.common.effective_at


TICK_RULES: Final[tuple[TickRules, ...]] = (
    TickRules(
        common=KRW_TICKS,
        exceptions=MappingProxyType(
            {"KRW-USDT": STABLE_TICKS, "KRW-USDC": STABLE_TICKS}
        ),
    ),
)
"""Oldest first. A change that Upbit announces is one more entry, ahead of its day."""


def ticks_of(*, market: str, on: date | None = None) -> TickTable:
    """Return the tick table of a KRW market, by default the newest.

    Who knows the day names it (*on*, Korean time). Raises UnknownTicks before the first.
    """
    valid = [rules for rules in TICK_RULES if on is None or rules.effective_at <= on]
    if not valid:
        raise UnknownTicks(f"no tick table is known for {on}; is the clock right?")
    return valid[-1].exceptions.get(market, valid[-1].common)


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What an exchange allows on one market; read at run time, defaults as documented."""

    market: str
    min_total: Decimal = Decimal(5000)
    max_total: Decimal = Decimal(1_000_000_000)
    bid_fee: Decimal = Decimal("0.0005")
    ask_fee: Decimal = Decimal("0.0005")
    """Fees are the higher of maker's and taker's: a plan must hold either way."""
    ticks: TickTable = field(default=KRW_TICKS)
    is_active: bool = True
    """False: the exchange lists the market but takes no orders at present."""
    bid_kinds: frozenset[str] = frozenset({"limit", "market"})
    ask_kinds: frozenset[str] = frozenset({"limit", "market"})
    """Kinds of order that the market takes on each side."""

    def floor_tick(self, price: Decimal, /) -> Decimal:
        """Round a buy price down to the market's grid."""
        return self.ticks.floor(price=price)

    def ceil_tick(self, price: Decimal, /) -> Decimal:
        """Round a sell price up to the market's grid."""
        return self.ticks.ceil(price=price)

    def tick_size(self, price: Decimal, /) -> Decimal:
        """Return the tick at *price*."""
        return self.ticks.tick_size(price=price)

    def is_too_small(self, total: Decimal, /) -> bool:
        """Tell whether an order worth *total* (KRW without fee) is below the minimum."""
        return total < self.min_total

    def is_too_large(self, total: Decimal, /) -> bool:
        """Tell whether an order worth *total* (KRW without fee) is above the maximum."""
        return total > self.max_total
