"""The only way out of float: everything the analysis hands on is rounded here."""

from __future__ import annotations

import math
from decimal import Decimal

SHARE_STEP = Decimal("0.000001")
SCORE_STEP = Decimal("0.01")


def leave_float(value: float, /, *, step: Decimal) -> Decimal:
    """Round a finite *value* half-even to the decimal places of *step*."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot leave the analysis: it is not finite")
    # repr is the shortest text that reads back as this float: same on every machine.
    number = Decimal(repr(float(value))).quantize(step)
    return abs(number) if number.is_zero() else number
