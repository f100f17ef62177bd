"""Double entry for fills: every booking sums to zero in each currency.

``cash``, ``position`` and ``profit`` carry the money: what was paid and received, what
the held coins cost with their buy fees, and (as a credit, so negated) what was earned.
``fee`` counts the fees of both sides against ``market``, the other party, which also
gives and takes the coins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import accumulate, pairwise
from typing import Final, Literal

from common.money import plain

Account = Literal["cash", "position", "fee", "profit", "market", "owner"]
KRW: Final = "KRW"
LEDGER_STEP: Final = Decimal("1E-20")
"""Price (8 decimals) x volume (8) x fee (4): the finest amount a fill can have."""
_EXACT: Final = Context(prec=80)


class InvalidFill(ValueError):
    """A fill whose figures cannot be true."""


class Oversold(ValueError):
    """More would be sold than the position holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One side of a booking; positive where value arrives."""

    account: Account
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Coins held and what they cost in KRW, buy fees included."""

    volume: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Legs to write, the position after them, and the profit they realise (KRW)."""

    legs: tuple[Leg, ...]
    position: Position
    profit: Decimal


def book_buy(
    *, position: Position, market: str, volume: Decimal, funds: Decimal, fee: Decimal
) -> Booking:
    """Book a buy of *volume* coins for *funds* plus *fee* (KRW)."""
    _check_fill(volume=volume, funds=funds, fee=fee)
    with localcontext(_EXACT):
        paid = funds + fee
        after = Position(volume=position.volume + volume, cost=position.cost + paid)
        legs = (
            *_transfer("cash", "position", KRW, paid),
            *_transfer("market", "fee", KRW, fee),
            *_transfer("market", "position", _coin(market), volume),
        )
    return Booking(legs=legs, position=after, profit=Decimal(0))


def book_sell(
    *, position: Position, market: str, volume: Decimal, funds: Decimal, fee: Decimal
) -> Booking:
    """Book a sale of *volume* coins for *funds* less *fee* (KRW), cost pro rata.

    Raises Oversold when the position holds less.
    """
    _check_fill(volume=volume, funds=funds, fee=fee)
    if volume > position.volume:
        raise Oversold(f"sold {plain(volume)}, but only {plain(position.volume)} held")
    with localcontext(_EXACT):
        cost = _cost_of(position=position, volume=volume)
        received = funds - fee
        profit = received - cost
        after = Position(volume=position.volume - volume, cost=position.cost - cost)
        legs = _joined(
            (
                *_transfer("position", "cash", KRW, cost),
                *_transfer("profit", "cash", KRW, profit),
                *_transfer("market", "fee", KRW, fee),
                *_transfer("position", "market", _coin(market), volume),
            )
        )
    return Booking(legs=legs, position=after, profit=profit)


def book_release(
    *, position: Position, market: str, volume: Decimal, lost: bool
) -> Booking:
    """Book *volume* coins over to the owner, cost pro rata; *lost* ones lose their cost.

    Raises Oversold when the position holds less.
    """
    _check_fill(volume=volume, funds=position.cost, fee=Decimal(0))
    if volume > position.volume:
        raise Oversold(f"{plain(volume)} leave, only {plain(position.volume)} held")
    with localcontext(_EXACT):
        cost = _cost_of(position=position, volume=volume)
        after = Position(volume=position.volume - volume, cost=position.cost - cost)
    cost_goes_to: Account = "profit" if lost else "owner"
    legs = (
        *_transfer("position", cost_goes_to, KRW, cost),
        *_transfer("position", "owner", _coin(market), volume),
    )
    return Booking(legs=legs, position=after, profit=-cost if lost else Decimal(0))


def split_fee(*, paid_fee: Decimal, funds: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Split an order's fee over its trades by their funds; the parts sum exactly."""
    with localcontext(_EXACT):
        total = sum(funds, Decimal(0))
        spreadable = total > 0 or paid_fee == 0
        if not spreadable or paid_fee < 0 or any(part < 0 for part in funds):
            raise InvalidFill(
                f"a fee of {plain(paid_fee)} won cannot be split over"
                f" {len(funds)} trades worth {plain(total)} won"
            )
        # Rounding the running total keeps every part >= 0 and loses nothing.
        marks = [
            paid_fee if mark == total else _rounded(paid_fee * mark / total)
            for mark in accumulate(funds)
        ]
        return tuple(mark - before for before, mark in pairwise([Decimal(0), *marks]))


def _cost_of(*, position: Position, volume: Decimal) -> Decimal:
    if volume == position.volume:
        return position.cost
    return _rounded(position.cost * volume / position.volume)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(LEDGER_STEP, rounding=ROUND_HALF_EVEN)


def _check_fill(*, volume: Decimal, funds: Decimal, fee: Decimal) -> None:
    if volume <= 0 or funds < 0 or fee < 0:
        raise InvalidFill(
            f"a fill of {plain(volume)} coins for {plain(funds)} won"
            f" with {plain(fee)} won fee cannot be true"
        )


def _transfer(
    source: Account, target: Account, currency: str, amount: Decimal
) -> tuple[Leg, ...]:
    if amount == 0:
        return ()
    return (
        Leg(account=source, currency=currency, amount=-amount),
        Leg(account=target, currency=currency, amount=amount),
    )


def _joined(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """Merge legs of the same account and currency: cash shows what was received."""
    sums: dict[tuple[Account, str], Decimal] = {}
    for leg in legs:
        key = (leg.account, leg.currency)
        sums[key] = sums.get(key, Decimal(0)) + leg.amount
    return tuple(
        Leg(account=account, currency=currency, amount=amount)
        for (account, currency), amount in sums.items()
        if amount != 0
    )


def _coin(market: str) -> str:
    return market.partition("-")[2]
