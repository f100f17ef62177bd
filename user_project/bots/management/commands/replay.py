"""``manage_user.py replay ORDER``: decide again from what was kept."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from user_project.bots.models import Order
from user_project.bots.replay import replay


class Command(BaseCommand):
    """Translate arguments, make one call."""

    help = (
        "주문 하나의 계획과 결정을 저장된 자료로 다시 계산해 한 바이트까지 비교합니다."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the order."""
        parser.add_argument("order", help="주문 id 또는 식별자 (dt1-…)")
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when something differs, 2 when it cannot be made again."""
        order = _find(options["order"])
        results = replay(order=order)
        if options["json"]:
            rows = [{**asdict(one), "equal": one.equal} for one in results]
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
        else:
            for one in results:
                word = "같음" if one.equal else (one.problem or "다름")
                self.stdout.write(f"{one.subject}: {word}")
                if not one.equal:
                    self.stdout.write(f"  저장: {one.kept}\n  다시: {one.again}")
        if any(one.problem for one in results):
            sys.exit(2)
        if not all(one.equal for one in results):
            sys.exit(1)


def _find(name: str) -> Order:
    rows = Order.objects.select_related("cycle")
    found = rows.filter(identifier=name).first()
    if found is None:
        try:
            found = rows.filter(pk=name).first()
        except ValidationError:
            found = None
    if found is None:
        raise CommandError(
            f"{name} 주문이 없습니다. 관리자 화면의 주문 목록에서 식별자를 확인하세요.",
            returncode=2,
        )
    return found
