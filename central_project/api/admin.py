"""Keys in the admin: issued with their text shown once, revoked, never edited back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action
from unfold.enums import ActionVariant

from central_project.api.models import KEY_MARK, ApiKey
from central_project.api.shared_state import KeyCalls, usage_by_key
from central_project.market.admin.base import OperatorAdmin, age_column, badge
from central_project.market.admin.export import export_csv

SHOWN_ONCE = (
    "지금만 보이는 키입니다. 복사해서 안전한 곳에 두세요."
    '<div class="dt-key"><code id="issued-key">{}</code>'
    '<button type="button" class="dt-button" data-copy="issued-key">복사</button></div>'
)
NO_CALLS = KeyCalls(0, 0, 0, 0)
CALLS = (("today", "오늘 호출"), ("refused_today", "오늘 거절"))
REVOKE_DIALOG = {
    "title": "이 키를 폐기할까요?",
    "description": "이 키로 들어오는 요청은 바로 거절됩니다. 되돌릴 수 없습니다.",
    "form_submit_text": "폐기",
}


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorAdmin):
    """Issue and revoke access."""

    list_display = ("name", "status", "shown", "rate")
    rest = (age_column("last_used_at", "마지막 사용"), "expires_at", "note")
    search_fields = ("name", "note", "prefix")
    search_help_text = "이름, 메모, 키의 앞자리"
    fields: tuple[str, ...] = ("name", "note", "rate", "expires_at")
    actions = ("revoke", export_csv)
    actions_detail = ("revoke_one",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show the history of an existing key; it is not editable."""
        if obj is None:
            return []
        return ["shown", "status", "created_at", "last_used_at", "revoked_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Add the history of an existing key."""
        return (*self.fields, *self.get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keys are revoked, so that it stays known who had access."""
        return False

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Add what Redis counted, asked once for the whole list."""
        calls = usage_by_key(now=timezone.now())
        counted = (_calls(calls, *column) for column in CALLS)
        return (*self.list_display, *counted, *self.rest)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer no second revocation."""
        is_open = ApiKey.objects.filter(pk=object_id, revoked_at=None).exists()
        return super().get_actions_detail(request, object_id) if is_open else []

    def save_model(
        self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool
    ) -> None:
        """Issue a new key and show its text, this once."""
        if change:
            # The rest as it was read could undo a revocation made meanwhile.
            obj.save(update_fields=form.changed_data)
            return
        key, text = ApiKey.objects.issue(
            name=obj.name, expires_at=obj.expires_at, rate=obj.rate, note=obj.note
        )
        # The page after saving is about this object.
        obj.__dict__.update(key.__dict__)
        messages.warning(request, format_html(SHOWN_ONCE, text))

    @admin.action(description="선택한 키 폐기", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Close access at once; a key that was revoked before keeps its date."""
        open_keys = list(queryset.filter(revoked_at=None))
        queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        for key in open_keys:
            self.log_change(request, key, "폐기")
        messages.success(request, f"키 {len(open_keys)}개를 폐기했습니다.")

    @action(  # type: ignore[untyped-decorator]
        description="폐기",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=REVOKE_DIALOG,
    )
    def revoke_one(
        self, request: HttpRequest, form: object, object_id: str
    ) -> HttpResponse:
        """Close this key's access after a second look."""
        self.revoke(request, ApiKey.objects.filter(pk=object_id))
        return _go(reverse("admin:central_api_apikey_change", args=[object_id]))

    @admin.display(description="키")
    def shown(self, key: ApiKey) -> str:
        """Return the part that identifies the key without opening anything."""
        return f"{KEY_MARK}{key.prefix}…"

    @badge("상태", {"open": "success", "revoked": "danger", "expired": "warning"})
    def status(self, key: ApiKey) -> tuple[str, str]:
        """Say whether the key opens anything now."""
        if key.revoked_at:
            return "revoked", "폐기됨"
        if key.is_expired(now=timezone.now()):
            return "expired", "만료됨"
        return "open", "사용 중"


def _calls(
    counted: dict[int, KeyCalls] | None, name: str, label: str, /
) -> Callable[[ApiKey], str]:
    """Return a column with one of the counts; without Redis nothing is known."""

    @admin.display(description=label)
    def column(key: ApiKey) -> str:
        if counted is None:
            return "-"
        return f"{getattr(counted.get(key.pk, NO_CALLS), name):,}"

    return column


def _go(address: str, /) -> HttpResponse:
    """Let htmx, which asked from within a dialog, open a page."""
    return HttpResponse(headers={"HX-Redirect": address})
