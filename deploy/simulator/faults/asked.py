"""A fault as an operator asks for it: read strictly, errors say what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final, TypeVar

from deploy.simulator.faults.kinds import (
    KINDS,
    LATE_SIGNS,
    LONGEST_SECONDS,
    Kind,
    Way,
    endpoints_of,
)
from deploy.simulator.faults.registry import Fault

T = TypeVar("T")
_NAMES: Final = tuple(field.name for field in fields(Fault))


class FaultRefused(ValueError):
    """The fault cannot be; the message says what is allowed."""


def fault_asked(*, asked: Mapping[str, Any], known: Iterable[str]) -> Fault:
    """Return the fault that JSON describes; *known* = this exchange's endpoints.

    Raises FaultRefused.
    """
    unknown = sorted(set(asked) - set(_NAMES))
    if unknown:
        raise FaultRefused(f"no {', '.join(unknown)}; a fault has {', '.join(_NAMES)}")
    kind = _kind(asked.get("kind"))
    chosen = [name for name in ("nth", "every", "probability") if name in asked]
    if len(chosen) > 1:
        raise FaultRefused(f"give one of {', '.join(chosen)}, not several")
    return Fault(
        endpoint=_endpoint(asked.get("endpoint"), kind, known),
        kind=asked["kind"],
        nth=_given(asked, "nth", _numbers) or (),
        every=_given(asked, "every", _count),
        probability=_given(asked, "probability", _probability),
        times=_given(asked, "times", _count),
        seconds=_seconds(asked, kind),
        sign=_sign(asked, kind),
        who=_given(asked, "who", _text),
        market=_given(asked, "market", _text),
        seed=_given(asked, "seed", _seed) or 0,
    )


def _given(
    asked: Mapping[str, Any], name: str, read: Callable[[str, Any], T]
) -> T | None:
    value = asked.get(name)
    return None if value is None else read(name, value)


def _kind(name: object) -> Kind:
    if not isinstance(name, str) or name not in KINDS:
        raise FaultRefused(f"no kind {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def _endpoint(name: object, kind: Kind, known: Iterable[str]) -> str:
    allowed = endpoints_of(kind, known=known)
    if not isinstance(name, str) or name not in allowed:
        raise FaultRefused(
            f"this kind does not go with endpoint {name!r}; it can be"
            f" {', '.join(allowed)}"
        )
    return name


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or len(value) > 10_000:
        raise FaultRefused(f"{name} is a list of call numbers from 1 on")
    return tuple(_count(name, one) for one in value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FaultRefused(f"{name} holds whole numbers from 1 on, not {value!r}")
    return value


def _seed(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FaultRefused(f"{name} is a whole number from 0 on, not {value!r}")
    return value


def _probability(name: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise FaultRefused(f"{name} is a number from 0 to 1, not {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise FaultRefused(f"{name} is a text, not {value!r}")
    return value


def _seconds(asked: Mapping[str, Any], kind: Kind) -> float:
    value = asked.get("seconds")
    if value is None:
        return kind.seconds or 0.0
    if kind.seconds is None:
        raise FaultRefused("this kind takes no seconds")
    if not _is_number(value) or not 0 <= value <= LONGEST_SECONDS:
        raise FaultRefused(f"seconds can be 0 to {LONGEST_SECONDS:g}, not {value!r}")
    return float(value)


def _sign(asked: Mapping[str, Any], kind: Kind) -> str:
    value = asked.get("sign")
    if kind.way is not Way.LATE:
        if value is not None:
            raise FaultRefused("only late has a sign")
        return ""
    if value is None:
        return LATE_SIGNS[0]
    if value not in LATE_SIGNS:
        raise FaultRefused(f"sign can be {', '.join(LATE_SIGNS)}, not {value!r}")
    return str(value)
