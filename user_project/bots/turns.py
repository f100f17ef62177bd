"""Turns of a running round that are no orders: leave, freeze, thaw, peaks, alerts."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.bots import events, wording
from user_project.bots.booking import move_cycle
from user_project.bots.models import Bot, Cycle
from user_project.bots.order_protocol import Desk
from user_project.trading.facts import Action, AlertHeld, Exit, Freeze, Thaw, Track
from user_project.trading.lifecycle import CycleTrigger


def carry_out(*, desk: Desk, cycle: Cycle, action: Action) -> None:
    """Write one turn under the bot's lease, with a line in its diary."""
    with transaction.atomic():
        bot = desk.lease.guard()
        locked = Cycle.objects.select_for_update().get(pk=cycle.pk)
        _turn(bot=bot, cycle=locked, action=action)
        locked.save(update_fields=("state", "exit_reason", "peak_price", "held_alerts"))


def _turn(*, bot: Bot, cycle: Cycle, action: Action) -> None:
    match action:
        case Exit(reason=reason):
            # What a person ordered since this was decided stays ordered.
            cycle.exit_reason = cycle.exit_reason or reason.value
            move_cycle(cycle=cycle, trigger=CycleTrigger.EXIT)
            _tell(
                bot,
                cycle,
                "cycle.closing",
                lambda: (
                    _("%(name)s: 시장가로 모두 팝니다.")
                    % {"name": cycle.get_exit_reason_display()}
                ),
            )
        case Freeze():
            move_cycle(cycle=cycle, trigger=CycleTrigger.FREEZE)
            _tell(bot, cycle, "cycle.frozen", wording.FROZEN_HELP)
        case Thaw():
            move_cycle(cycle=cycle, trigger=CycleTrigger.THAW)
            _tell(
                bot, cycle, "cycle.thawed", _noop("코인이 돌아와 회차를 이어 갑니다.")
            )
        case Track(peak=peak):
            if cycle.peak_price is None:
                _tell(
                    bot,
                    cycle,
                    "cycle.armed",
                    lambda: (
                        _("고점 추적을 시작합니다: %(peak)s")
                        % {"peak": wording.price_text(peak)}
                    ),
                )
            cycle.peak_price = max(peak, cycle.peak_price or peak)
        case AlertHeld(days=days, count=count):
            cycle.held_alerts = count
            _tell(
                bot,
                cycle,
                "cycle.held_long",
                lambda: (
                    _(
                        "%(seq)s회차를 %(days)s일 넘게 보유하고 있습니다. 계속 기다릴지 확인하세요."
                    )
                    % {"seq": cycle.seq, "days": days}
                ),
            )
        case _:
            raise TypeError(f"{action} is no turn of a round")


def _tell(bot: Bot, cycle: Cycle, kind: str, message: events.Say) -> None:
    events.record(bot=bot, cycle=cycle, kind=kind, message=message)
