"""What a level's past says about it, in the fields of the v1 contract."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypedDict

from central_project.analysis.bounces import Tally
from central_project.analysis.rounding import SHARE_STEP, leave_float
from central_project.analysis.support_ground import HORIZONS
from central_project.analysis.touches import TouchTable
from common.wire import Level

NO_LEVEL: Final = "NO_LEVEL"
NOT_CALIBRATED: Final = "NOT_CALIBRATED"
FEW_SAMPLES: Final = "FEW_SAMPLES"


class Evidence(TypedDict):
    """Fields of `common.wire.SupportLevel` on how often levels are reached and hold."""

    touch_days: int
    touch_probability: Decimal | None
    touch_samples: int
    touch_reason: str | None
    bounce_rate: Decimal | None
    placebo_rate: Decimal | None
    bounce_samples: int
    placebo_samples: int
    bounce_reason: str | None


def evidence_of(
    *, level: Level, distance: float | None, table: TouchTable | None
) -> Evidence:
    """Say how often levels like this one are reached and hold, or why that is unknown.

    *distance*: depth below the price in daily ATR (log scale); None: there is no level.
    """
    if distance is None or table is None:
        return _unknown(level, NO_LEVEL if distance is None else NOT_CALIBRATED)
    bounces = table.bounces[level]
    enough = bounces.real.rate is not None and bounces.placebo.rate is not None
    chance = table.probability(level=level, distance=distance)
    return Evidence(
        touch_days=HORIZONS[level].touch_days,
        touch_probability=leave_float(chance, step=SHARE_STEP),
        touch_samples=len(table.falls[level].depths),
        touch_reason=None,
        bounce_rate=_share(bounces.real) if enough else None,
        placebo_rate=_share(bounces.placebo) if enough else None,
        bounce_samples=bounces.real.samples,
        placebo_samples=bounces.placebo.samples,
        bounce_reason=None if enough else FEW_SAMPLES,
    )


def _unknown(level: Level, reason: str, /) -> Evidence:
    return Evidence(
        touch_days=HORIZONS[level].touch_days,
        touch_probability=None,
        touch_samples=0,
        touch_reason=reason,
        bounce_rate=None,
        placebo_rate=None,
        bounce_samples=0,
        placebo_samples=0,
        bounce_reason=reason,
    )


def _share(tally: Tally, /) -> Decimal | None:
    return None if tally.rate is None else leave_float(tally.rate, step=SHARE_STEP)
