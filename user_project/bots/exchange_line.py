"""Whether prices reach this server: one look at what the watcher shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.accounts.hosts import is_real_upbit
from user_project.bots import prices

OK, LATE, CUT, UNKNOWN = "ok", "late", "cut", "unknown"
LATE_AFTER: Final = timedelta(seconds=15)
"""The watcher reads a price that nobody told for 5 seconds again; pages fade one by then."""
CUT_AFTER: Final = timedelta(seconds=60)
"""After so long a silence accounts are compared before anything is ordered."""
WORDS: Final = {
    OK: _noop("%(exchange)s 연결: 정상"),
    LATE: _noop("%(exchange)s 연결: 지연"),
    CUT: _noop("%(exchange)s 연결: 끊김"),
    UNKNOWN: _noop("%(exchange)s 연결: 확인 안 됨"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLine:
    """How the connection is, and when the newest price came over it."""

    level: str
    words: str
    heard_at: datetime | None


def exchange_line(*, now: datetime) -> ExchangeLine:
    """Judge by the newest price of all: bitcoin is watched even without any bot.

    Nothing shared for ten minutes, no watcher or no Redis: nobody knows, and it says so.
    """
    host = str(settings.UPBIT_BASE_URL)
    quotes = prices.known(host=host).values()
    heard_at = max((quote.received_at for quote in quotes), default=None)
    level = _level(heard_at, now=now)
    # Paper money meets the simulator: its silence is not Upbit's.
    name = _("업비트") if is_real_upbit(base_url=host) else _("모의 거래소")
    words = _(WORDS[level]) % {"exchange": name}
    return ExchangeLine(level=level, words=words, heard_at=heard_at)


def _level(heard_at: datetime | None, /, *, now: datetime) -> str:
    if heard_at is None:
        return UNKNOWN
    age = now - heard_at
    if age > CUT_AFTER:
        return CUT
    return LATE if age > LATE_AFTER else OK
