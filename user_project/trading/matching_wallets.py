"""How a change of an order moves money between free and locked, to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from user_project.trading.matching_orders import (
    CUT,
    EXACT,
    ZERO,
    Order,
    OrderRefused,
    State,
    Wallet,
)
from user_project.trading.orders import Side

_AVERAGE_STEP: Final = Decimal("0.00000001")


def locking(wallet: Wallet, order: Order, /) -> Wallet:
    """Return *wallet* with what a new order needs locked; refuse what it lacks."""
    need = order.locked
    if need > wallet.balance:
        raise OrderRefused(
            f"insufficient_funds_{order.request.side}",
            f"주문 가능한 금액({order.lock_currency})이 부족합니다.",
        )
    return moved(wallet, free=EXACT.minus(need), locked=need)


def settled(
    before: Order, after: Order, *, cash: Wallet, coins: Wallet
) -> tuple[Wallet, Wallet]:
    """Return (cash, coins) once *after* has replaced *before*."""
    still = after.locked if after.state is State.WAIT else ZERO
    freed = EXACT.subtract(before.locked, still)
    funds = EXACT.subtract(after.executed_funds, before.executed_funds)
    volume = EXACT.subtract(after.executed_volume, before.executed_volume)
    fee = EXACT.subtract(after.paid_fee, before.paid_fee)
    if after.request.side is Side.ASK:
        cash = moved(cash, free=EXACT.subtract(funds, fee))
        left = EXACT.subtract(freed, volume)
        return cash, moved(coins, free=left, locked=EXACT.minus(freed))
    average = _average(coins, volume=volume, funds=funds)
    cost = EXACT.add(funds, fee)
    cash = moved(cash, free=EXACT.subtract(freed, cost), locked=EXACT.minus(freed))
    return cash, replace(moved(coins, free=volume), avg_buy_price=average)


def moved(wallet: Wallet, *, free: Decimal, locked: Decimal = ZERO) -> Wallet:
    """Return *wallet* with both parts changed; raises ValueError below zero."""
    balance = EXACT.add(wallet.balance, free)
    bound = EXACT.add(wallet.locked, locked)
    if balance < ZERO or bound < ZERO:
        raise ValueError("a balance would become negative")
    return Wallet(balance=balance, locked=bound, avg_buy_price=wallet.avg_buy_price)


def _average(coins: Wallet, *, volume: Decimal, funds: Decimal) -> Decimal:
    """Return the average buy price, KRW without fees; informative, so cut."""
    if volume == ZERO:
        return coins.avg_buy_price
    held = EXACT.add(coins.balance, coins.locked)
    worth = EXACT.add(EXACT.multiply(held, coins.avg_buy_price), funds)
    return CUT.quantize(CUT.divide(worth, EXACT.add(held, volume)), _AVERAGE_STEP)
