"""Another choice of a bot's options: what the running round uses stays as it is."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Bot
from user_project.bots.option_changes import update_options
from user_project.bots.options import options_of, table_text
from user_project.bots.problems import BotProblem
from user_project.web.forms import PERCENT, SHARES, BotForm
from user_project.web.pages import LOOKS, own_bot, owner_page, show

AS_THEY_ARE: Final = (
    *("market", "name", "budget", "stages", "multiplier", "shape", "level"),
    *("resting_stages", "stage_cooldown_seconds", "cycle_cooldown_seconds"),
    *("max_hold_hours", "max_cycles", "reentry", "crash_brake"),
)


@owner_page(*LOOKS, "POST")
def bot_options(request: HttpRequest, bot_id: uuid.UUID) -> HttpResponse:
    """Show the options and change them; a problem stands beside its field."""
    bot = own_bot(request, bot_id)
    accounts = ExchangeAccount.objects.for_user(request.user).filter(pk=bot.account_id)
    given = request.POST if request.method == "POST" else None
    form = BotForm(given, accounts=accounts, initial=_initial(bot))
    if given is None or not form.is_valid():
        return _page(request, bot, form)
    try:
        update_options(bot=bot, options=form.options(), now=timezone.now())
    except BotProblem as problem:
        form.refuse(problem.field, problem.message)
        return _page(request, bot, form)
    messages.success(request, _("설정을 바꿨습니다."))
    return redirect("bot", bot_id=bot.pk)


def _page(request: HttpRequest, bot: Bot, form: BotForm, /) -> HttpResponse:
    status = 400 if form.errors else 200
    return show(request, "web/bot_options.html", status=status, bot=bot, form=form)


def _initial(bot: Bot, /) -> dict[str, Any]:
    """Return the options as the form shows them: shares in per cent, the table as text."""
    options = options_of(bot)
    values = {name: getattr(options, name) for name in AS_THEY_ARE}
    shares = {name: _percent(getattr(options, name)) for name in SHARES}
    return {
        **values,
        **shares,
        "take_profit_percent": _percent(options.take_profit),
        "stage_table": table_text(options.stage_table),
    }


def _percent(share: Decimal | None, /) -> Decimal | None:
    return None if share is None else (share * PERCENT).quantize(Decimal("0.01"))
