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
    WithJsonSchema,
)

from common.money import plain, to_decimal

SCHEMA_VERSION: Final = 1
MAX_RECOMMENDATIONS: Final = 50
MAX_BUNDLE_SYMBOLS: Final = 60
MAX_CANDLES: Final = 90 * 24 + 1
SYMBOL_PATTERN: Final = r"^KRW-[A-Z0-9]{1,20}$"


class WireError(ValueError):
    """The answer does not follow the v1 contract."""


DecimalText = Annotated[
    Decimal,
    BeforeValidator(to_decimal),
    PlainSerializer(plain, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "decimal"}, mode="serialization"),
]
PositiveText = Annotated[DecimalText, Field(gt=0)]
ScoreText = Annotated[DecimalText, Field(ge=0, le=100)]
ShareText = Annotated[DecimalText, Field(ge=0, le=1)]


class Level(StrEnum):
    """지지선의 깊이: aggressive 7일, moderate 30일, conservative 90일.

    How deep a support level lies, by its horizon: 7, 30 and 90 days.
    """

    AGGRESSIVE = "aggressive"
    MODERATE = "moderate"
    CONSERVATIVE = "conservative"


class Phase(StrEnum):
    """시장 국면: 정상, 주의, 급락, 중단(거래소 점검), 알 수 없음.

    The market's mood: ``halted`` while the exchange is away, ``unknown`` when the newest
    analysis is missing or late.
    """

    NORMAL = "normal"
    CAUTION = "caution"
    CRASH = "crash"
    HALTED = "halted"
    UNKNOWN = "unknown"


class CandleKind(StrEnum):
    """캔들의 종류: 확정(closed), 거래 없음(silent), 진행 중(provisional).

    ``closed`` as the exchange gave it, ``silent`` without a trade (the last close again),
    ``provisional`` for the unfinished hour, built from its closed 5-minute candles.
    """

    CLOSED = "closed"
    SILENT = "silent"
    PROVISIONAL = "provisional"


class _Wire(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        # The texts under the fields are what integrators read in the API's description.
        use_attribute_docstrings=True,
    )


class Envelope(_Wire):
    """Identity and age of the analysis run that an answer comes from."""

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=1)
    """계약 버전. Version of this contract."""
    run_id: str = Field(min_length=1, max_length=64)
    """분석 실행의 이름. Name of the analysis run; equal names mean equal contents."""
    data_as_of: AwareDatetime
    """데이터 기준 시각 (UTC). When the market was read; the age counts from here (UTC)."""
    generated_at: AwareDatetime
    """발표 시각 (UTC). When the run was published (UTC)."""
    valid_until: AwareDatetime
    """이 시각 뒤에는 새로 시작하지 마세요 (UTC). Start nothing new after it (UTC)."""
    next_run_at: AwareDatetime
    """다음 발표 예정 시각 (UTC). When the next run is expected; ask again then (UTC)."""
    stale: bool
    """참이면 새 결정에 쓰지 마세요. True: base no new decision on this answer."""


class Reason(_Wire):
    """One sentence that explains a score, in both languages."""

    code: str
    """문장의 고정 코드. Stable code of the sentence."""
    ko: str
    """한국어 문장. The sentence in Korean."""
    en: str
    """영어 문장. The sentence in English."""


class Scores(_Wire):
    """The four analyzers' scores, each 0 to 100."""

    technical: ScoreText
    """기술 점수 (0~100). Technical indicators."""
    volume: ScoreText
    """거래량 점수 (0~100). Turnover and its course."""
    volatility: ScoreText
    """변동성 점수 (0~100, 잔잔할수록 높음). Higher is calmer."""
    risk: ScoreText
    """위험 점수 (0~100, 안전할수록 높음). Higher is safer."""


class Recommendation(_Wire):
    """One ranked coin."""

    rank: int = Field(ge=1, le=MAX_RECOMMENDATIONS)
    """순위 (1이 가장 좋음). Rank, 1 is the best."""
    symbol: str = Field(pattern=SYMBOL_PATTERN)
    """마켓 코드. Market code, e.g. KRW-BTC."""
    korean_name: str
    """한글 이름. Korean name."""
    english_name: str
    """영문 이름. English name."""
    price: PositiveText
    """분석 때의 현재가 (KRW). Price when analysed (KRW)."""
    score: ScoreText
    """종합 점수 (0~100). Weighted total: better than that share of the coins today."""
    scores: Scores
    """분야별 점수. The scores it is made of."""
    reasons: list[Reason] = []
    """점수의 이유. Why the score is what it is."""
    metrics: dict[str, DecimalText] = {}
    """지표 값 (이름별), signed_change_rate는 전일대비. Values of the indicators by name,
    e.g. rsi; signed_change_rate is the change since the close at 09:00 in Korea (ratio),
    absent when the exchange did not tell it."""
    warnings: list[str] = []
    """경고 코드. Codes of what to be careful about."""


class SupportLevel(_Wire):
    """One support level; ``price`` is null with a ``reason`` when none can be given."""

    horizon_days: int = Field(gt=0)
    """계산 기간 (일). Days of history it is computed from."""
    price: PositiveText | None
    """호가 단위에 맞춘 지지선 (KRW). The level on a tick (KRW), null with a reason."""
    raw: PositiveText | None = None
    """순서와 호가 단위를 맞추기 전 값 (KRW). Before ordering and rounding (KRW)."""
    clamped: bool = False
    """참이면 변동성이나 윗선과의 간격 때문에 내린 값. True: lowered from raw to keep a
    distance that follows volatility below the price and the level above."""
    method: str = ""
    """계산 방법. How it was found."""
    candidates: int = 0
    """값을 낸 방법의 수. How many methods named a level."""
    candles: int = 0
    """계산에 쓴 시간봉 수. Hourly candles it is computed from."""
    touches: int = 0
    """가격이 이 근처에 온 횟수. How often the price came close to it."""
    last_touch_at: AwareDatetime | None = None
    """마지막으로 가까이 온 시간봉의 시작 (UTC). Start of the last hour close to it (UTC)."""
    touch_days: int | None = Field(default=None, gt=0)
    """닿을 확률을 보는 기간 (일). Days within which touch_probability counts a touch."""
    touch_probability: ShareText | None = None
    """가격이 이 선에 닿을 확률 (0~1). Probability that the price reaches it within
    touch_days (ratio), null with touch_reason."""
    touch_samples: int = 0
    """확률을 보정한 표본 수 (코인 x 일). Coin-days of this run that corrected it; they
    overlap and coins fall together, so they weigh far less than their number."""
    touch_reason: str | None = None
    """닿을 확률이 없는 이유. Why there is no touch_probability."""
    bounce_rate: ShareText | None = None
    """닿은 뒤 반등한 비율 (0~1). Share of touches of such levels, over all coins, after
    which the price rose (ratio), null with bounce_reason."""
    placebo_rate: ShareText | None = None
    """아무 가격에서나 반등한 비율 (0~1). The same at arbitrary prices as far away (ratio);
    only what bounce_rate exceeds it by speaks for the level."""
    bounce_samples: int = 0
    """반등률의 표본 수. Touches behind bounce_rate."""
    placebo_samples: int = 0
    """비교 반등률의 표본 수. Touches behind placebo_rate."""
    bounce_reason: str | None = None
    """반등률이 없는 이유. Why there is no bounce_rate."""
    degraded: bool = False
    """참이면 믿음이 덜한 값. True: less reliable, see reason."""
    reason: str | None = None
    """값이 없거나 약한 이유. Why there is no level, or a weak one."""


def _known_levels(levels: object) -> object:
    # A level added later must not cost older readers the ones they know.
    if not isinstance(levels, dict):
        return levels
    return {name: level for name, level in levels.items() if name in set(Level)}


class SupportLevels(_Wire):
    """The three levels of one coin, below the price they were computed at."""

    symbol: str = Field(pattern=SYMBOL_PATTERN)
    """마켓 코드. Market code, e.g. KRW-BTC."""
    price: PositiveText
    """분석 때의 현재가 (KRW). Price when analysed (KRW)."""
    levels: Annotated[dict[Level, SupportLevel], BeforeValidator(_known_levels)]
    """지지선 셋, 가까운 것부터. The three levels, nearest first."""


class MarketStatus(_Wire):
    """The market as a whole."""

    phase: Phase
    """시장 국면. The market's mood."""
    breadth: ShareText | None = None
    """하루 전보다 오른 코인의 비율 (0~1). Share of coins above yesterday (ratio)."""
    btc_trend: DecimalText | None = None
    """비트코인의 7일 평균 대비 위치 (비율). Bitcoin against its 7-day average (ratio)."""
    volatility: DecimalText | None = None
    """변동성의 중앙값 (비율). Median volatility of the coins (ratio)."""
    coins_analysed: int = Field(ge=0)
    """분석한 코인 수. Coins analysed."""
    coins_failed: int = Field(ge=0)
    """분석하지 못한 코인 수. Coins that could not be analysed."""
    pipeline: str
    """분석의 상태: ok, late, failed, suspect. State of the analysis: up to date, late,
    the newest run failed, or its check did not agree. More words may come."""
    exchange: str
    """거래소 상태: ok, down, maintenance. State of the exchange. More words may come."""


class Candle(_Wire):
    """One hour of one coin."""

    started_at: AwareDatetime
    """시작 시각 (UTC). Start of the hour (UTC)."""
    open: PositiveText
    """시가 (KRW). Opening price (KRW)."""
    high: PositiveText
    """고가 (KRW). Highest price (KRW)."""
    low: PositiveText
    """저가 (KRW). Lowest price (KRW)."""
    close: PositiveText
    """종가 (KRW). Closing price (KRW)."""
    volume: DecimalText
    """거래량 (코인). Traded amount in coins."""
    quote_volume: DecimalText
    """거래대금 (KRW). Traded amount (KRW)."""
    kind: CandleKind
    """캔들의 종류. Closed, silent or provisional."""


class PartError(_Wire):
    """Why one part of a bundle could not be answered."""

    code: str
    """오류 코드. Stable code: UNKNOWN_SYMBOL or NOT_ANALYSED."""
    message: str
    """설명과 해결 방법. What to do about it."""


class RecommendationsAnswer(Envelope):
    """``GET /recommendations``."""

    recommendations: list[Recommendation]
    """추천 코인, 좋은 것부터. The coins, best first; fewer when fewer pass the gates."""
    universe_size: int = Field(ge=0)
    """살펴본 전체 코인 수. Coins that were considered."""
    excluded_count: int = Field(ge=0)
    """그중 조건에 걸려 빠진 코인 수. Of these, coins left out by a gate."""
    score_version: str
    """점수 설정의 버전. Version of the weights and gates."""


class SupportLevelsAnswer(Envelope, SupportLevels):
    """``GET /support-levels/{symbol}``."""


class MarketStatusAnswer(Envelope, MarketStatus):
    """``GET /market-status``."""


class CandlesAnswer(Envelope):
    """``GET /candles/{symbol}``: what the coin's analysis was computed from."""

    symbol: str = Field(pattern=SYMBOL_PATTERN)
    """마켓 코드. Market code, e.g. KRW-BTC."""
    unit: int
    """캔들 길이 (분). Length of a candle in minutes."""
    candles: list[Candle]
    """캔들, 오래된 것부터. Oldest first; hours in which the exchange was away are absent."""


class BundleAnswer(Envelope):
    """``POST /bundle``: every part from one run; a part that failed is in ``errors``."""

    unchanged: bool = False
    """참이면 이미 가진 분석. True: the run is the known one, there are no parts."""
    recommendations: list[Recommendation] | None = None
    """추천 코인, 좋은 것부터. As in /recommendations."""
    universe_size: int | None = Field(default=None, ge=0)
    """살펴본 전체 코인 수. Coins that were considered."""
    excluded_count: int | None = Field(default=None, ge=0)
    """그중 조건에 걸려 빠진 코인 수. Of these, coins left out by a gate."""
    score_version: str | None = None
    """점수 설정의 버전. Version of the weights and gates."""
    support_levels: dict[str, SupportLevels] = {}
    """마켓별 지지선. Levels by market code."""
    market_status: MarketStatus | None = None
    """시장 상태. As in /market-status."""
    errors: dict[str, PartError] = {}
    """답하지 못한 부분. What could not be answered, by ``support_levels.<symbol>``."""


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
