"""Which orders are refused at once, and with which of Upbit's error names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from common.money import VOLUME_STEP, MarketRules
from common.upbit import IDENTIFIER_MAX_LENGTH
from user_project.trading.matching_orders import (
    CUT,
    EXACT,
    LARGEST,
    ZERO,
    Level,
    NewOrder,
    OrderRefused,
    OrderType,
    SmpType,
    TimeInForce,
)
from user_project.trading.orders import Side

GUARD_LEVELS: Final = 30
"""An order that names no price must fit into so many levels of the other side."""

_SHAPES: Final = {
    (OrderType.LIMIT, Side.BID): (True, True),
    (OrderType.LIMIT, Side.ASK): (True, True),
    (OrderType.PRICE, Side.BID): (True, False),
    (OrderType.MARKET, Side.ASK): (False, True),
    (OrderType.BEST, Side.BID): (True, False),
    (OrderType.BEST, Side.ASK): (False, True),
}
"""(type, side): whether price and volume must be given; other pairs do not exist."""

_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_TIMES: Final[dict[OrderType, tuple[TimeInForce | None, ...]]] = {
    OrderType.LIMIT: (None, *TimeInForce),
    OrderType.PRICE: (None,),
    OrderType.MARKET: (None,),
    OrderType.BEST: _AT_ONCE,
}


def normalised(request: NewOrder, /) -> NewOrder:
    """Cut the volume to 8 decimals; refuse shapes that Upbit refuses."""
    if request.identifier is not None and not (
        0 < len(request.identifier) <= IDENTIFIER_MAX_LENGTH
    ):
        raise OrderRefused("validation_error", "identifier는 1~64자여야 합니다.")
    _check_shape(request)
    _check_time(request)
    for number in (request.price, request.volume):
        if number is not None and not ZERO < number <= LARGEST:
            raise OrderRefused("invalid_parameter", "주문 수량과 가격을 확인해주세요.")
    if request.price is not None and request.price != _cut(request.price):
        raise OrderRefused("invalid_parameter", "가격은 소수점 8자리까지입니다.")
    if request.volume is None:
        return request
    volume = _cut(request.volume)
    if volume == ZERO:
        raise OrderRefused("invalid_parameter", "주문 수량이 너무 작습니다.")
    return request if volume == request.volume else replace(request, volume=volume)


def _cut(number: Decimal) -> Decimal:
    return CUT.quantize(number, VOLUME_STEP)


def _check_shape(request: NewOrder) -> None:
    shape = _SHAPES.get((request.ord_type, request.side))
    if shape != (request.price is not None, request.volume is not None):
        raise OrderRefused(
            f"create_{request.side}_error",
            "주문 유형에 맞는 price와 volume을 입력해주세요.",
        )


def _check_time(request: NewOrder) -> None:
    if request.time_in_force not in _TIMES[request.ord_type]:
        raise OrderRefused(
            "invalid_time_in_force", "주문 유형에 맞는 time_in_force를 입력해주세요."
        )
    if (
        request.time_in_force is TimeInForce.POST_ONLY
        and request.smp_type is not SmpType.NONE
    ):
        raise OrderRefused(
            "invalid_post_only", "post_only는 smp_type과 함께 쓸 수 없습니다."
        )


def check_rules(request: NewOrder, *, rules: MarketRules, last: Decimal) -> None:
    """Refuse a price off the grid and a total outside the market's limits.

    *last* = the market's price, at which an order without one is valued.
    """
    side, limit = request.side, request.limit
    if limit is not None and not rules.ticks.is_on_tick(price=limit):
        raise OrderRefused(
            f"invalid_price_{side}",
            "주문가격 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요.",
        )
    total = _total(request, last=last)
    if rules.is_too_small(total):
        raise OrderRefused(
            f"under_min_total_{side}",
            f"최소주문금액 이상으로 주문해주세요. ({rules.min_total} KRW)",
        )
    if rules.is_too_large(total):
        raise OrderRefused(
            f"over_krw_funds_{side}",
            f"최대주문금액 이하로 주문해주세요. ({rules.max_total} KRW)",
        )


def _total(request: NewOrder, *, last: Decimal) -> Decimal:
    unit = last if request.price is None else request.price
    return unit if request.volume is None else EXACT.multiply(unit, request.volume)


def check_depth(request: NewOrder, *, opposite: Sequence[Level]) -> None:
    """Refuse a market order that 30 levels of the other side could not fill."""
    if request.ord_type not in (OrderType.PRICE, OrderType.MARKET):
        return
    levels = opposite[:GUARD_LEVELS]
    if request.ord_type is OrderType.MARKET:
        wanted, there = request.volume, sum((lv.size for lv in levels), ZERO)
    else:
        funds = (EXACT.multiply(level.price, level.size) for level in levels)
        wanted, there = request.price, sum(funds, ZERO)
    if wanted is not None and wanted > there:
        raise OrderRefused(
            f"create_{request.side}_error",
            "호가 30단계의 잔량을 넘는 시장가 주문입니다. 금액이나 수량을 줄여주세요.",
        )
