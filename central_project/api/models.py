"""Keys that open the public API. Only a key's SHA-256 is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from central_project.api.shared_state import keys_changed

DEFAULT_RATE: Final = "100/60s"
KEY_MARK: Final = "dk_live_"
"""Every key's text begins with it."""
KEY_FORM: Final = re.compile(
    KEY_MARK + r"([A-Za-z0-9]{8})\.([A-Za-z0-9_-]{43})", re.ASCII
)
_RATE: Final = re.compile(r"[1-9][0-9]{0,6}/[1-9][0-9]{0,4}s", re.ASCII)
_NO_KEY_DIGEST: Final = hashlib.sha256(b"no such key").hexdigest()
_PREFIX_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def validate_rate(value: str) -> None:
    """Accept ``<requests>/<seconds>s`` only, e.g. 100/60s."""
    if not _RATE.fullmatch(value):
        raise ValidationError(
            "한도는 '횟수/초s' 형식으로 적어 주세요. 예: 100/60s (60초에 100번)"
        )


def digest_of(key: str, /) -> str:
    """Return the stored form of a key; it has 256 random bits, so a fast hash is right."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Makes keys and finds the one that was shown."""

    def update(self, **values: Any) -> int:
        """Change keys, revoke them perhaps: from its commit on, in every process."""
        changed = super().update(**values)
        if set(values) != {"last_used_at"}:
            transaction.on_commit(keys_changed)
        return changed

    def issue(
        self,
        *,
        name: str,
        expires_at: datetime | None = None,
        rate: str = DEFAULT_RATE,
        note: str = "",
    ) -> tuple[ApiKey, str]:
        """Create a key and return it with its text, which exists only here."""
        prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(8))
        text = f"{KEY_MARK}{prefix}.{secrets.token_urlsafe(32)}"
        key = ApiKey(
            name=name,
            prefix=prefix,
            digest=digest_of(text),
            expires_at=expires_at,
            rate=rate,
            note=note,
        )
        key.full_clean()
        key.save()
        return key, text

    def find(self, text: str, /) -> ApiKey | None:
        """Return the key whose text this is, expired or revoked ones too."""
        parts = KEY_FORM.fullmatch(text)
        key = self.filter(prefix=parts[1]).first() if parts else None
        # Compared even without a row: a wrong prefix takes as long as a wrong secret.
        stored = key.digest if key else _NO_KEY_DIGEST
        return key if hmac.compare_digest(stored, digest_of(text)) else None


class ApiKey(models.Model):
    """Access of one reader, usually one user server."""

    name = models.CharField(
        "이름", max_length=80, help_text="누가 쓰는 키인지 적으세요."
    )
    note = models.CharField(
        "메모", max_length=200, blank=True,
        help_text="담당자와 연락처처럼 나중에 필요할 것.",
    )  # fmt: skip
    prefix = models.CharField("앞자리", max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    rate = models.CharField(
        "한도", max_length=20, default=DEFAULT_RATE, validators=[validate_rate],
        help_text="횟수/초s. 예: 100/60s",
    )  # fmt: skip
    created_at = models.DateTimeField("발급", auto_now_add=True)
    expires_at = models.DateTimeField("만료", null=True, blank=True)
    revoked_at = models.DateTimeField("폐기", null=True, blank=True)
    last_used_at = models.DateTimeField("마지막 사용", null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API 키"
        verbose_name_plural = "API 키"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({KEY_MARK}{self.prefix}…)"

    def is_expired(self, *, now: datetime) -> bool:
        """Tell whether the key's time is over."""
        return self.expires_at is not None and self.expires_at <= now


@receiver((post_save, post_delete), sender=ApiKey)
def _announce(**_: Any) -> None:
    transaction.on_commit(keys_changed)
