"""The operator's view of the market: everything to see, little to break."""

from __future__ import annotations

from central_project.market.admin import (
    coins,
    report_cards,
    results,
    retention,
    runs,
    weights,
)

__all__ = ["coins", "report_cards", "results", "retention", "runs", "weights"]
