"""``manage_user.py emergency_stop``: stop bots at once, also without any other process."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from user_project.accounts.models import ExchangeAccount
from user_project.bots import emergency, wording
from user_project.bots.emergency import Effect, Result
from user_project.bots.models import EmergencyStop
from user_project.bots.runner import run_bot

WORKER = "emergency_stop"
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 1.0

NO_BOTS = "멈출 봇이 없습니다."
NO_BOTS_LEFT = "멈출 봇은 없었고, 비상 정지를 켰습니다. 새 주문은 나가지 않습니다."


class Command(BaseCommand):
    """Say what will happen, ask, do it here and now."""

    help = (
        "모든 봇을 비상 정지합니다: 새 주문 금지, 매수 취소, --sell-all이면 시장가 매도."
        " 웹과 작업자가 꺼져 있어도 이 명령이 직접 합니다."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Choose scope and severity."""
        parser.add_argument("--owner", default="", help="사용자 이름 (비우면 전부)")
        parser.add_argument("--account", default="", help="계정 이름")
        parser.add_argument("--sell-all", action="store_true", help="코인까지 판다")
        parser.add_argument("--yes", action="store_true", help="묻지 않는다")
        parser.add_argument("--dry-run", action="store_true", help="보기만 한다")
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when a bot was not done in time."""
        scope = _scope(options)
        effects = emergency.preview_stop(**scope)
        if options["dry_run"]:
            self._print(effects, as_json=options["json"], results=None)
            return
        if not options["yes"]:
            self._ask(effects)
        stop = emergency.stop_everything(**scope, by=None, now=timezone.now())
        results = _carry_out(stop, [effect.bot_id for effect in effects])
        self._print(effects, as_json=options["json"], results=results)
        if not all(result.done for result in results):
            sys.exit(1)

    def _ask(self, effects: Sequence[Effect]) -> None:
        self._print(effects, as_json=False, results=None)
        if not sys.stdin.isatty():
            raise CommandError("--yes를 붙이면 묻지 않고 실행합니다.", returncode=2)
        if input("실행하려면 STOP이라고 입력하세요: ").strip() != "STOP":
            raise CommandError(
                "그만두었습니다. 아무것도 바꾸지 않았습니다.", returncode=2
            )

    def _print(
        self,
        effects: Sequence[Effect],
        *,
        as_json: bool,
        results: Sequence[Result] | None,
    ) -> None:
        if as_json:
            body = {
                "effects": [asdict(effect) for effect in effects],
                "results": [asdict(result) for result in results or ()],
            }
            self.stdout.write(json.dumps(body, default=str, ensure_ascii=False))
            return
        for effect in effects if results is None else ():
            self.stdout.write(_sentence(effect))
        for result in results or ():
            mark = "완료" if result.done else "미완료"
            self.stdout.write(f"{mark} {result.name}: {result.message}")
        if not effects:
            self.stdout.write(NO_BOTS if results is None else NO_BOTS_LEFT)


def _scope(options: dict[str, Any]) -> dict[str, Any]:
    owner = account = None
    if options["owner"]:
        owner = get_user_model().objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(f"{options['owner']} 사용자가 없습니다.", returncode=2)
    if options["account"]:
        accounts = ExchangeAccount.objects.filter(name=options["account"])
        found = list((accounts.filter(owner=owner) if owner else accounts)[:2])
        if len(found) > 1:
            raise CommandError(
                f"{options['account']} 계정이 여러 사용자에게 있습니다."
                " --owner로 사용자를 정하세요.",
                returncode=2,
            )
        account = found[0] if found else None
        if account is None:
            raise CommandError(f"{options['account']} 계정이 없습니다.", returncode=2)
    return {"owner": owner, "account": account, "sell_all": options["sell_all"]}


def _carry_out(stop: EmergencyStop, bot_ids: Sequence[UUID]) -> list[Result]:
    """Run the bots here until all is done; a worker that also runs them does no harm."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("비상 정지", total=len(bot_ids))
        while True:
            results = emergency.results(stop=stop)
            done = sum(result.done for result in results)
            progress.update(task, completed=done)
            if done == len(results) or time.monotonic() > deadline:
                return results
            for result in results:
                if not result.done:
                    run_bot(bot_id=result.bot_id, worker=WORKER, clock=timezone.now)
            time.sleep(PAUSE_SECONDS)


def _sentence(effect: Effect) -> str:
    parts = [f"매수 주문 {effect.buys_withdrawn}건 취소"]
    if effect.sells:
        won = effect.estimated_won
        about = "시세를 알 수 없음" if won is None else f"약 {wording.won(won)}"
        parts.append(f"코인 {effect.volume.normalize():f}개 시장가 매도 ({about})")
    elif effect.volume:
        parts.append(
            f"코인 {effect.volume.normalize():f}개는 그대로, 익절 주문도 그대로"
        )
    return f"{effect.name} ({effect.market or '자동 선택'}): {', '.join(parts)}"
