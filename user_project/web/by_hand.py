"""What an owner does to a running round by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from common.money import NotADecimal, to_decimal
from user_project.bots import owner_actions, services, switches
from user_project.bots.models import Bot
from user_project.bots.passwords import check_password
from user_project.bots.problems import BotProblem
from user_project.web.pages import own_bot, owner_page, typed

PERCENT: Final = Decimal(100)


@owner_page("POST")
def by_hand(request: HttpRequest, bot_id: uuid.UUID, action: str) -> HttpResponse:
    """Do one thing to one's own bot and say what was done or what is in the way."""
    bot = own_bot(request, bot_id)
    if action not in BY_HAND:
        raise Http404(action)
    try:
        messages.success(request, BY_HAND[action](request, bot))
    except BotProblem as problem:
        messages.error(request, problem.message)
    return redirect("bot", bot_id=bot.pk)


def _buy(request: HttpRequest, bot: Bot, /) -> str:
    owner_actions.buy_now(
        bot=bot, amount=_number(request, "amount"), now=timezone.now()
    )
    return _("추가 매수를 맡겼습니다. 곧 시장가로 삽니다.")


def _take_profit(request: HttpRequest, bot: Bot, /) -> str:
    share = _number(request, "percent") / PERCENT
    owner_actions.change_take_profit(bot=bot, take_profit=share, now=timezone.now())
    return _("이번 회차의 익절률을 바꿨습니다.")


def _skip(request: HttpRequest, bot: Bot, /) -> str:
    stage = _whole(request, "stage")
    owner_actions.skip_stage(bot=bot, stage=stage, now=timezone.now())
    return _("%(n)s차를 건너뜁니다.") % {"n": stage}


def _release(request: HttpRequest, bot: Bot, /) -> str:
    check_password(request=request)
    owner_actions.release_coins(bot=bot, by=request.user, now=timezone.now())
    return _(
        "코인을 넘겨받고 회차를 끝냈습니다. 이제 그 코인은 봇이 건드리지 않습니다."
    )


def _sell(request: HttpRequest, bot: Bot, /) -> str:
    check_password(request=request)
    services.stop_and_sell(bot=bot, now=timezone.now())
    return _("매수를 거두고 보유 코인을 시장가로 파는 중입니다.")


def _clone(request: HttpRequest, bot: Bot, /) -> str:
    copy = services.clone_bot(bot=bot, name=typed(request, "name"), now=timezone.now())
    return (
        _("'%s' 봇을 만들었습니다. 시작하기 전에는 아무것도 사지 않습니다.") % copy.name
    )


def _switch(request: HttpRequest, bot: Bot, /) -> str:
    on = request.POST.get("on") == "1"
    if not on:
        check_password(request=request)
    switches.set_kill_switch(target=bot, on=on, by=request.user, now=timezone.now())
    return _("비상 정지를 켰습니다.") if on else _("비상 정지를 껐습니다.")


BY_HAND: Final[dict[str, Callable[[HttpRequest, Bot], str]]] = {
    "buy": _buy,
    "take-profit": _take_profit,
    "skip": _skip,
    "release": _release,
    "sell": _sell,
    "clone": _clone,
    "switch": _switch,
}


def _whole(request: HttpRequest, field: str, /) -> int:
    number = _number(request, field)
    if number != number.to_integral_value():
        raise BotProblem("INVALID_INPUT", _("정수로 적으세요."), field=field)
    return int(number)


def _number(request: HttpRequest, field: str, /) -> Decimal:
    text: Any = request.POST.get(field, "").replace(",", "").strip()
    try:
        if "e" in text.lower():
            # A slip of the hand must not move the decimal point.
            raise NotADecimal(text)
        return to_decimal(text)
    except NotADecimal as error:
        message = _("숫자로 적으세요. 예: 50000")
        raise BotProblem("INVALID_INPUT", message, field=field) from error
