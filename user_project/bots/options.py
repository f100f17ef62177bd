"""What the owner chooses for a bot: one value for pages, API, commands and admin."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from common.money import plain, to_decimal
from common.wire import Level
from user_project.trading.amounts import Shape
from user_project.trading.plan_request import TableStage


class Reentry(StrEnum):
    """When the next round may begin after the cool-down."""

    RESET = "reset"  # at once, from the price of then
    LAST_SELL = "last_sell"  # at or below the last round's average sell price
    LAST_BUY = "last_buy"  # at or below the last round's first buy
    SUPPORT = "support"  # near a support level


@dataclass(frozen=True, slots=True, kw_only=True)
class BotOptions:
    """Options of a bot; an empty market means auto-select, None means off."""

    account_id: UUID | None = None
    name: str = ""
    market: str = ""
    budget: Decimal
    stages: int = 7
    multiplier: Decimal = Decimal("1.25")
    shape: Shape = Shape.GEOMETRIC
    level: Level = Level.MODERATE
    take_profit: Decimal = Decimal("0.015")
    jitter: Decimal = Decimal("0.25")
    stage_table: tuple[TableStage, ...] | None = None
    max_depth: Decimal = Decimal("0.40")
    stage_cooldown_seconds: int = 60
    cycle_cooldown_seconds: int = 21_600
    resting_stages: int = 2
    trailing: Decimal | None = None
    stop_below_last: Decimal | None = None
    break_even_after: Decimal | None = None
    max_hold_hours: int | None = None
    max_cycles: int | None = None
    reinvest: Decimal = Decimal(0)
    reentry: Reentry = Reentry.RESET
    crash_brake: bool = True

    def columns(self) -> dict[str, Any]:
        """Return the values as the bot's columns keep them, without name and coin."""
        values = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in NOT_COLUMNS
        }
        return {
            **values,
            "shape": self.shape.value,
            "level": self.level.value,
            "reentry": self.reentry.value,
            "stage_table": write_table(self.stage_table),
        }


def options_of(bot: Any, /) -> BotOptions:
    """Read a bot's columns back as options."""
    values = {
        field.name: getattr(bot, field.name)
        for field in fields(BotOptions)
        if field.name not in NOT_COLUMNS
    }
    return BotOptions(
        **{
            **values,
            "account_id": bot.account_id,
            "name": bot.name,
            "market": "" if bot.auto_select else bot.market,
            "shape": Shape(bot.shape),
            "level": Level(bot.level),
            "reentry": Reentry(bot.reentry),
            "stage_table": read_table(bot.stage_table),
        }
    )


NOT_COLUMNS: Final = frozenset({"account_id", "name", "market"})


def write_table(table: tuple[TableStage, ...] | None, /) -> list[Any] | None:
    """Return an own table of stages as JSON."""
    if table is None:
        return None
    return [{"drop": plain(row.drop), "weight": plain(row.weight)} for row in table]


def read_table(rows: list[Any] | None, /) -> tuple[TableStage, ...] | None:
    """Read an own table of stages back from JSON."""
    if rows is None:
        return None
    return tuple(
        TableStage(drop=Decimal(row["drop"]), weight=Decimal(row["weight"]))
        for row in rows
    )


def table_text(table: tuple[TableStage, ...] | None, /) -> str:
    """Write an own table of stages as `parse_table` reads it; empty for none."""
    return ",".join(f"{plain(row.drop)}:{plain(row.weight)}" for row in table or ())


def parse_table(text: str, /) -> tuple[TableStage, ...] | None:
    """Read ``0:1,0.03:1.5`` (drop:weight, …) as commands take it; None for no text.

    Raises NotADecimal for what is no number.
    """
    if not text:
        return None
    rows = [row.partition(":") for row in text.split(",")]
    return tuple(
        TableStage(drop=to_decimal(drop), weight=to_decimal(weight or "1"))
        for drop, _, weight in rows
    )
