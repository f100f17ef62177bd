"""What central last said, and how the line to it is doing."""

from __future__ import annotations

from functools import lru_cache

from django.db import models

from common.wire import BundleAnswer, parse_bundle


@lru_cache(maxsize=4)
def _parsed(body: str) -> BundleAnswer:
    """Every page and every bot reads the same few bodies; the values are frozen."""
    return parse_bundle(body)


class CentralSnapshot(models.Model):
    """One accepted answer of central; bots read these and nothing else."""

    run_id = models.CharField("분석 번호", max_length=64)
    data_as_of = models.DateTimeField("자료 시각")
    generated_at = models.DateTimeField("생성 시각")
    valid_until = models.DateTimeField("유효 기한")
    next_run_at = models.DateTimeField("다음 분석")
    body = models.TextField("내용")
    sha256 = models.CharField(max_length=64)
    fetched_at = models.DateTimeField("받은 시각")

    class Meta:
        verbose_name = "본사 자료"
        verbose_name_plural = "본사 자료"
        ordering = ("-data_as_of", "-id")
        constraints = (
            models.UniqueConstraint(fields=("run_id",), name="snapshot_run_once"),
        )

    def __str__(self) -> str:
        return f"{self.run_id} ({self.data_as_of:%m-%d %H:%M})"

    @property
    def bundle(self) -> BundleAnswer:
        """The stored answer as values."""
        return _parsed(self.body)


class PullState(models.Model):
    """One row: failures in a row, the breaker, the last problem in words."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    failures = models.PositiveIntegerField("연속 실패", default=0)
    open_until = models.DateTimeField("다시 시도", null=True, blank=True)
    next_pull_at = models.DateTimeField("다음 요청", null=True, blank=True)
    last_error = models.CharField("마지막 문제", max_length=400, blank=True)
    last_attempt_at = models.DateTimeField("마지막 시도", null=True, blank=True)
    last_success_at = models.DateTimeField("마지막 성공", null=True, blank=True)

    class Meta:
        verbose_name = "본사 연결 상태"
        verbose_name_plural = "본사 연결 상태"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(id=1), name="pull_state_single_row"
            ),
        )

    def __str__(self) -> str:
        return self.last_error or "정상"
