"""Emergency stops with their results, switches, the crash brake, the pulse of the queues."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from user_project.bots import emergency
from user_project.bots.models import Brake, EmergencyStop, QueueHeartbeat, ServerSwitch
from user_project.console.rows import FactsAdmin

SHOWN: Final = ("at_text", "owner_text", "account_text", "sell_all_text", "by_text")


@admin.register(EmergencyStop)
class EmergencyStopAdmin(FactsAdmin):
    """Emergency stops that were ordered, with how far each bot has come."""

    list_display = ("__str__", *SHOWN)
    list_filter = ("sell_all",)
    list_select_related = ("owner", "account", "by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the results in place of the raw effects."""
        return [*SHOWN, "outcome"]

    @admin.display(description="봇마다의 결과")
    def outcome(self, stop: EmergencyStop) -> SafeString:
        """Say how far each bot has come, as of now."""
        return render_to_string(
            "console/outcome.html", {"results": emergency.results(stop=stop)}
        )


@admin.register(ServerSwitch)
class ServerSwitchAdmin(FactsAdmin):
    """Whether the whole server sends no new orders."""

    list_display = ("__str__", "kill_switch_at_text", "kill_switch_reason")


@admin.register(Brake)
class BrakeAdmin(FactsAdmin):
    """Whether an exchange's market fell too fast to buy."""

    list_display = ("host", "until_text", "reason", "updated_at_text")


@admin.register(QueueHeartbeat)
class QueueHeartbeatAdmin(FactsAdmin):
    """When each queue's worker last answered."""

    list_display = ("queue", "worker", "seen_at_text")
