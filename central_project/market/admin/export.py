"""Any list as CSV: what is ticked, with the columns that the list shows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from html import unescape
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import FieldDoesNotExist
from django.db.models import (
    DateTimeField,
    DecimalField,
    Field,
    FloatField,
    IntegerField,
    Model,
    QuerySet,
)
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

BOM: Final = "\ufeff"
"""Without it Excel reads UTF-8 as something else and breaks Hangul."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets run a text that begins so."""
NOTHING: Final = "-"
"""How a list shows an empty cell."""
EXACT: Final = (DateTimeField, DecimalField, FloatField, IntegerField)
"""Fields that a list rounds or words; a spreadsheet computes with the value."""
CHUNK: Final = 2000


@admin.action(description="CSV로 내려받기", permissions=["view"])
def export_csv(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> StreamingHttpResponse:
    """Stream the chosen rows; a list of any length costs the same memory."""
    shown = model_admin.get_list_display(request)
    columns = [_column(name, model_admin) for name in shown]
    rows = (
        [read(row) for _, read in columns]
        for row in queryset.iterator(chunk_size=CHUNK)
    )
    head: list[object] = [label for label, _ in columns]
    name = f"{model_admin.opts.model_name}-{timezone.localtime():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        _lines([head], rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def safe_text(value: object, /) -> str:
    """Write one cell: numbers as they are, times in KST, never a formula."""
    if value is None or value == NOTHING:
        return ""
    if isinstance(value, bool):
        return "예" if value else "아니오"
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, SafeString):
        value = unescape(strip_tags(value))
    if isinstance(value, str):
        text = value.strip()
        return f"'{text}" if text.startswith(FORMULA) else text
    return str(value)


def _lines(*parts: Iterable[list[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield BOM
    for rows in parts:
        for row in rows:
            yield writer.writerow([safe_text(value) for value in row])


class _Echo:
    """A file that hands each line on instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _column(
    name: Any, model_admin: admin.ModelAdmin[Any], /
) -> tuple[str, Callable[[Model], object]]:
    """Return a column's title and reader: an exact field behind it, else its words."""
    title = label_for_field(name, model_admin.model, model_admin)
    field = _field_behind(name, model_admin)
    if field is not None and field.choices:
        return str(title), lambda row: getattr(row, f"get_{field.name}_display")()
    if isinstance(field, EXACT):
        return str(title), lambda row: getattr(row, field.name)
    return str(title), lambda row: lookup_field(name, row, model_admin)[2]


def _field_behind(
    name: Any, model_admin: admin.ModelAdmin[Any], /
) -> Field[Any, Any] | None:
    shown = name if callable(name) else getattr(model_admin, str(name), None)
    order = getattr(shown, "admin_order_field", None) if shown else name
    try:
        field = model_admin.opts.get_field(str(order))
    except FieldDoesNotExist:
        return None
    return None if field.is_relation else field  # type: ignore[return-value]
