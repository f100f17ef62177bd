"""Won and coin arithmetic: KRW market rules, tick table, Decimal without surprises.

The tick table and limits are Upbit's KRW market rules in force since 2025-07-31
(Upbit developer guide, "KRW market information").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Final

WON: Final = Decimal(1)
VOLUME_STEP: Final = Decimal("0.00000001")
MAX_MAGNITUDE: Final = 40
MAX_DIGITS: Final = 60


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
    return value.quantize(WON, rounding=ROUND_DOWN)


def truncate_volume(value: Decimal, /) -> Decimal:
    """Cut a coin volume to the 8 decimals Upbit keeps."""
    return value.quantize(VOLUME_STEP, rounding=ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class TickTable:
    """Price step per price band; a price on a band's edge belongs to the upper band."""

    effective_at: date
    bands: tuple[tuple[Decimal, Decimal], ...]
    """(lower edge, tick), highest edge first; the last edge is 0."""

    def tick_size(self, *, price: Decimal) -> Decimal:
        """Return the tick of the band that holds *price* (KRW, > 0)."""
        if price <= 0:
            raise ValueError(f"a price must be above 0, got {plain(price)}")
        return next(tick for edge, tick in self.bands if price >= edge)

    def floor(self, *, price: Decimal) -> Decimal:
        """Return the highest valid price that is not above *price*; 0 below one tick."""
        tick = self.tick_size(price=price)
        return (price / tick).to_integral_value(rounding=ROUND_FLOOR) * tick

    def ceil(self, *, price: Decimal) -> Decimal:
        """Return the lowest valid price that is not below *price*."""
        down = self.floor(price=price)
        if down == price:
            return down
        up = down + self.tick_size(price=price)
        # One step up may enter a coarser band, whose grid is then the valid one.
        return up if self.is_on_tick(price=up) else self.ceil(price=up)

    def is_on_tick(self, *, price: Decimal) -> bool:
        """Tell whether *price* lies on the grid of its own band."""
        return price > 0 and self.floor(price=price) == price


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

STABLE_TICKS: Final = TickTable(
    effective_at=date(2025, 3, 21),
    bands=(
        *KRW_TICKS.bands[:5],
        (Decimal(1000), Decimal("0.5")),
        *KRW_TICKS.bands[7:],
    ),
)
"""KRW-USDT and KRW-USDC: half a won between 1,000 and 10,000 won."""

TICK_EXCEPTIONS: Final = {"KRW-USDT": STABLE_TICKS, "KRW-USDC": STABLE_TICKS}


def ticks_of(*, market: str) -> TickTable:
    """Return the tick table of a KRW market."""
    return TICK_EXCEPTIONS.get(market, KRW_TICKS)


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What an exchange allows on one market; read at run time, defaults as documented."""

    market: str
    min_total: Decimal = Decimal(5000)
    max_total: Decimal = Decimal(1_000_000_000)
    bid_fee: Decimal = Decimal("0.0005")
    ask_fee: Decimal = Decimal("0.0005")
    ticks: TickTable = field(default=KRW_TICKS)

    def floor_tick(self, price: Decimal, /) -> Decimal:
        """Round a buy price down to the market's grid."""
        return self.ticks.floor(price=price)

    def ceil_tick(self, price: Decimal, /) -> Decimal:
        """Round a sell price up to the market's grid."""
        return self.ticks.ceil(price=price)

    def tick_size(self, price: Decimal, /) -> Decimal:
        """Return the tick at *price*."""
        return self.ticks.tick_size(price=price)
