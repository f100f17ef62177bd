"""The v1 contract between central and its readers.

Central writes these values, the user server parses them. Decimals are strings, times
ISO-8601 UTC; a reader ignores keys it does not know and refuses values it cannot trust.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from common.money import plain, to_decimal

SCHEMA_VERSION: Final = 1
MAX_RECOMMENDATIONS: Final = 50
MAX_BUNDLE_SYMBOLS: Final = 60
SYMBOL_PATTERN: Final = r"^KRW-[A-Z0-9]{1,20}$"


class WireError(ValueError):
    """The answer does not follow the v1 contract."""


DecimalText = Annotated[
    Decimal,
    BeforeValidator(to_decimal),
    PlainSerializer(plain, return_type=str, when_used="json"),
]
PositiveText = Annotated[DecimalText, Field(gt=0)]
ScoreText = Annotated[DecimalText, Field(ge=0, le=100)]
ShareText = Annotated[DecimalText, Field(ge=0, le=1)]


class Level(StrEnum):
    """How deep a support level lies: the horizon it is computed from."""

    AGGRESSIVE = "aggressive"  # 7 days
    MODERATE = "moderate"  # 30 days
    CONSERVATIVE = "conservative"  # 90 days


class Phase(StrEnum):
    """The market's mood as central sees it."""

    NORMAL = "normal"
    CAUTION = "caution"
    CRASH = "crash"
    HALTED = "halted"
    UNKNOWN = "unknown"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Envelope(_Wire):
    """Identity and age of the analysis run that an answer comes from."""

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=1)
    run_id: str = Field(min_length=1, max_length=64)
    data_as_of: AwareDatetime
    generated_at: AwareDatetime
    valid_until: AwareDatetime
    next_run_at: AwareDatetime
    stale: bool


class Reason(_Wire):
    """One sentence that explains a score, in both languages."""

    code: str
    ko: str
    en: str


class Scores(_Wire):
    """The four analyzers' scores, each 0 to 100."""

    technical: ScoreText
    volume: ScoreText
    volatility: ScoreText
    risk: ScoreText


class Recommendation(_Wire):
    """One ranked coin."""

    rank: int = Field(ge=1, le=MAX_RECOMMENDATIONS)
    symbol: str = Field(pattern=SYMBOL_PATTERN)
    korean_name: str
    english_name: str
    price: PositiveText
    score: ScoreText
    scores: Scores
    reasons: list[Reason] = []
    metrics: dict[str, DecimalText] = {}
    warnings: list[str] = []


class SupportLevel(_Wire):
    """One support level; ``price`` is null with a ``reason`` when none can be given."""

    horizon_days: int = Field(gt=0)
    price: PositiveText | None
    raw: PositiveText | None = None
    method: str = ""
    candidates: int = 0
    touches: int = 0
    touch_probability: ShareText | None = None
    bounce_rate: ShareText | None = None
    placebo_rate: ShareText | None = None
    degraded: bool = False
    reason: str | None = None


def _known_levels(levels: object) -> object:
    # A level added later must not cost older readers the ones they know.
    if not isinstance(levels, dict):
        return levels
    return {name: level for name, level in levels.items() if name in set(Level)}


class SupportLevels(_Wire):
    """The three levels of one coin, below the price they were computed at."""

    symbol: str = Field(pattern=SYMBOL_PATTERN)
    price: PositiveText
    levels: Annotated[dict[Level, SupportLevel], BeforeValidator(_known_levels)]


class MarketStatus(_Wire):
    """The market as a whole."""

    phase: Phase
    breadth: ShareText | None = None
    btc_trend: DecimalText | None = None
    volatility: DecimalText | None = None
    coins_analysed: int = Field(ge=0)
    coins_failed: int = Field(ge=0)
    pipeline: str
    exchange: str


class PartError(_Wire):
    """Why one part of a bundle could not be answered."""

    code: str
    message: str


class RecommendationsAnswer(Envelope):
    """``GET /recommendations``."""

    recommendations: list[Recommendation]
    universe_size: int = Field(ge=0)
    excluded_count: int = Field(ge=0)
    score_version: str


class SupportLevelsAnswer(Envelope, SupportLevels):
    """``GET /support-levels/{symbol}``."""


class MarketStatusAnswer(Envelope, MarketStatus):
    """``GET /market-status``."""


class BundleAnswer(Envelope):
    """``POST /bundle``: every part from one run; a part that failed is in ``errors``.

    ``errors`` keys are ``recommendations``, ``market_status`` or
    ``support_levels.<symbol>``.
    """

    unchanged: bool = False
    recommendations: list[Recommendation] | None = None
    universe_size: int | None = Field(default=None, ge=0)
    excluded_count: int | None = Field(default=None, ge=0)
    score_version: str | None = None
    support_levels: dict[str, SupportLevels] = {}
    market_status: MarketStatus | None = None
    errors: dict[str, PartError] = {}


def parse_bundle(body: bytes | str, /) -> BundleAnswer:
    """Read a bundle; raise WireError naming the first field that is wrong."""
    try:
        return BundleAnswer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError(f"{where or 'body'}: {first['msg']}") from error


def is_fresh(*, envelope: Envelope, now: datetime) -> bool:
    """Tell whether new cycles may rely on this answer at *now*."""
    return not envelope.stale and now <= envelope.valid_until
