"""Live trading is switched on twice: on the server, and by the owner for each bot."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.accounts.models import AccountMode
from user_project.bots import events
from user_project.bots.models import Bot
from user_project.bots.problems import BotProblem

CONSENT: Final = _noop("잃을 수 있음을 압니다")
"""What the owner types; a click alone happens too easily."""


def is_off(bot: Bot, /) -> bool:
    """Tell whether a bot of a live account lacks one of the two switches."""
    if bot.account.mode != AccountMode.LIVE:
        return False
    return not settings.LIVE_TRADING or bot.live_enabled_at is None


def enable_live(*, bot: Bot, consent: str, now: datetime) -> Bot:
    """Record the owner's consent; raise BotProblem where live trading is not possible.

    The caller has asked for the password again.
    """
    _check(bot=bot, consent=consent)
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        if locked.live_enabled_at is None:
            locked.live_enabled_at = now
            locked.next_tick_at = now
            locked.save(update_fields=("live_enabled_at", "next_tick_at"))
            events.record(
                bot=locked,
                kind="bot.live_on",
                message=_noop("소유자가 위험을 확인하고 실전투자를 켰습니다."),
            )
    return locked


def disable_live(*, bot: Bot, now: datetime) -> Bot:
    """Take the consent back: no new order is sent; what rests stays."""
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        if locked.live_enabled_at is not None:
            locked.live_enabled_at = None
            locked.next_tick_at = now
            locked.save(update_fields=("live_enabled_at", "next_tick_at"))
            events.record(
                bot=locked,
                kind="bot.live_off",
                message=_noop("실전투자를 껐습니다. 새 주문을 보내지 않습니다."),
            )
    return locked


def _check(*, bot: Bot, consent: str) -> None:
    if bot.account.mode != AccountMode.LIVE:
        raise BotProblem(
            "NOT_LIVE",
            _("모의투자 계정의 봇입니다. 실전투자 동의가 필요하지 않습니다."),
        )
    if not settings.LIVE_TRADING:
        raise BotProblem(
            "LIVE_OFF",
            _(
                "이 서버는 실전투자가 꺼져 있습니다. 운영자가 DANTARO_LIVE_TRADING=1로 켠 뒤에 다시 하세요."
            ),
        )
    if bot.account.base_url != settings.UPBIT_BASE_URL:
        raise BotProblem(
            "OTHER_PRICES",
            _(
                "이 서버는 다른 거래소(%(url)s)의 시세를 보고 있어 급락 제동과 깨우기가 실전 시세를 따르지 못합니다. 운영자가 UPBIT_BASE_URL을 업비트 주소로 바꾼 뒤에 다시 하세요."
            )
            % {"url": settings.UPBIT_BASE_URL},
        )
    if consent.strip() not in {CONSENT, _(CONSENT)}:
        raise BotProblem(
            "CONSENT_MISSING",
            (
                _("실전투자를 켜려면 '%(CONSENT)s'라고 그대로 입력하세요.")
                % {"CONSENT": _(CONSENT)}
            ),
            field="consent",
        )
