"""What a client may ask of an order, read from the body of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from deploy.simulator.exchange.assumptions import Assumptions
from deploy.simulator.rest.errors import bad
from deploy.simulator.rest.parameters import Parameters
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderType,
    SmpType,
    TimeInForce,
)
from user_project.trading.orders import Side

REMAIN_ONLY: Final = "remain_only"
"""A volume: whatever the order before leaves."""
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SIDES: Final[Mapping[str, Side]] = {str(side): side for side in Side}

Word = TypeVar("Word", bound=StrEnum)


def new_order(asked: Parameters, /, *, assumptions: Assumptions) -> NewOrder:
    """Return the order that a POST /v1/orders asks for; raises UpbitProblem."""
    side = _SIDES.get(_needed(asked, "side"))
    if side is None:
        raise bad("invalid_parameter", "side는 bid 또는 ask여야 합니다.")
    return _order(
        asked,
        market=_needed(asked, "market"),
        side=side,
        volume=_amount(asked, "volume"),
        assumptions=assumptions,
    )


def successor(
    asked: Parameters, /, *, old: Order, assumptions: Assumptions
) -> tuple[NewOrder, bool]:
    """Return the order after *old*, and whether it takes what *old* leaves.

    *asked* = the body of cancel_and_new without the prefix `new_`. Such an order has
    the volume that is left at present. Raises UpbitProblem.
    """
    remain_only = asked.value("volume") == REMAIN_ONLY
    volume = old.remaining_volume if remain_only else _amount(asked, "volume")
    if remain_only and volume is None:
        raise bad("invalid_parameter", "remain_only는 수량이 있는 주문에만 씁니다.")
    request = _order(
        asked,
        market=old.request.market,
        side=old.request.side,
        volume=volume,
        assumptions=assumptions,
    )
    if request.identifier and request.identifier == old.request.identifier:
        raise bad(
            "invalid_parameter",
            "new_identifier는 이전 주문의 identifier와 달라야 합니다.",
        )
    return request, remain_only


def _order(
    asked: Parameters,
    *,
    market: str,
    side: Side,
    volume: Decimal | None,
    assumptions: Assumptions,
) -> NewOrder:
    time_in_force = _word(asked, "time_in_force", TimeInForce, "invalid_time_in_force")
    smp_type = _word(asked, "smp_type", SmpType, "invalid_parameter")
    ord_type = _word(asked, "ord_type", OrderType, "invalid_parameter")
    if ord_type is None:
        raise bad("validation_error", "ord_type을 입력해주세요.")
    identifier = asked.value("identifier")
    return NewOrder(
        market=market,
        side=side,
        ord_type=ord_type,
        price=_amount(asked, "price"),
        volume=volume,
        identifier=None if identifier is None else str(identifier),
        time_in_force=time_in_force,
        smp_type=smp_type or _default_smp(time_in_force, assumptions),
    )


def _default_smp(
    time_in_force: TimeInForce | None, assumptions: Assumptions
) -> SmpType:
    if time_in_force is TimeInForce.POST_ONLY:
        return SmpType.NONE
    return SmpType(assumptions.smp_default)


def _needed(asked: Parameters, name: str) -> str:
    text = asked.one(name)
    if text is None:
        raise bad("validation_error", f"{name}을(를) 입력해주세요.")
    return text


def _word(asked: Parameters, name: str, words: type[Word], error: str) -> Word | None:
    text = asked.one(name)
    try:
        return None if text is None else words(text)
    except ValueError as problem:
        raise bad(error, f"{name}은(는) {', '.join(words)} 중 하나입니다.") from problem


def _amount(asked: Parameters, name: str) -> Decimal | None:
    value = asked.value(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise bad("invalid_parameter", f"{name}은(는) 지수 없는 십진수여야 합니다.")
    return Decimal(value)
