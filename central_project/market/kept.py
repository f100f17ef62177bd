"""What outlives the runs: how long data is kept, and how good it turned out to be."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Retention(models.Model):
    """The single row that says how long what is kept; pruning reads it."""

    SINGLE = 1

    runs_days = models.PositiveIntegerField(
        "분석 보관 (일)", default=7,
        validators=[MinValueValidator(1), MaxValueValidator(400)],
    )  # fmt: skip
    minutes_days = models.PositiveIntegerField(
        "5분봉 보관 (일)", default=3,
        validators=[MinValueValidator(2), MaxValueValidator(30)],
    )  # fmt: skip
    hours_days = models.PositiveIntegerField(
        "시간봉 보관 (일)", default=400,
        validators=[MinValueValidator(100), MaxValueValidator(1000)],
    )  # fmt: skip

    class Meta:
        verbose_name = "보관 기간"
        verbose_name_plural = "보관 기간"

    def __str__(self) -> str:
        return f"분석 {self.runs_days}일, 시간봉 {self.hours_days}일"


class ReportSection(models.TextChoices):
    """Which question a report card answers."""

    SERVED = "served", "제공한 분석"
    WALK_FORWARD = "walk_forward", "과거 재현"


class ReportCard(models.Model):
    """How well one section's recommendations and levels did; the newest row counts."""

    section = models.CharField("구분", max_length=16, choices=ReportSection)
    since = models.DateTimeField("시작")
    until = models.DateTimeField("끝")
    score_version = models.CharField("점수 설정", max_length=40, blank=True)
    created_at = models.DateTimeField("계산 시각", auto_now_add=True)
    body = models.JSONField("내용")

    class Meta:
        verbose_name = "성적표"
        verbose_name_plural = "성적표"
        ordering = ["-pk"]
        get_latest_by = "pk"

    def __str__(self) -> str:
        return f"{self.get_section_display()} {self.since:%Y-%m-%d} ~ {self.until:%Y-%m-%d}"
