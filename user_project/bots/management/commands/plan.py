"""Print the staged-buy plan of given figures; needs no database and no Redis."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from common.money import MarketRules, NotADecimal, plain, ticks_of, to_decimal
from user_project.bots.options import parse_table
from user_project.trading.plan import (
    InvalidPlan,
    Plan,
    PlanRequest,
    Shape,
    Stage,
    calculate_parameters,
    describe,
)
from user_project.trading.plan_request import TableStage

EXIT_NO_PLAN = 2
COLUMNS = {
    "stage": "차수",
    "price": "매수가",
    "amount": "금액(원)",
    "average": "평균단가",
    "break_even": "본전가",
    "take_profit": "익절가",
}


class Command(BaseCommand):
    """``manage_user.py plan``: amounts, prices and take profits of a staged buy."""

    help = "분할매수 계획을 계산합니다 (데이터베이스와 Redis 없이)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take figures as text: they become Decimals, never floats."""
        parser.add_argument("--price", required=True, help="현재가(원)")
        parser.add_argument("--support", required=True, help="지지선(원)")
        parser.add_argument("--budget", required=True, help="예산(원, 수수료 포함)")
        parser.add_argument("--stages", default="7", help="차수 1~20 (기본 7)")
        parser.add_argument("--multiplier", default="1.25", help="배수 1~2 (기본 1.25)")
        parser.add_argument(
            "--take-profit", default="0.015", help="순이익률 (기본 0.015 = 1.5 퍼센트)"
        )
        parser.add_argument(
            "--shape", default="geometric", help="geometric(기본), equal, linear"
        )
        parser.add_argument("--jitter", default="0", help="흩뜨림 0~0.35 (기본 0)")
        parser.add_argument("--seed", default="", help="16진수 시드, 흩뜨림에 필요")
        parser.add_argument(
            "--max-depth", default="0.40", help="최대 하락폭 (기본 0.40)"
        )
        parser.add_argument(
            "--table",
            default="",
            help="차수표 하락률:비중,… (예: 0:1,0.03:1.5,0.07:2; 차수·배수 대신)",
        )
        parser.add_argument("--market", default="KRW", help="호가 단위가 다른 마켓만")
        parser.add_argument("--json", action="store_true", help="JSON으로 출력")

    def handle(self, *args: object, **options: Any) -> None:
        """Print the plan; exit 2 with the reason when there is none."""
        try:
            plan = calculate_parameters(request=_request(options))
        except InvalidPlan as error:
            if options["json"]:
                self.stdout.write(_refusal_json(error))
            text = f"{error.message}\n{error.english}"
            raise CommandError(text, returncode=EXIT_NO_PLAN) from error
        self.stdout.write(_plan_json(plan) if options["json"] else _plan_table(plan))
        if not plan.feasible:
            text = "\n".join(describe(reason, plan=plan) for reason in plan.reasons)
            raise CommandError(text, returncode=EXIT_NO_PLAN)


def _request(options: dict[str, Any]) -> PlanRequest:
    numbers = {
        name: _number(name, options[name])
        for name in (
            "price",
            "support",
            "budget",
            "multiplier",
            "take_profit",
            "jitter",
            "max_depth",
        )
    }
    market = options["market"]
    return PlanRequest(
        price=numbers["price"],
        support=numbers["support"],
        budget=numbers["budget"],
        multiplier=numbers["multiplier"],
        take_profit=numbers["take_profit"],
        jitter=numbers["jitter"],
        max_depth=numbers["max_depth"],
        table=_table_of(options["table"]),
        stages=_stages(options["stages"]),
        shape=_shape(options["shape"]),
        seed=_seed(options["seed"]),
        rules=MarketRules(market=market, ticks=ticks_of(market=market)),
    )


def _table_of(text: str) -> tuple[TableStage, ...] | None:
    try:
        return parse_table(text)
    except NotADecimal as error:
        raise _unreadable("table", text, "0:1,0.03:1.5") from error


def _number(field: str, text: object) -> Decimal:
    try:
        return to_decimal(text)
    except NotADecimal as error:
        raise _unreadable(field, text, "1234.5") from error


def _stages(text: object) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise _unreadable("stages", text, "7") from error


def _shape(text: object) -> Shape:
    try:
        return Shape(str(text))
    except ValueError as error:
        raise _unreadable("shape", text, ", ".join(Shape)) from error


def _seed(text: object) -> bytes | None:
    try:
        return bytes.fromhex(str(text)) or None
    except ValueError as error:
        raise _unreadable("seed", text, "00ff12") from error


def _unreadable(field: str, text: object, example: str) -> InvalidPlan:
    option, given = f"--{field.replace('_', '-')}", repr(str(text)[:40])
    return InvalidPlan(
        code=f"INVALID_{field.upper()}",
        field=field,
        message=f"{option} 값 {given}을(를) 읽을 수 없습니다. 예: {example}",
        english=f"{option}: cannot read {given}. Example: {example}",
    )


def _plan_json(plan: Plan) -> str:
    stages = [
        {"stage": stage.stage}
        | {name: plain(getattr(stage, name)) for name in COLUMNS if name != "stage"}
        for stage in plan.stages
    ]
    return json.dumps(
        {"stages": stages, "reasons": [reason.value for reason in plan.reasons]}
    )


def _refusal_json(error: InvalidPlan) -> str:
    return json.dumps(
        {
            "stages": [],
            "reasons": [error.code],
            "error": {"code": error.code, "message": error.message},
        },
        ensure_ascii=False,
    )


def _plan_table(plan: Plan) -> str:
    text = io.StringIO()
    console = Console(file=text, width=88, highlight=False)
    if plan.feasible:
        console.print(_table(plan))
        console.print(_summary(plan))
        for reason in plan.reasons:
            console.print(f"· {describe(reason, plan=plan)}")
    return text.getvalue()


def _table(plan: Plan) -> Table:
    table = Table()
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for stage in plan.stages:
        table.add_row(
            str(stage.stage),
            f"{stage.price:,f}",
            f"{stage.amount:,f}",
            _average(stage),
            f"{stage.break_even:,f}",
            f"{stage.take_profit:,f}",
        )
    return table


def _average(stage: Stage) -> str:
    """Write the average two digits finer than the tick."""
    places = len(f"{stage.price:f}".partition(".")[2]) + 2
    return f"{stage.average:,.{places}f}"


def _summary(plan: Plan) -> str:
    return (
        f"마지막 차수까지 하락 {plan.drop:.2%}, 거기서 익절까지 필요한 반등"
        f" {plan.rebound:.2%}, 마지막 차수에서 모두 팔 때 손실 {plan.worst_case:,f}원"
    )
