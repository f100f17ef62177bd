"""Celery task of the notifications."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from user_project.notifications.services import deliver_all


@shared_task(name="notifications.deliver", ignore_result=True)
def deliver(**_: Any) -> None:
    """Tell every owner what is new."""
    deliver_all(now=timezone.now())
