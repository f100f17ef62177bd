"""Changes of a bot's options: at once while it rests, harmless ones while it works."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.bots import events
from user_project.bots.models import Bot
from user_project.bots.options import BotOptions
from user_project.bots.problems import BotProblem
from user_project.bots.services import OPTION_COLUMNS, lock_open_cycle
from user_project.trading.lifecycle import BotState

IDLE_STATES: Final = frozenset({BotState.DRAFT, BotState.STOPPED})
NEXT_ROUND_OPTIONS: Final = frozenset(
    {
        *("budget", "stages", "multiplier", "shape", "level", "stage_table"),
        *("take_profit", "jitter", "max_depth", "reinvest", "reentry"),
        *("max_cycles", "cycle_cooldown_seconds"),
    }
)


def update_options(*, bot: Bot, options: BotOptions, now: datetime) -> Bot:
    """Change options; a bot at work takes only those its running round does not use.

    The coin changes only while no round is open. Raises BotProblem with the remedy.
    """
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        moved = options.market != ("" if locked.auto_select else locked.market)
        message = _noop("설정을 바꿨습니다.")
        if locked.state not in IDLE_STATES:
            message = _noop("설정을 바꿨습니다. 다음 회차부터 적용됩니다.")
            _check_harmless(bot=locked, options=options, moved=moved)
        if moved and lock_open_cycle(locked) is not None:
            raise BotProblem(
                "ROUND_OPEN",
                _(
                    "보유 중인 회차가 있어 코인을 바꿀 수 없습니다. 먼저 팔거나 넘겨받으세요."
                ),
                field="market",
            )
        for name, value in options.columns().items():
            setattr(locked, name, value)
        if moved:
            locked.auto_select, locked.market = not options.market, options.market
        locked.name = options.name or locked.name
        locked.save(update_fields=(*OPTION_COLUMNS, "name", "market", "auto_select"))
        events.record(bot=locked, kind="bot.changed", message=message)
    return locked


def _check_harmless(*, bot: Bot, options: BotOptions, moved: bool) -> None:
    """Raise BotProblem where a bot at work would act otherwise in its running round."""
    changed = [
        name for name, value in options.columns().items() if getattr(bot, name) != value
    ]
    wrong = [name for name in changed if name not in NEXT_ROUND_OPTIONS]
    if moved:
        wrong.insert(0, "market")
    if not wrong:
        return
    labels = {column.name: str(column.verbose_name) for column in Bot._meta.fields}
    names = ", ".join(labels[name] for name in wrong)
    raise BotProblem(
        "BOT_BUSY",
        (
            _(
                "실행 중인 봇에서는 바꿀 수 없는 설정입니다: %(names)s. 봇을 정지한 뒤 바꾸고 다시 시작하세요."
            )
            % {"names": names}
        ),
        field=wrong[0],
    )
