"""What forbids new orders: quarantine, keys, a missing look, kill switches, live off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.accounts.models import ExchangeAccount
from user_project.bots import live
from user_project.bots.events import written
from user_project.bots.models import Bot, BotEvent, ServerSwitch
from user_project.trading.facts import ORDERED_EXITS, Place, Why
from user_project.trading.orders import Side

RECONCILE_MAX_AGE: Final = timedelta(minutes=5)


def blocked(*, bot: Bot, now: datetime) -> Why:
    """Return what forbids the bot's new orders; a kill switch only if nothing else does.

    The account and the server are read anew; *bot* is taken as it is given.
    """
    account = ExchangeAccount.objects.get(pk=bot.account_id)
    bot.account = account
    if account.quarantined_at is not None:
        return Why.QUARANTINED
    if account.key_problem:
        return Why.KEY_REFUSED
    if live.is_off(bot):
        return Why.LIVE_OFF
    last = account.reconciled_at
    if last is None or now - last > RECONCILE_MAX_AGE:
        return Why.RECONCILE_DUE
    # Last: an ordered sale passes a kill switch, but nothing of the above.
    if bot.kill_switch_at or account.kill_switch_at or server_switch().kill_switch_at:
        return Why.KILL_SWITCH
    return Why.NOTHING


def may_send(*, why: Why, place: Place, exit_reason: str) -> bool:
    """Tell whether an order may be sent although *why* forbids new ones."""
    if why is Why.NOTHING:
        return True
    ordered = exit_reason in ORDERED_EXITS and place.side is Side.ASK
    return why is Why.KILL_SWITCH and ordered and place.stage == 0


def server_switch() -> ServerSwitch:
    """Return the server's row; off where nobody ever touched it."""
    return ServerSwitch.objects.filter(pk=1).first() or ServerSwitch(pk=1)


def server_stopped_at() -> datetime | None:
    """Return since when the whole server sends no new orders; None while it does."""
    return server_switch().kill_switch_at


def set_kill_switch(
    *,
    target: Bot | ExchangeAccount | ServerSwitch,
    on: bool,
    reason: str = "",
    by: Any = None,
    now: datetime,
) -> None:
    """Turn a kill switch; no new order passes it from the next transaction on.

    Resting orders stay, orders in doubt are still settled. Turning twice changes nothing.
    """
    with transaction.atomic():
        row = _locked(target)
        if (row.kill_switch_at is not None) == on:
            return
        row.kill_switch_at = now if on else None
        changed = ["kill_switch_at"]
        if not isinstance(row, Bot):
            row.kill_switch_reason = reason[:200] if on else ""
            changed.append("kill_switch_reason")
        row.save(update_fields=changed)
    # It holds by now. Bots are told without the account's lock: who locks a bot first
    # and then its account must never wait for us.
    _tell(row, on=on, reason=reason, by=by, now=now)


def _locked(
    target: Bot | ExchangeAccount | ServerSwitch,
) -> Bot | ExchangeAccount | ServerSwitch:
    if isinstance(target, ServerSwitch):
        ServerSwitch.objects.get_or_create(pk=1)
        return ServerSwitch.objects.select_for_update().get(pk=1)
    if isinstance(target, Bot):
        return Bot.objects.select_for_update().get(pk=target.pk)
    return ExchangeAccount.objects.select_for_update().get(pk=target.pk)


def _tell(
    row: Bot | ExchangeAccount | ServerSwitch,
    *,
    on: bool,
    reason: str,
    by: Any,
    now: datetime,
) -> None:
    """Write it into the diary of every bot concerned and let each look at once."""
    bots = Bot.objects.all()
    place = _noop("서버")
    if isinstance(row, Bot):
        bots, place = bots.filter(pk=row.pk), _noop("봇")
    elif isinstance(row, ExchangeAccount):
        bots, place = bots.filter(account=row), _noop("계정")
    columns = written(lambda: _sentence(place, on=on, reason=reason))
    kind, data = f"switch.{'on' if on else 'off'}", {"by": str(by or "")}
    BotEvent.objects.bulk_create(
        BotEvent(bot=bot, kind=kind, data=data, **columns) for bot in bots
    )
    bots.active().update(next_tick_at=now)


def _sentence(place: str, /, *, on: bool, reason: str) -> str:
    done = _("켰습니다. 새 주문을 보내지 않습니다.") if on else _("껐습니다.")
    values = {"place": _(place), "done": done, "reason": reason}
    return (_("%(place)s 비상 정지를 %(done)s %(reason)s") % values).strip()
