"""Switches, stops, the crash brake and the pulse of the queues."""

from __future__ import annotations

from django.contrib import admin

from user_project.bots.admin.base import FactsAdmin
from user_project.bots.models import Brake, EmergencyStop, QueueHeartbeat, ServerSwitch


@admin.register(EmergencyStop)
class EmergencyStopAdmin(FactsAdmin):
    """Emergency stops that were ordered; ordering one is not done here."""

    list_display = ("at", "owner_text", "account_text", "sell_all", "by_text")
    list_filter = ("sell_all",)
    list_select_related = ("owner", "account", "by")


@admin.register(ServerSwitch)
class ServerSwitchAdmin(FactsAdmin):
    """Whether the whole server sends no new orders."""

    list_display = ("__str__", "kill_switch_at", "kill_switch_reason")


@admin.register(Brake)
class BrakeAdmin(FactsAdmin):
    """Whether an exchange's market fell too fast to buy."""

    list_display = ("host", "until", "reason", "updated_at")


@admin.register(QueueHeartbeat)
class QueueHeartbeatAdmin(FactsAdmin):
    """When each queue's worker last answered."""

    list_display = ("queue", "worker", "seen_at")
