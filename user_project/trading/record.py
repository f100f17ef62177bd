"""The facts of a decision as JSON and back, exactly: a decision can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from common.money import MarketRules
from user_project.trading.facts import BotFacts, CycleFacts, Decision, OrderFacts
from user_project.trading.orders import PriceQuote

RULES_VERSION: Final = "2"
"""Rises when the same facts may lead to another decision than before."""


class Facts(TypedDict):
    """The arguments of `decide`."""

    bot: BotFacts
    cycle: CycleFacts | None
    orders: tuple[OrderFacts, ...]
    price: PriceQuote | None
    rules: MarketRules | None
    now: datetime


_DECISION: Final = TypeAdapter(Decision)
_FACTS: Final[TypeAdapter[Facts]] = TypeAdapter(Facts)


class UnreadableRecord(ValueError):
    """A stored decision that this version cannot make again; the text says why."""


def dump(
    *,
    bot: BotFacts,
    cycle: CycleFacts | None,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules | None,
    now: datetime,
) -> dict[str, Any]:
    """Return JSON that `load` turns into the same arguments again."""
    facts = Facts(
        bot=bot,
        cycle=cycle,
        orders=tuple(orders),
        price=price,
        rules=rules,
        now=now,
    )
    return {
        "rules_version": RULES_VERSION,
        "facts": _FACTS.dump_python(facts, mode="json"),
    }


def load(stored: dict[str, Any], /) -> Facts:
    """Return the arguments of `decide`; raise UnreadableRecord for another version."""
    version = stored.get("rules_version")
    if version != RULES_VERSION:
        raise UnreadableRecord(
            f"decided by rules version {version}, this is version {RULES_VERSION}"
        )
    try:
        return _FACTS.validate_python(stored["facts"])
    except (KeyError, ValueError) as error:
        raise UnreadableRecord(f"the stored facts are damaged: {error}") from error


def written(decision: Decision, /) -> bytes:
    """Return a decision as bytes, the same ones for the same decision."""
    return _DECISION.dump_json(decision)
