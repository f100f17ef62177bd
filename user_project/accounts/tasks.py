"""Celery tasks of the accounts: ids in, nothing out."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from user_project.accounts.services import check_all


@shared_task(name="accounts.check_keys", ignore_result=True)
def check_keys(**_: Any) -> None:
    """Test every usable account's keys; problems are noted on the account."""
    check_all(now=timezone.now())
