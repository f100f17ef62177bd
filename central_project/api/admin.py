"""Keys in the admin: issued with their text shown once, revoked, never edited back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from central_project.api.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Issue and revoke access."""

    list_display = (
        "name", "shown", "status", "rate", "created_at", "expires_at", "last_used_at",
    )  # fmt: skip
    search_fields = ("name", "prefix")
    fields = ("name", "rate", "expires_at")
    actions = ("revoke",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show the history of an existing key; it is not editable."""
        return ["shown", "created_at", "last_used_at", "revoked_at"] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Add the history of an existing key."""
        return (*self.fields, *self.get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keys are revoked, so that it stays known who had access."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Issue a new key and show its text, this once."""
        if change:
            super().save_model(request, obj, form, change)
            return
        key, text = ApiKey.objects.issue(
            name=obj.name, expires_at=obj.expires_at, rate=obj.rate
        )
        # The page after saving is about this object.
        obj.__dict__.update(key.__dict__)
        messages.warning(
            request,
            format_html("지금만 보이는 키입니다. 복사해 두세요: <code>{}</code>", text),
        )

    @admin.action(description="선택한 키 폐기")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Close access at once; a key that was revoked before keeps its date."""
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(request, f"키 {count}개를 폐기했습니다.")

    @admin.display(description="키")
    def shown(self, key: ApiKey) -> str:
        """Return the part that identifies the key without opening anything."""
        return f"dk_live_{key.prefix}…"

    @admin.display(description="상태")
    def status(self, key: ApiKey) -> str:
        """Say whether the key opens anything now."""
        if key.revoked_at:
            return "폐기됨"
        return "만료됨" if key.is_expired(now=timezone.now()) else "사용 중"
