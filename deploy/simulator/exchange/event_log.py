"""The exchange's events as lines of the journal, and back, to the last digit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from common.money import plain
from deploy.simulator.exchange.venue_events import Successor, VenueEvent
from user_project.trading.matching_orders import Execution, NewOrder, Order

KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__.lower(): kind for kind in get_args(VenueEvent)
}


def _hints(kind: type[object]) -> dict[str, Any]:
    """Return the type of each field, without the None of an optional one."""
    return {
        name: next((part for part in get_args(hint) if part is not NoneType), hint)
        for name, hint in get_type_hints(kind).items()
    }


_HINTS: Final = {
    kind: _hints(kind)
    for kind in (*KINDS.values(), Order, NewOrder, Execution, Successor)
}


def encoded(event: VenueEvent, /) -> dict[str, Any]:
    """Return an event as JSON; amounts are text, instants ISO-8601."""
    return {"event": type(event).__name__.lower(), **_plain_fields(event)}


def decoded(line: dict[str, Any], /) -> VenueEvent:
    """Return the event of a line; raises KeyError or ValueError if it is none."""
    values = {name: value for name, value in line.items() if name != "event"}
    event: VenueEvent = _built(KINDS[line["event"]], values)
    return event


def _plain_fields(value: Any) -> dict[str, Any]:
    rows = ((field, getattr(value, field.name)) for field in fields(value))
    return {one.name: _written(item) for one, item in rows if item != one.default}


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return _plain_fields(value) if is_dataclass(value) else value


def _built(kind: type[object], values: dict[str, Any]) -> Any:
    hints = _HINTS[kind]
    return kind(**{name: _read(hints[name], value) for name, value in values.items()})


def _read(hint: Any, value: Any) -> Any:
    if hint is datetime:
        return datetime.fromisoformat(value)
    if is_dataclass(hint) and isinstance(hint, type):
        return _built(hint, value)
    return hint(value) if issubclass(hint, (Decimal, Enum)) else value
