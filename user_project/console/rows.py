"""What the lists share: Korean names, plain numbers, ages in words, links, badges."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any, Final

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from common.money import plain
from user_project.console.marks import age_html, label_html

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
    "sha256": "본문 해시",
    "decided_on": "결정 근거",
    "not_found_count": "거래소가 모른다고 답한 횟수",
    "looked_up_at": "마지막 조회",
    "cancel_asked_at": "취소 요청 시각",
    "deficit_seen_at": "부족을 본 시각",
    "held_alerts": "장기 보유 알림",
    "last_event_id": "알린 데까지",
    "told": "알린 상태",
}
"""Korean names of fields whose model says nothing."""

Badge = tuple[Any, str]


class RowsAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Shows any field ``x`` as ``x_text``: plain, Korean, linked, with its age."""

    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    warn_unsaved_form = True

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        """Give every field of *model* its column."""
        for field in model._meta.fields:
            setattr(self, f"{field.name}_text", _column(field))
        super().__init__(model, site)


class FactsAdmin(RowsAdmin):
    """Rows that only the trading core writes: nobody adds, edits or deletes them."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every field as text."""
        return [f"{field.name}_text" for field in self.model._meta.fields]

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


def badge(
    description: str, colours: Mapping[Any, str], /, *, ordering: str | None = None
) -> Callable[[Callable[[Any, Any], Badge | None]], Callable[[Any, Any], str]]:
    """Make a column of coloured labels from (key of *colours*, words), or nothing."""

    def mark(
        column: Callable[[Any, Any], Badge | None],
    ) -> Callable[[Any, Any], str]:
        @admin.display(description=description, ordering=ordering)
        @wraps(column)
        def shown(model_admin: Any, row: Any) -> str:
            label = column(model_admin, row)
            if label is None:
                return "-"
            return label_html(label[1], colour=colours.get(label[0], "unknown"))

        return shown

    return mark


def row_link(row: models.Model, /) -> SafeString | str:
    """Return the row's name as a link to its page, where it has one."""
    kind = row._meta
    try:
        url = reverse(f"admin:{kind.app_label}_{kind.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return str(row)
    return format_html('<a href="{}">{}</a>', url, row)


def list_link(model: type[models.Model], words: str, /, **filters: Any) -> SafeString:
    """Return a link to the list of *model* narrowed by *filters*."""
    kind = model._meta
    address = reverse(f"admin:{kind.app_label}_{kind.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(filters), words)


def _column(field: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
    unnamed = field.verbose_name == field.name.replace("_", " ")
    label = (
        LABELS.get(field.name, field.verbose_name) if unnamed else field.verbose_name
    )

    @admin.display(description=label, ordering=field.name)
    def column(row: models.Model) -> Any:
        return _shown(row, field)

    return column


def _shown(row: models.Model, field: models.Field[Any, Any], /) -> Any:
    value = getattr(row, field.name)
    if value is None or value == "":
        return "-"
    if field.choices:
        return getattr(row, f"get_{field.name}_display")()
    match value:
        case models.Model():
            return row_link(value)
        case datetime():
            return age_html(value)
        case bool():
            return "예" if value else "아니요"
        case Decimal():
            return f"{Decimal(plain(value)):,}"
        case dict() | list():
            return _folded(value)
    return value


def _folded(value: dict[str, Any] | list[Any], /) -> SafeString | str:
    """Keep long facts behind a click; they are read to the letter when they are read."""
    if not value:
        return "-"
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return format_html(
        '<details class="dt-folded"><summary>{}개 항목</summary><pre>{}</pre></details>',
        len(value),
        text,
    )
