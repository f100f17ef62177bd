"""Is everything there that bots need? One line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from user_project.accounts import key_reports
from user_project.accounts.keys import KeysUnreadable, open_keys
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import cycles, wording
from user_project.bots.models import Brake, Order, QueueHeartbeat
from user_project.bots.pnl import KST
from user_project.bots.switches import RECONCILE_MAX_AGE, server_switch
from user_project.central_api.services import freshness, latest_snapshot
from user_project.exchanges.adapter import ExchangeError
from user_project.trading.facts import Why
from user_project.trading.lifecycle import DOUBTFUL_ORDERS

KEY_WARNING: Final = timedelta(days=key_reports.WARN_DAYS)
SILENT: Final = timedelta(seconds=60)
UNSETTLED: Final = timedelta(minutes=10)
OK, WARN, FAIL = "ok", "warn", "fail"
LEVELS: Final = {OK: "success", WARN: "warning", FAIL: "danger"}
"""Level -> the colour in which screens show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, how it is (ok, warn, fail), and what to do."""

    name: str
    level: str
    text: str


def examine(*, now: datetime, asking: bool = True) -> list[Check]:
    """Look at everything; without the database nothing else can be said.

    *asking*: put a question to the exchange for every account, else judge by what the
    workers wrote down.
    """
    try:
        database = _database()
    except DatabaseError as error:
        text = _("연결할 수 없습니다: %(strip)s. DATABASE_URL을 확인하세요.") % {
            "strip": str(error).strip()
        }
        return [Check(name="database", level=FAIL, text=text)]
    parts: tuple[Callable[[datetime], Iterator[Check]], ...] = (
        *(_redis, _queues, _central, _orders, _switches),
        partial(_accounts, asking=asking),
    )
    return [database, *(check for part in parts for check in part(now))]


def _database() -> Check:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        text = _(
            "마이그레이션 %(missing)s개 남음. `manage_user.py migrate`를 하세요."
        ) % {"missing": len(missing)}
        return Check(name="database", level=FAIL, text=text)
    return Check(name="database", level=OK, text=_("연결됨, 마이그레이션 최신"))


def _redis(now: datetime) -> Iterator[Check]:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        text = _("응답이 없습니다: %(error)s. 그동안 봇을 깨울 수 없습니다.") % {
            "error": error
        }
        yield Check(name="redis", level=FAIL, text=text)
    else:
        yield Check(name="redis", level=OK, text=_("응답함"))


def _queues(now: datetime) -> Iterator[Check]:
    seen = dict(QueueHeartbeat.objects.values_list("queue", "seen_at"))
    shards = [f"bots.{number}" for number in range(settings.SHARDS)]
    for queue in (*shards, "reconcile", "pull"):
        at = seen.get(queue)
        if at is not None and now - at <= SILENT:
            age = int((now - at).total_seconds())
            yield Check(
                name=f"queue {queue}",
                level=OK,
                text=(_("%(age)s초 전 응답") % {"age": age}),
            )
        else:
            text = _(
                "작업자가 응답하지 않습니다. 작업자와 watch가 켜져 있는지 확인하세요."
            )
            yield Check(name=f"queue {queue}", level=FAIL, text=text)


def _central(now: datetime) -> Iterator[Check]:
    fresh = freshness(snapshot=latest_snapshot(), now=now)
    level = OK if fresh.level == "fresh" else WARN
    yield Check(name="central", level=level, text=fresh.reason)


def account_health(*, account: ExchangeAccount, now: datetime) -> tuple[str, str]:
    """Return level and words from what the workers wrote down; nobody is asked."""
    if account.quarantined_at:
        return FAIL, (
            _("격리됨: %(quarantine_reason)s")
            % {"quarantine_reason": account.quarantine_reason}
        )
    if account.key_problem:
        return FAIL, account.key_problem
    last = account.reconciled_at
    if last is None or now - last > RECONCILE_MAX_AGE:
        return FAIL, (
            _("최근에 대조하지 않았습니다. %(account)s")
            % {"account": _why_not_compared(account)}
        )
    expires = account.key_expires_at
    if expires is not None and expires - now <= KEY_WARNING:
        days = max((expires - now).days, 0)
        return WARN, (
            _("키가 %(days)s일 뒤 만료됩니다. 거래소에서 새 키를 만들어 바꾸세요.")
            % {"days": days}
        )
    return OK, _("정상")


def _why_not_compared(account: ExchangeAccount, /) -> str:
    try:
        open_keys(account=account)
    except KeysUnreadable as problem:
        return str(problem)
    return _("`manage_user.py reconcile --apply`를 하세요.")


def _accounts(now: datetime, *, asking: bool) -> Iterator[Check]:
    accounts = ExchangeAccount.objects.all()
    if not accounts:
        text = _("계정이 없습니다. `manage_user.py create_account`로 추가하세요.")
        yield Check(name="accounts", level=WARN, text=text)
    for account in accounts:
        level, text = account_health(account=account, now=now)
        if asking and level != FAIL:
            problem = _answer_of(account)
            level, text = (FAIL, problem) if problem else (level, text)
            if level == OK:
                text = _("키가 열리고 거래소가 답함")
        yield Check(name=f"account {account.name}", level=level, text=text)


def _answer_of(account: ExchangeAccount, /) -> str:
    """Return what the exchange or the keys refuse, nothing when they answer."""
    try:
        open_keys(account=account)
        adapter = adapter_for(account=account)
        adapter.get_balances()
    except (KeysUnreadable, AccountProblem, ExchangeError) as error:
        return str(error)
    if abs(adapter.clock_offset) > cycles.CLOCK_LIMIT:
        return wording.reason_text(Why.CLOCK_OFF)
    return ""


def _orders(now: datetime) -> Iterator[Check]:
    doubtful = Order.objects.filter(
        state__in=DOUBTFUL_ORDERS,
        created_at__lt=now - UNSETTLED,
    ).count()
    if doubtful:
        text = _(
            "10분 넘게 결과를 모르는 주문 %(doubtful)s건. 관리자 화면에서 확인하세요."
        ) % {"doubtful": doubtful}
        yield Check(name="orders", level=FAIL, text=text)
    else:
        yield Check(name="orders", level=OK, text=_("결과를 모르는 주문 없음"))


def _switches(now: datetime) -> Iterator[Check]:
    if server_switch().kill_switch_at:
        text = _("서버 비상 정지가 켜져 있습니다. 관리자 화면에서 끕니다.")
        yield Check(name="kill switch", level=WARN, text=text)
    for brake in Brake.objects.filter(until__gt=now):
        until = brake.until or now
        text = _("%(reason)s: %(until)s까지 새 차수를 사지 않습니다.") % {
            "reason": brake.reason,
            "until": f"{until.astimezone(KST):%H:%M}",
        }
        yield Check(name="brake", level=WARN, text=text)
    live = _("켜짐") if settings.LIVE_TRADING else _("꺼짐")
    yield Check(
        name="live trading", level=OK, text=(_("서버 스위치 %(live)s") % {"live": live})
    )
