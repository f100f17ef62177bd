"""What the central server knows: coins, candles, runs and their published results."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from central_project.market.kept import ReportCard, ReportSection, Retention
from common.wire import MAX_RECOMMENDATIONS

__all__ = [
    "HEARTBEAT_LIMIT",
    "STEPS",
    "AnalysisRun",
    "AnalysisRunQuerySet",
    "Candle",
    "Coin",
    "ExcludedCoin",
    "Publication",
    "Recommendation",
    "ReportCard",
    "ReportSection",
    "Retention",
    "RunState",
    "ScoreSettings",
    "SupportLevel",
    "Unit",
    "floor_to",
]

HEARTBEAT_LIMIT = timedelta(seconds=90)
"""A run silent for longer is dead and may be taken over."""


class Coin(models.Model):
    """One KRW market of the exchange.

    Every closed hour in [hours_from, hours_until) is stored, and every closed 5-minute
    candle in [hours_until, minutes_until): silence is known from what was never read.
    """

    market = models.CharField("마켓", max_length=24, unique=True)
    korean_name = models.CharField("한글 이름", max_length=80)
    english_name = models.CharField("영문 이름", max_length=80)
    listed = models.BooleanField("거래 중", default=True)
    warning = models.BooleanField("유의 종목", default=False)
    cautions = models.JSONField("주의 표시", default=list, blank=True)
    excluded = models.BooleanField(
        "추천 제외", default=False, help_text="다음 분석부터 추천하지 않습니다."
    )
    excluded_reason = models.CharField("제외 사유", max_length=200, blank=True)
    hours_from = models.DateTimeField("시간봉 시작", null=True, blank=True)
    hours_until = models.DateTimeField("시간봉 끝", null=True, blank=True)
    minutes_until = models.DateTimeField("5분봉 끝", null=True, blank=True)
    seen_at = models.DateTimeField("마지막 확인", null=True, blank=True)

    class Meta:
        verbose_name = "코인"
        verbose_name_plural = "코인"
        ordering = ["market"]

    def __str__(self) -> str:
        return f"{self.korean_name} ({self.market})"

    def clean(self) -> None:
        """An exclusion needs a reason that others can read later."""
        if self.excluded and not self.excluded_reason.strip():
            raise ValidationError({"excluded_reason": "제외 사유를 적어 주세요."})


class Unit(models.IntegerChoices):
    """Candle length in minutes."""

    FIVE = 5, "5분"
    HOUR = 60, "1시간"


class Candle(models.Model):
    """One closed candle; a stretch without trades has none."""

    market = models.CharField("마켓", max_length=24)
    unit = models.PositiveSmallIntegerField("단위", choices=Unit)
    started_at = models.DateTimeField("시작")
    open = models.DecimalField("시가", max_digits=32, decimal_places=12)
    high = models.DecimalField("고가", max_digits=32, decimal_places=12)
    low = models.DecimalField("저가", max_digits=32, decimal_places=12)
    close = models.DecimalField("종가", max_digits=32, decimal_places=12)
    volume = models.DecimalField("거래량", max_digits=32, decimal_places=12)
    quote_volume = models.DecimalField("거래대금", max_digits=32, decimal_places=12)

    class Meta:
        verbose_name = "캔들"
        verbose_name_plural = "캔들"
        ordering = ["-started_at", "market"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["market", "unit", "started_at"], name="candle_once"
            )
        ]
        indexes: ClassVar = [
            # One run reads the last 90 days of all markets; prune deletes by age.
            models.Index(fields=["unit", "started_at"], name="candle_unit_time")
        ]

    def __str__(self) -> str:
        return f"{self.market} {self.unit}m {self.started_at:%Y-%m-%d %H:%M}Z"


class ScoreSettings(models.Model):
    """Weights and gates of the score. Rows are never changed: the newest one counts."""

    technical = models.DecimalField("기술 가중치", max_digits=5, decimal_places=4)
    volume = models.DecimalField("거래량 가중치", max_digits=5, decimal_places=4)
    volatility = models.DecimalField("변동성 가중치", max_digits=5, decimal_places=4)
    risk = models.DecimalField("위험 가중치", max_digits=5, decimal_places=4)
    min_turnover_24h = models.DecimalField(
        "최소 거래대금 (원/일, 7일 중앙값)", max_digits=20, decimal_places=0,
        default=Decimal(1_000_000_000), validators=[MinValueValidator(0)],
    )  # fmt: skip
    min_age_days = models.PositiveIntegerField("최소 상장 일수", default=90)
    max_spread = models.FloatField(
        "최대 호가 간격 (비율)", default=0.003,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )  # fmt: skip
    max_tick_share = models.FloatField(
        "최대 호가 단위 (가격 대비)", default=0.005,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )  # fmt: skip
    max_missing = models.FloatField(
        "최대 누락 시간 비율", default=0.10,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )  # fmt: skip
    note = models.CharField("메모", max_length=200, blank=True)
    created_at = models.DateTimeField("적용 시각", auto_now_add=True)

    class Meta:
        verbose_name = "점수 설정"
        verbose_name_plural = "점수 설정"
        ordering = ["-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="weights_sum_to_one",
                condition=Q(
                    technical=Decimal(1)
                    - models.F("volume")
                    - models.F("volatility")
                    - models.F("risk")
                ),
                violation_error_message="가중치의 합은 1이어야 합니다.",
            ),
            models.CheckConstraint(
                name="weights_not_negative",
                condition=Q(
                    technical__gte=0, volume__gte=0, volatility__gte=0, risk__gte=0
                ),
                violation_error_message="가중치는 0 이상이어야 합니다.",
            ),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def version(self) -> str:
        """Name of this row in answers (``score_version``)."""
        return f"v{self.pk}"


class RunState(models.TextChoices):
    """Where an analysis run stands."""

    RUNNING = "running", "진행 중"
    PUBLISHED = "published", "발표됨"
    FAILED = "failed", "실패"


STEPS = ("collect", "analyse", "publish", "prune")
"""Order of a run's steps; the JSON column does not keep it."""


class AnalysisRunQuerySet(models.QuerySet["AnalysisRun"]):
    """Rules over many runs; leases are judged by the database's clock."""

    def alive(self) -> AnalysisRunQuerySet:
        """Return runs that a worker is busy with."""
        return self.filter(
            state=RunState.RUNNING, heartbeat_at__gte=Now() - HEARTBEAT_LIMIT
        )

    def owned(self, *, run_id: int, attempt: int) -> AnalysisRunQuerySet:
        """Return the run only while *attempt* still owns it: the fence of every write."""
        return self.filter(pk=run_id, attempt=attempt, state=RunState.RUNNING)

    def published(self) -> AnalysisRunQuerySet:
        """Return runs whose results can be read."""
        return self.filter(state=RunState.PUBLISHED)


class AnalysisRun(models.Model):
    """One window's analysis: how it went and what it found about the whole market."""

    window_start = models.DateTimeField("분석 구간", unique=True)
    state = models.CharField(
        "상태", max_length=12, choices=RunState, default=RunState.RUNNING
    )
    attempt = models.PositiveIntegerField("시도", default=1)
    published_attempt = models.PositiveIntegerField(
        "발표된 시도", null=True, blank=True
    )
    started_at = models.DateTimeField("시작")
    heartbeat_at = models.DateTimeField("마지막 신호", db_default=Now())
    data_as_of = models.DateTimeField("데이터 기준", null=True, blank=True)
    published_at = models.DateTimeField("발표", null=True, blank=True)
    valid_until = models.DateTimeField("유효 기한", null=True, blank=True)
    next_run_at = models.DateTimeField("다음 분석 예정", null=True, blank=True)
    steps = models.JSONField("단계별 기록", default=dict, blank=True)
    coins_ok = models.PositiveIntegerField("성공 코인", default=0)
    coins_failed = models.PositiveIntegerField("실패 코인", default=0)
    universe_size = models.PositiveIntegerField("전체 코인", default=0)
    excluded_count = models.PositiveIntegerField("제외 코인", default=0)
    market_status = models.JSONField("시장 상태", null=True, blank=True)
    settings = models.ForeignKey(
        ScoreSettings, on_delete=models.PROTECT, null=True, blank=True,
        verbose_name="점수 설정",
    )  # fmt: skip
    audit = models.JSONField("검산", null=True, blank=True)
    """What the auditor recomputed with `ta`: coins, worst difference, mismatches."""
    suspect = models.BooleanField(
        "검산 불일치", default=False,
        help_text="검산이 맞지 않은 분석입니다. 사용자 서버는 새 회차를 시작하지 않습니다.",
    )  # fmt: skip
    error_code = models.CharField("오류 코드", max_length=40, blank=True)
    error = models.TextField("오류", blank=True)

    objects = AnalysisRunQuerySet.as_manager()

    class Meta:
        verbose_name = "분석 실행"
        verbose_name_plural = "분석 실행"
        ordering = ["-window_start"]

    def __str__(self) -> str:
        return self.run_id

    @property
    def run_id(self) -> str:
        """Public name; the published attempt is in it: no two contents share a name.

        A repetition in progress does not rename what readers still get.
        """
        attempt = self.published_attempt or self.attempt
        return f"{self.window_start:%Y%m%dT%H%M%SZ}-{attempt}"

    def ordered_steps(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the records of the steps that were begun, in their order."""
        return [(name, self.steps[name]) for name in STEPS if name in self.steps]


class Publication(models.Model):
    """The single row that says which run readers get."""

    SINGLE = 1

    current = models.ForeignKey(
        AnalysisRun, on_delete=models.PROTECT, null=True, verbose_name="현재 분석"
    )

    class Meta:
        verbose_name = "현재 발표"
        verbose_name_plural = "현재 발표"

    def __str__(self) -> str:
        return str(self.current or "-")


class SupportLevel(models.Model):
    """The three support levels of one coin in one run (KRW; null = none can be given)."""

    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, verbose_name="분석")
    market = models.CharField("마켓", max_length=24)
    price = models.DecimalField("현재가", max_digits=32, decimal_places=12)
    aggressive = models.DecimalField(
        "공격적 (7일)", max_digits=32, decimal_places=12, null=True
    )
    moderate = models.DecimalField(
        "보통 (30일)", max_digits=32, decimal_places=12, null=True
    )
    conservative = models.DecimalField(
        "보수적 (90일)", max_digits=32, decimal_places=12, null=True
    )
    levels = models.JSONField("상세")

    class Meta:
        verbose_name = "지지선"
        verbose_name_plural = "지지선"
        ordering = ["-run_id", "market"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "market"], name="support_once"),
            # A comparison with null is unknown, which a check constraint lets pass.
            models.CheckConstraint(
                name="support_in_order",
                condition=Q(aggressive__lt=models.F("price"))
                & Q(moderate__lt=models.F("aggressive"))
                & Q(conservative__lt=models.F("moderate"))
                & Q(conservative__lt=models.F("aggressive"))
                & Q(moderate__lt=models.F("price"))
                & Q(conservative__lt=models.F("price"))
                & Q(conservative__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market} @ {self.run}"


class Recommendation(models.Model):
    """One ranked coin of one run, with everything its score is made of."""

    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, verbose_name="분석")
    rank = models.PositiveSmallIntegerField(
        "순위", validators=[MaxValueValidator(MAX_RECOMMENDATIONS)]
    )
    market = models.CharField("마켓", max_length=24)
    korean_name = models.CharField("한글 이름", max_length=80)
    english_name = models.CharField("영문 이름", max_length=80)
    price = models.DecimalField("현재가", max_digits=32, decimal_places=12)
    score = models.DecimalField("점수", max_digits=7, decimal_places=4)
    scores = models.JSONField("분야별 점수")
    reasons = models.JSONField("이유", default=list)
    metrics = models.JSONField("지표", default=dict)
    warnings = models.JSONField("경고", default=list)
    breakdown = models.JSONField("점수 내역", default=dict)

    class Meta:
        verbose_name = "추천"
        verbose_name_plural = "추천"
        ordering = ["-run_id", "rank"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "rank"], name="rank_once"),
            models.UniqueConstraint(fields=["run", "market"], name="ranked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.korean_name} @ {self.run}"


class ExcludedCoin(models.Model):
    """A coin that one run did not rank, and why."""

    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, verbose_name="분석")
    market = models.CharField("마켓", max_length=24)
    reason = models.CharField("사유", max_length=40)

    class Meta:
        verbose_name = "제외된 코인"
        verbose_name_plural = "제외된 코인"
        ordering = ["-run_id", "market"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "market"], name="excluded_once")
        ]

    def __str__(self) -> str:
        return f"{self.market}: {self.reason}"


def floor_to(*, moment: datetime, seconds: int) -> datetime:
    """Return the start of the *seconds*-long slot (counted from 1970, UTC) of *moment*."""
    stamp = int(moment.timestamp())
    return datetime.fromtimestamp(stamp - stamp % seconds, tz=moment.tzinfo)
