"""``manage_user.py rotate_keks``: wrap stored keys and addresses with a new DANTARO_KEYS_KEK."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from user_project.accounts.keys import KeysUnreadable, rewrap_keys
from user_project.accounts.models import ExchangeAccount
from user_project.notifications.models import Target
from user_project.notifications.services import rewrap_address


class Command(BaseCommand):
    """Go through the accounts one by one; a run that was cut off is run again."""

    help = (
        "거래소 키와 알림 주소를 새 DANTARO_KEYS_KEK로 다시 감쌉니다. 옛 값은 DANTARO_KEYS_KEK_OLD에"
        " 둡니다. 여러 번 해도 됩니다."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Only look, or do it."""
        parser.add_argument("--dry-run", action="store_true", help="세기만 한다")
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when an account's keys open with neither KEK."""
        old_kek = settings.KEYS_KEK_OLD
        if old_kek is None:
            raise CommandError(
                "DANTARO_KEYS_KEK_OLD가 없습니다. 옛 KEK를 넣고 다시 하세요.",
                returncode=2,
            )
        counts = {"rewrapped": 0, "already": 0, "unreadable": 0}
        write = not options["dry_run"]
        for pk in ExchangeAccount.objects.values_list("pk", flat=True):
            counts[_rewrap(pk, old_kek=old_kek, write=write)] += 1
        for pk in Target.objects.values_list("pk", flat=True):
            counts[_rewrap_target(pk, old_kek=old_kek, write=write)] += 1
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            self.stdout.write(
                f"다시 감쌈 {counts['rewrapped']}, 이미 새 KEK {counts['already']},"
                f" 열리지 않음 {counts['unreadable']}"
                + (" (보기만 했습니다)" if options["dry_run"] else "")
            )
        if counts["unreadable"]:
            sys.exit(1)


def _rewrap(pk: Any, *, old_kek: bytes, write: bool) -> str:
    with transaction.atomic():
        account = ExchangeAccount.objects.select_for_update().get(pk=pk)
        try:
            sealed = rewrap_keys(account=account, old_kek=old_kek)
        except KeysUnreadable:
            return "unreadable"
        if sealed is None:
            return "already"
        if write:
            account.sealed_keys = sealed
            account.save(update_fields=("sealed_keys",))
    return "rewrapped"


def _rewrap_target(pk: Any, *, old_kek: bytes, write: bool) -> str:
    with transaction.atomic():
        target = Target.objects.select_for_update().get(pk=pk)
        try:
            sealed = rewrap_address(target=target, old_kek=old_kek)
        except KeysUnreadable:
            return "unreadable"
        if sealed is None:
            return "already"
        if write:
            target.sealed_address = sealed
            target.save(update_fields=("sealed_address",))
    return "rewrapped"
