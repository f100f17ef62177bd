"""``manage_user.py bots list|create|start|pause|stop``: bots without the web."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from common.money import NotADecimal, plain, to_decimal
from common.wire import Level
from user_project.bots import services, wording
from user_project.bots.models import Bot
from user_project.bots.option_ranges import range_problem
from user_project.bots.options import BotOptions, Reentry, parse_table
from user_project.bots.problems import BotProblem
from user_project.trading.amounts import Shape
from user_project.trading.facts import Why
from user_project.trading.plan_request import TableStage

DECIMALS: Final = (
    *("budget", "multiplier", "take_profit", "jitter", "max_depth", "trailing"),
    *("stop_below_last", "break_even_after", "reinvest"),
)
NUMBERS: Final = (
    *("stages", "stage_cooldown_seconds", "cycle_cooldown_seconds"),
    *("resting_stages", "max_hold_hours", "max_cycles"),
)
WORDS: Final[dict[str, Callable[[str], Any]]] = {
    "shape": Shape,
    "level": Level,
    "reentry": Reentry,
}
CHANGES: Final[dict[str, tuple[Callable[..., Bot], str]]] = {
    "start": (services.start_bot, "시작"),
    "pause": (services.pause_bot, "일시정지 (새로 사지 않음)"),
    "resume": (services.resume_bot, "재개"),
    "finish": (services.finish_bot, "이번 회차를 마치면 정지"),
    "stop": (services.stop_bot, "정지 (미체결 취소, 코인은 그대로)"),
    "stop_and_sell": (services.stop_and_sell, "시장가로 팔고 정지"),
}


class Command(BaseCommand):
    """Translate arguments, make one call."""

    help = "봇을 보고, 만들고, 시작하고, 멈춥니다."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command a verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="봇 목록")
        listing.add_argument("--owner", default="", help="사용자 이름")
        listing.add_argument("--json", action="store_true")
        _add_create(verbs.add_parser("create", help="봇 만들기 (미리보기를 보여 줌)"))
        for verb, (_, words) in CHANGES.items():
            change = verbs.add_parser(verb.replace("_", "-"), help=words)
            change.add_argument("bot", help="봇 id 또는 이름")
            change.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 2 with the remedy when it cannot be done."""
        verb = options["verb"].replace("-", "_")
        try:
            if verb == "list":
                self._list(options)
            elif verb == "create":
                self._create(options)
            else:
                change, _ = CHANGES[verb]
                bot = change(bot=_find(options["bot"]), now=timezone.now())
                self._print([bot], as_json=options["json"])
        except BotProblem as problem:
            raise CommandError(problem.message, returncode=2) from problem

    def _list(self, options: dict[str, Any]) -> None:
        bots = Bot.objects.select_related("account", "owner")
        if options["owner"]:
            bots = bots.filter(owner__username=options["owner"])
        self._print(list(bots), as_json=options["json"])

    def _create(self, options: dict[str, Any]) -> None:
        owner = get_user_model().objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(f"{options['owner']} 사용자가 없습니다.", returncode=2)
        asked, now = _options(options), timezone.now()
        preview = services.preview_bot(owner=owner, options=asked, now=now)
        if not options["json"]:
            for stage in preview.plan.stages:
                self.stdout.write(
                    f"{stage.stage}차 {stage.price:,f}원에 {stage.amount:,f}원,"
                    f" 본전 {stage.break_even:,f}원, 익절 {stage.take_profit:,f}원"
                )
            self.stdout.write(f"최악의 손실 {wording.won(preview.plan.worst_case)}")
        if not options["yes"]:
            _confirm()
        bot = services.create_bot(owner=owner, options=asked, now=now)
        self._print([bot], as_json=options["json"])

    def _print(self, bots: list[Bot], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps([_row(b) for b in bots], ensure_ascii=False))
            return
        for bot in bots:
            reason = wording.REASONS.get(Why(bot.reason), "") if bot.reason else ""
            coin = bot.market or "자동 선택"
            state = bot.get_state_display()
            self.stdout.write(f"{bot.pk}  {bot.name}  {coin}  {state}  {reason}")
        if not bots:
            self.stdout.write("봇이 없습니다. `manage_user.py bots create`로 만드세요.")


def _add_create(parser: ArgumentParser) -> None:
    parser.add_argument("--owner", required=True, help="사용자 이름")
    parser.add_argument("--account", default=None, help="계정 id (하나뿐이면 비움)")
    parser.add_argument("--name", default="")
    parser.add_argument("--market", default="", help="KRW-BTC 등, 비우면 자동 선택")
    for name in (*DECIMALS, *NUMBERS, *WORDS):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, dest=name, required=name == "budget")
    parser.add_argument("--table", default="", help="차수표 하락률:비중,…")
    parser.add_argument("--no-crash-brake", action="store_true")
    parser.add_argument("--yes", action="store_true", help="묻지 않는다")
    parser.add_argument("--json", action="store_true")


def _options(options: dict[str, Any]) -> BotOptions:
    given = {
        name: _read(name, options[name])
        for name in (*DECIMALS, *NUMBERS, *WORDS)
        if options[name] is not None
    }
    for name, value in given.items():
        problem = None if name in WORDS else range_problem(option=name, value=value)
        if problem:
            raise CommandError(problem, returncode=2)
    return BotOptions(
        account_id=UUID(options["account"]) if options["account"] else None,
        name=options["name"],
        market=options["market"],
        stage_table=_table(options["table"]),
        crash_brake=not options["no_crash_brake"],
        **given,
    )


def _read(name: str, text: str) -> Any:
    try:
        if name in DECIMALS:
            return to_decimal(text)
        return int(text) if name in NUMBERS else WORDS[name](text)
    except (NotADecimal, ValueError) as error:
        option = name.replace("_", "-")
        raise CommandError(
            f"--{option} 값 {text!r}을 읽을 수 없습니다.", returncode=2
        ) from error


def _table(text: str) -> tuple[TableStage, ...] | None:
    try:
        return parse_table(text)
    except NotADecimal as error:
        raise CommandError(
            f"--table을 읽을 수 없습니다: {error}", returncode=2
        ) from error


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise CommandError("--yes를 붙이면 묻지 않고 만듭니다.", returncode=2)
    if input("이대로 만들까요? (y/N) ").strip().lower() != "y":
        raise CommandError("만들지 않았습니다.", returncode=2)


def _find(name: str) -> Bot:
    rows = Bot.objects.filter(name=name)
    try:
        rows = rows | Bot.objects.filter(pk=UUID(name))
    except ValueError:
        pass
    if len(rows) != 1:
        problem = "없습니다" if not rows else "여러 개입니다. id로 고르세요"
        raise CommandError(f"{name} 봇이 {problem}.", returncode=2)
    return rows[0]


def _row(bot: Bot) -> dict[str, Any]:
    return {
        "id": str(bot.pk),
        "name": bot.name,
        "market": bot.market,
        "state": bot.state,
        "reason": bot.reason,
        "budget": plain(Decimal(bot.budget)),
    }
