"""Settings, the exchange, this machine's clock and disk."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import requests
from django.conf import settings

from central_project.analysis import kernels
from central_project.console.doctor.finding import Finding, Part, Text

ENVIRONMENT: Final = Part("environment", Text("설정", "settings"))
EXCHANGE: Final = Part("exchange", Text("거래소", "exchange"))
CLOCK: Final = Part("clock", Text("시계", "clock"))
MACHINE_CODE: Final = Part("machine_code", Text("계산 엔진", "machine code"))
DISK: Final = Part("disk", Text("디스크", "disk"))
SKEW_SHOWN: Final = timedelta(seconds=3)
"""The exchange tells the time in whole seconds, and the answer takes a while."""
SKEW_BAD: Final = timedelta(seconds=30)
"""From here a closed candle may look open, and an open one closed."""
MIN_SECRET: Final = 32
GIGABYTE: Final = 10**9
DISK_LOW, DISK_FULL = 5 * GIGABYTE, 1 * GIGABYTE


def environment() -> Finding:
    """Settings under which nobody should go on air."""
    wrong = []
    if settings.DEBUG:
        wrong.append("DEBUG=1")
    if "*" in settings.ALLOWED_HOSTS:
        wrong.append("ALLOWED_HOSTS=*")
    if len(settings.SECRET_KEY) < MIN_SECRET:
        wrong.append(f"SECRET_KEY < {MIN_SECRET}")
    if not wrong:
        return ENVIRONMENT.green("문제 없음", "nothing wrong")
    found = ", ".join(wrong)
    return ENVIRONMENT.yellow(
        (f"운영에 알맞지 않음: {found}", f"not fit for production: {found}"),
        (
            ".env.central에서 고쳐 주세요. .env.central.example에 설명이 있습니다.",
            "correct it in .env.central; .env.central.example explains it",
        ),
    )


def exchange() -> list[Finding]:
    """The exchange answers, and its clock and ours agree."""
    url = f"{settings.UPBIT_BASE_URL.rstrip('/')}/v1/ticker"
    asked_at = datetime.now(UTC)
    try:
        answer = requests.get(
            url, params={"markets": "KRW-BTC"}, timeout=5, allow_redirects=False
        )
        answer.raise_for_status()
        answer.json()
    except (requests.RequestException, ValueError) as error:
        return [_unreachable(url, error), CLOCK.grey("거래소 없이는 알 수 없음", "unknown without the exchange")]  # fmt: skip
    took = datetime.now(UTC) - asked_at
    milliseconds = round(took / timedelta(milliseconds=1))
    return [
        EXCHANGE.green(f"응답 {milliseconds} ms", f"answers in {milliseconds} ms"),
        _clock(answer.headers.get("Date", ""), asked_at + took / 2),
    ]


def machine_code() -> Finding:
    """The compiled kernels are kept, so that no worker compiles them again."""
    places = {
        one.stats.cache_path for one in vars(kernels).values() if _is_compiled(one)
    }
    place = Path(next(iter(places)))
    has_any = any(place.glob("kernels.*.nbi"))
    if has_any or os.access(place if place.exists() else place.parent, os.W_OK):
        state = (
            ("컴파일됨", "compiled")
            if has_any
            else ("첫 분석에서 컴파일", "compiles once")
        )
        return MACHINE_CODE.green(f"{state[0]} ({place})", f"{state[1]} ({place})")
    return MACHINE_CODE.yellow(
        (f"{place}에 쓸 수 없음", f"{place} cannot be written"),
        (
            "프로세스가 시작할 때마다 몇 초씩 컴파일합니다. NUMBA_CACHE_DIR에 쓸 수 있는"
            " 폴더를 적어 주세요.",
            "every process compiles for seconds; set NUMBA_CACHE_DIR to a directory that"
            " can be written",
        ),
    )


def _is_compiled(value: object, /) -> bool:
    return hasattr(value, "py_func") and hasattr(value, "stats")


def disk() -> Finding:
    """Room for logs and, where it lives here, the database."""
    usage = shutil.disk_usage(settings.BASE_DIR)
    free = f"{usage.free / GIGABYTE:.1f} GB"
    found = (f"남은 공간 {free}", f"{free} free")
    to_do = (
        "공간을 비우거나 관리자 화면의 '보관 기간'을 줄여 주세요.",
        "make room, or keep less (retention in the admin)",
    )
    if usage.free < DISK_FULL:
        return DISK.red(found, to_do)
    return DISK.yellow(found, to_do) if usage.free < DISK_LOW else DISK.green(*found)


def _unreachable(url: str, error: Exception, /) -> Finding:
    response = getattr(error, "response", None)
    why = type(error).__name__ if response is None else f"HTTP {response.status_code}"
    return EXCHANGE.red(
        (f"{url}: {why}", f"{url}: {why}"),
        (
            "인터넷 연결과 .env.central의 UPBIT_BASE_URL, 거래소 공지(점검)를 확인해"
            " 주세요. 418이면 차단이 풀릴 때까지 기다려야 합니다.",
            "check the network, UPBIT_BASE_URL in .env.central and the exchange's notices;"
            " after 418 wait until the block ends",
        ),
    )


def _clock(date: str, now: datetime, /) -> Finding:
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return CLOCK.grey("거래소가 시각을 알리지 않음", "the exchange tells no time")
    skew = now - theirs
    if abs(skew) < SKEW_SHOWN:
        return CLOCK.green("거래소와 같음", "agrees with the exchange")
    seconds = round(skew.total_seconds())
    korean = f"거래소보다 {abs(seconds)}초 {'빠름' if seconds > 0 else '느림'}"
    english = f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the exchange"
    to_do = (
        "시간 동기화(chrony, systemd-timesyncd)를 켜 주세요.",
        "turn time synchronisation on (chrony, systemd-timesyncd)",
    )
    if abs(skew) >= SKEW_BAD:
        return CLOCK.red((korean, english), to_do)
    return CLOCK.yellow((korean, english), to_do)
