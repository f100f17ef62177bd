"""``manage_user.py reconcile``: compare live orders with the exchange."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from user_project.accounts.models import ExchangeAccount
from user_project.bots.reconcile import Reconciliation, reconcile_account


class Command(BaseCommand):
    """Translate arguments, make one call per account."""

    help = "거래소와 주문을 대조합니다. --apply가 없으면 보기만 합니다."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Only look, unless told to apply."""
        parser.add_argument(
            "--apply", action="store_true", help="봇을 깨우고 격리까지 합니다"
        )
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when an account differs or could not be asked."""
        results = [
            reconcile_account(
                account=account, now=timezone.now(), apply=options["apply"]
            )
            for account in ExchangeAccount.objects.all()
        ]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in results]))
        else:
            for one in results:
                self.stdout.write(_sentence(one))
        if any(one.problem or one.unknown_to_us for one in results):
            sys.exit(1)


def _sentence(one: Reconciliation) -> str:
    if one.problem:
        return (
            f"{one.account}: 묻지 못했습니다 ({one.problem}). 키와 주소를 확인하세요."
        )
    text = f"{one.account}: 살아 있는 주문 {one.live}건, 볼 것이 있는 봇 {one.woken}개"
    if one.unknown_to_us:
        text += f", 우리 기록에 없는 주문 {', '.join(one.unknown_to_us)}"
    return text
