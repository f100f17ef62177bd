"""What the database holds: history, the published run, its audit, keys and operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q

from central_project.api.models import ApiKey
from central_project.console.doctor.finding import Finding, Part, Text
from central_project.market.models import AnalysisRun, Coin, RunState
from central_project.market.services import vitals
from central_project.market.services.backfill import lacks_history
from central_project.market.services.collect import MAX_FAILED_SHARE

HISTORY: Final = Part("history", Text("과거 캔들", "history"))
RUN: Final = Part("run", Text("분석", "analysis"))
AUDIT: Final = Part("audit", Text("검산", "audit"))
KEYS: Final = Part("api_keys", Text("API 키", "API keys"))
ADMIN: Final = Part("admin", Text("관리자", "administrators"))
EXPIRES_SOON: Final = timedelta(days=7)
GUESSES: Final = ("admin", "password", "dantaro")
"""Tried on the first administrators, beside their own names; each try costs 0.2 s."""
_ADMINS_TRIED: Final = 3


def history(*, now: datetime) -> Finding:
    """Every listed coin's hours were asked for, as far back as the analysis looks."""
    days = settings.HISTORY_DAYS
    coins = list(Coin.objects.filter(listed=True))
    lacking = [coin for coin in coins if lacks_history(coin=coin, now=now, days=days)]
    load = (
        f"`python manage_central.py backfill --days {days}`를 실행해 주세요.",
        f"run `python manage_central.py backfill --days {days}`",
    )
    if not coins:
        return HISTORY.red(("코인이 하나도 없음", "not a single coin is known"), load)
    if not lacking:
        return HISTORY.green(
            f"코인 {len(coins)}개의 {days}일이 모두 있음",
            f"{days} days of all {len(coins)} coins",
        )
    found = (
        f"코인 {len(coins)}개 가운데 {len(lacking)}개가 {days}일이 안 됨",
        f"{len(lacking)} of {len(coins)} coins lack some of {days} days",
    )
    is_too_little = len(lacking) > MAX_FAILED_SHARE * len(coins)
    return HISTORY.red(found, load) if is_too_little else HISTORY.yellow(found, load)


def run(*, now: datetime) -> Finding:
    """Readers get a run that is still valid, and the newest one did not fail."""
    served = vitals.served(now=now)
    newest = AnalysisRun.objects.exclude(state=RunState.RUNNING).first()
    failed = newest if newest and newest.state == RunState.FAILED else None
    why = f" ({failed.error_code}: {failed.error[:200]})" if failed else ""
    look = (
        "관리자 화면의 '분석 실행'에서 오류를 보고, 작업자와 스케줄러를 확인해 주세요."
        " 바로 하려면 `python manage_central.py run_pipeline`.",
        "see the errors of the analysis runs in the admin, check workers and scheduler;"
        " `python manage_central.py run_pipeline` tries now",
    )
    if served.run is None and AnalysisRun.objects.alive().exists():
        wait = ("몇 분 뒤에 다시 확인해 주세요.", "look again in a few minutes")
        return RUN.yellow(("첫 분석이 진행 중", "the first analysis is running"), wait)
    if served.run is None or served.age is None:
        return RUN.red(
            (f"발표된 분석이 없음{why}", f"nothing was published yet{why}"), look
        )
    minutes = served.age.total_seconds() / 60
    korean = f"{served.run.run_id}, 데이터 {minutes:.0f}분 전"
    english = f"{served.run.run_id}, data {minutes:.0f} min old"
    if served.state == "stale":
        return RUN.red(
            (f"{korean}: 유효 기한 지남{why}", f"{english}: too old{why}"), look
        )
    if failed is not None:
        return RUN.yellow(
            (
                f"{korean}; 마지막 분석은 실패{why}",
                f"{english}; the last run failed{why}",
            ),
            look,
        )
    return RUN.green(korean, english)


def audit(*, now: datetime) -> Finding:
    """The served run's figures were recomputed and agreed."""
    served = vitals.served(now=now)
    if served.run is None:
        return AUDIT.grey("발표된 분석이 없음", "nothing was published yet")
    if served.run.suspect:
        return AUDIT.red(
            (
                f"{served.run.run_id}의 지표가 검산과 다름",
                f"the figures of {served.run.run_id} differ from their recomputation",
            ),
            (
                "사용자 서버는 새 회차를 시작하지 않습니다. 관리자 화면의 '분석 실행'에서"
                " 검산 내용을 보고 개발자에게 알려 주세요.",
                "user servers start no new cycles; read the run's audit in the admin and"
                " tell the developers",
            ),
        )
    return AUDIT.green("지표와 검산이 같음", "figures and recomputation agree")


def api_keys(*, now: datetime) -> Finding:
    """Somebody can use the API, and nobody is about to lose it."""
    valid = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None
    )
    issue = (
        "관리자 화면이나 `python manage_central.py create_api_key 이름`으로 발급해 주세요.",
        "issue one in the admin or by `python manage_central.py create_api_key NAME`",
    )
    number = valid.count()
    if not number:
        return KEYS.yellow(("쓸 수 있는 키가 없음", "no usable key"), issue)
    ending = valid.filter(expires_at__lte=now + EXPIRES_SOON)
    names = ", ".join(ending.values_list("name", flat=True)[:3])
    if names:
        return KEYS.yellow(
            (f"7일 안에 만료: {names}", f"expires within 7 days: {names}"), issue
        )
    return KEYS.green(f"{number}개 사용 가능", f"{number} usable")


def administrators() -> Finding:
    """There is one, and nobody's password is guessed at the first try."""
    owners = get_user_model().objects.filter(is_active=True, is_superuser=True)
    first = list(owners.order_by("pk")[:_ADMINS_TRIED])
    if not first:
        return ADMIN.red(
            ("관리자 계정이 없음", "there is no administrator"),
            (
                "`python manage_central.py createsuperuser`로 만들어 주세요.",
                "make one by `python manage_central.py createsuperuser`",
            ),
        )
    weak = [
        user.get_username()
        for user in first
        if any(user.check_password(text) for text in {*GUESSES, user.get_username()})
    ]
    if weak:
        names = ", ".join(weak)
        return ADMIN.red(
            (f"암호를 쉽게 맞힐 수 있음: {names}", f"the password is guessed: {names}"),
            (
                f"`python manage_central.py changepassword {weak[0]}`로 바꿔 주세요.",
                f"change it by `python manage_central.py changepassword {weak[0]}`",
            ),
        )
    return ADMIN.green(f"{owners.count()}명", f"{owners.count()}")
