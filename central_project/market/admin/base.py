"""What all of the operator's lists have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from central_project.market.admin.export import export_csv
from central_project.market.models import Publication
from central_project.market.templatetags.figures import ago, amount

admin.site.index_title = "홈"
Badge = tuple[Any, str]


class OperatorAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A list with export; forms that ask before an edit is lost."""

    actions: Any = (export_csv,)
    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True


class ReadOnlyAdmin(OperatorAdmin):
    """Results are made by the pipeline; an edit would only falsify them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds results."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes results."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes results; pruning does."""
        return False


class HugeAdmin(ReadOnlyAdmin):
    """A table so long that counting its rows would take seconds."""

    paginator = InfinitePaginator


class PublishedFilter(SimpleListFilter):
    """The run that readers get now, or all that are kept."""

    title = "분석"
    parameter_name = "published"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the run that is served."""
        return [("now", "현재 발표된 분석만")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Keep the rows of that run."""
        if self.value() != "now":
            return queryset
        return queryset.filter(run__in=Publication.objects.values("current"))


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
            colour = colours.get(label[0], "unknown")
            return format_html(
                '<span class="dt-badge dt-{}">{}</span>', colour, label[1]
            )

        return shown

    return mark


def plain_number(name: str, label: str, /) -> Callable[[Any], str]:
    """Return a column without the zeros that a wide decimal field would show."""

    @admin.display(description=label, ordering=name)
    def column(row: Any) -> str:
        return amount(getattr(row, name))

    column.__name__ = f"plain_{name}"
    return column


def age_column(name: str, label: str, /) -> Callable[[Any], SafeString | str]:
    """Return a column that says how long ago a field's time was."""

    @admin.display(description=label, ordering=name)
    def column(row: Any) -> SafeString | str:
        return ago(getattr(row, name))

    column.__name__ = f"ago_{name}"
    return column


PRICE = plain_number("price", "현재가 (원)")
