"""Bots, their cycles, orders, fills and the double-entry ledger.

The database is the timer and the truth: what is due, who works on it, what was sent.
"""

from __future__ import annotations

from user_project.bots.models.bot import Bot, BotQuerySet
from user_project.bots.models.safety import (
    Brake,
    EmergencyStop,
    PriceSample,
    QueueHeartbeat,
    ServerSwitch,
)
from user_project.bots.models.trade import (
    Adjustment,
    BotEvent,
    Cycle,
    Fill,
    LedgerEntry,
    Order,
    OrderQuerySet,
)

__all__ = [
    "Adjustment",
    "Bot",
    "BotEvent",
    "BotQuerySet",
    "Brake",
    "Cycle",
    "EmergencyStop",
    "Fill",
    "LedgerEntry",
    "Order",
    "OrderQuerySet",
    "PriceSample",
    "QueueHeartbeat",
    "ServerSwitch",
]
