"""``manage_user.py doctor``: is everything there that bots need?"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from user_project.bots.doctor import FAIL, OK, examine

MARKS = {OK: "정상", FAIL: "문제"}


class Command(BaseCommand):
    """Make one call, print it."""

    help = "데이터베이스, Redis, 작업자, 본사, 계정, 주문을 점검하고 할 일을 말합니다."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Choose the form."""
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when something is wrong."""
        checks = examine(now=timezone.now())
        if options["json"]:
            rows = [asdict(check) for check in checks]
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
        else:
            for check in checks:
                mark = MARKS.get(check.level, "주의")
                self.stdout.write(f"{mark}  {check.name}: {check.text}")
        if any(check.level == FAIL for check in checks):
            sys.exit(1)
