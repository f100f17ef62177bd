"""What the API remembers: answers to requests that may be sent twice."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class IdempotentRequest(models.Model):
    """One POST that carried an ``Idempotency-Key``, and its answer."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    key = models.CharField("키", max_length=64)
    request_sha256 = models.CharField(max_length=64)
    """Method, path and body: the same key with another request is refused."""
    status = models.PositiveSmallIntegerField("상태", null=True, blank=True)
    """Empty while the first request is still being answered."""
    body = models.TextField("응답", blank=True)
    at = models.DateTimeField("시각", auto_now_add=True)

    class Meta:
        verbose_name = "멱등 요청"
        verbose_name_plural = "멱등 요청"
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "key"), name="idempotency_key_once_per_owner"
            ),
        )

    def __str__(self) -> str:
        return self.key
