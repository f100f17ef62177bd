"""What the pages share: plain numbers, Korean names, rows that are only looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from common.money import plain

LABELS: Final = {
    "owner": "소유자",
    "account": "거래소 계정",
    "bot": "봇",
    "cycle": "회차",
    "order": "주문",
    "fill": "체결",
    "adjustment": "조정",
    "by": "요청한 사람",
    "created_at": "만든 시각",
    "reason_at": "이유가 생긴 시각",
    "fence": "처리 번호",
    "lease_owner": "처리 중인 작업자",
    "lease_until": "처리 기한",
    "body_sha256": "주문 본문 해시",
    "not_found_count": "거래소가 모른다고 답한 횟수",
    "looked_up_at": "마지막 조회",
    "cancel_asked_at": "취소 요청 시각",
}
"""Korean names of fields whose model says nothing."""


def badge(text: str, colour: str) -> str:
    """Return a coloured label; the text alone carries the meaning."""
    return format_html(
        '<b style="color:#fff;background:{};padding:2px 8px;border-radius:8px;'
        'white-space:nowrap">{}</b>',
        colour,
        text,
    )


def _column(field: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
    label = LABELS[field.name] if _unnamed(field) else field.verbose_name

    @admin.display(description=label, ordering=field.name)
    def column(row: models.Model) -> Any:
        value = getattr(row, field.name)
        if value is None:
            return "-"
        if isinstance(value, datetime):
            return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
        return plain(value) if isinstance(value, Decimal) else value

    return column


def _unnamed(field: models.Field[Any, Any]) -> bool:
    return field.name in LABELS and field.verbose_name == field.name.replace("_", " ")


class PlainNumbersAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Shows a decimal or unnamed field ``x`` as ``x_text``: no zeros, Korean name."""

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        for field in model._meta.fields:
            if isinstance(field, models.DecimalField) or _unnamed(field):
                setattr(self, f"{field.name}_text", _column(field))
        super().__init__(model, site)

    def _shown(self, names: tuple[str, ...]) -> list[str]:
        return [
            f"{name}_text" if hasattr(self, f"{name}_text") else name for name in names
        ]


class FactsAdmin(PlainNumbersAdmin):
    """Rows that only the trading core writes."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every field, decimals as plain text."""
        return self._shown(tuple(field.name for field in self.model._meta.fields))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field: facts are only looked at."""
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
