"""``manage_user.py audit``: do the books hold, and do they equal the exchange?"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem
from user_project.bots.audit import audit
from user_project.exchanges.adapter import ExchangeError


class Command(BaseCommand):
    """Translate arguments, make one call."""

    help = "장부를 검사하고 거래소의 주문·체결·잔고와 한 자리까지 비교합니다."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Choose accounts, and whether the exchange is asked."""
        parser.add_argument("--account", default="", help="계정 이름 (비우면 전부)")
        parser.add_argument(
            "--offline", action="store_true", help="거래소에 묻지 않고 장부만"
        )
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when something is wrong."""
        accounts = ExchangeAccount.objects.all()
        if options["account"]:
            accounts = accounts.filter(name=options["account"])
        if not accounts:
            raise CommandError("그런 계정이 없습니다. 이름을 확인하세요.", returncode=2)
        try:
            findings = audit(
                accounts=list(accounts),
                now=timezone.now(),
                ask_exchange=not options["offline"],
            )
        except (ExchangeError, AccountProblem) as error:
            raise CommandError(
                f"거래소에 묻지 못했습니다: {error} (--offline이면 장부만 검사합니다)",
                returncode=2,
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in findings]))
        else:
            for one in findings:
                self.stdout.write(f"{one.code} {one.subject}: {one.text}")
            self.stdout.write(f"계정 {len(accounts)}개, 문제 {len(findings)}건")
        if findings:
            sys.exit(1)
