"""What the exchange's operator switches: markets, maintenance, open questions."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from common.money import TickTable, UnknownTicks
from deploy.simulator.exchange.assumptions import (
    CHOICES,
    Assumptions,
    UnknownAssumption,
)
from deploy.simulator.house import HOUSE
from deploy.simulator.operator.admin_body import (
    AdminRefused,
    amount,
    body_of,
    positive,
    switch,
    text,
    texts,
)
from deploy.simulator.rest.quotation_views import CAUTIONS


async def change_market(request: web.Request) -> web.Response:
    """POST /simulator/markets/{market}: set some of a market's switches.

    null gives back what the market has by itself.
    """
    house, market = request.app[HOUSE], request.match_info["market"]
    body = await body_of(request, allowed=tuple(_READERS))
    changes = {name: _change(name, value) for name, value in body.values.items()}
    house.venue.change_market(market=market, now_ms=house.now_ms(), **changes)
    return web.json_response(house.conditions.of(market=market).written())


async def set_maintenance(request: web.Request) -> web.Response:
    """POST /simulator/maintenance: take the whole exchange offline, or resume it."""
    house = request.app[HOUSE]
    body = await body_of(request, allowed=("on",))
    on = body.needed("on", switch)
    house.venue.set_maintenance(on=on, now_ms=house.now_ms())
    return web.json_response({"on": on})


async def choose(request: web.Request) -> web.Response:
    """POST /simulator/assumptions: answer open questions another way; all or none."""
    house = request.app[HOUSE]
    chosen = house.assumptions
    body = await body_of(request, allowed=None)
    for name, value in body.values.items():
        try:
            chosen = chosen.choosing(name=name, value=text(name, value))
        except UnknownAssumption as error:
            raise AdminRefused(str(error)) from error
    house.assumptions = chosen
    return web.json_response(_choices(chosen))


async def list_choices(request: web.Request) -> web.Response:
    """GET /simulator/assumptions: each question, its choices and the present one."""
    return web.json_response(_choices(request.app[HOUSE].assumptions))


def _choices(chosen: Assumptions) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "value": getattr(chosen, name),
            "choices": list(choices),
            "about": _ABOUT[name],
        }
        for name, choices in CHOICES.items()
    }


def _described(kind: type[Any]) -> dict[str, str]:
    """Return the text below each field of a class; Python itself forgets it."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = str(below.value.value)
    return found


_ABOUT: Final = _described(Assumptions)


def _change(name: str, value: Any) -> Any:
    if value is None:
        if name in ("offline", "delisted"):
            raise AdminRefused(f"{name} is true or false, not null")
        return None
    return _READERS[name](name, value)


def _day(name: str, value: Any) -> str:
    try:
        return date.fromisoformat(text(name, value)).isoformat()
    except ValueError as error:
        raise AdminRefused(f"{name} is a day like 2026-01-31") from error


def _cautions(name: str, value: Any) -> tuple[str, ...]:
    given = texts(name, value)
    if not set(given) <= set(CAUTIONS):
        raise AdminRefused(f"{name} lists some of {', '.join(CAUTIONS)}")
    return given


def _fee(name: str, value: Any) -> Decimal:
    rate = amount(name, value)
    if rate >= 1:
        raise AdminRefused(f"{name} is a rate below 1, like 0.0005")
    return rate


def _ticks(name: str, value: Any) -> TickTable:
    """Read rows of [lowest price, tick]."""
    if not isinstance(value, list):
        raise AdminRefused(f"{name} is a list of [lowest price, tick]")
    rows = sorted((_band(name, row) for row in value), reverse=True)
    try:
        return TickTable(effective_at=date.min, bands=tuple(rows))
    except UnknownTicks as error:
        raise AdminRefused(f"{name}: {error}") from error


def _band(name: str, row: Any) -> tuple[Decimal, Decimal]:
    if not isinstance(row, list) or len(row) != 2:
        raise AdminRefused(f"{name} is a list of [lowest price, tick]")
    return amount(name, row[0]), positive(name, row[1])


_READERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "offline": switch,
    "delisted": switch,
    "delisting_date": _day,
    "warning": switch,
    "caution": _cautions,
    "bid_fee": _fee,
    "ask_fee": _fee,
    "min_total": amount,
    "max_total": positive,
    "ticks": _ticks,
}
