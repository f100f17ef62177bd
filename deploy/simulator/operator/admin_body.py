"""What an operator sends to the simulator, read strictly; errors say what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, Final, TypeVar

from aiohttp import web

from common.money import NotADecimal, plain, to_decimal
from user_project.trading.matching_orders import CUT, LARGEST

_FINEST: Final = Decimal("1E-16")
"""With more, sums and products of balances could lose a digit."""
T = TypeVar("T")


class AdminRefused(ValueError):
    """The operator's wish cannot be; the message says what would."""

    def __init__(self, message: str, /, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Body:
    """A JSON object whose values are asked for by name."""

    def __init__(self, values: dict[str, Any], /) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        """Tell whether a value was given, be it null."""
        return name in self.values

    def needed(self, name: str, read: Callable[[str, Any], T], /) -> T:
        """Return a value that must be there."""
        if self.values.get(name) is None:
            raise AdminRefused(f"{name} is missing")
        return read(name, self.values[name])

    def given(self, name: str, read: Callable[[str, Any], T], /) -> T | None:
        """Return a value, or None when it is absent or null."""
        value = self.values.get(name)
        return None if value is None else read(name, value)


async def body_of(request: web.Request, /, *, allowed: Collection[str] | None) -> Body:
    """Return what was sent; only *allowed* names may be there (None: any)."""
    try:
        values = json.loads(await request.read(), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise AdminRefused("the body must be JSON") from error
    if not isinstance(values, dict):
        raise AdminRefused("the body must be a JSON object")
    unknown = sorted(set(values) - set(allowed if allowed is not None else values))
    if unknown:
        raise AdminRefused(
            f"no {', '.join(unknown)}; there can be {', '.join(allowed or ())}"
        )
    return Body(values)


def text(name: str, value: Any, /) -> str:
    """Read a text of up to 200 characters that is not empty."""
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise AdminRefused(f"{name} is a text of 1 to 200 characters")
    return value


def texts(name: str, value: Any, /) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, list):
        raise AdminRefused(f"{name} is a list of texts")
    return tuple(text(name, one) for one in value)


def switch(name: str, value: Any, /) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise AdminRefused(f"{name} is true or false, not {value!r}")
    return value


def number(name: str, value: Any, /) -> Decimal:
    """Read an exact number, as text or as a JSON number."""
    try:
        read = to_decimal(value)
    except NotADecimal as error:
        raise AdminRefused(f"{name} is a decimal number, best as text") from error
    if abs(read) > LARGEST or CUT.quantize(read, _FINEST) != read:
        raise AdminRefused(f"{name} can have 16 decimals and be up to {plain(LARGEST)}")
    return read


def amount(name: str, value: Any, /) -> Decimal:
    """Read an exact number that is not below zero."""
    read = number(name, value)
    if read < 0:
        raise AdminRefused(f"{name} must not be below 0")
    return read


def positive(name: str, value: Any, /) -> Decimal:
    """Read an exact number above zero."""
    read = number(name, value)
    if read <= 0:
        raise AdminRefused(f"{name} must be above 0")
    return read
