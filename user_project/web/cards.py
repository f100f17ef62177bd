"""What the pages show of bots, summed and named for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.utils.translation import gettext_lazy as _

from user_project.bots.models import Bot
from user_project.bots.overview import BotView
from user_project.bots.services import possible_triggers
from user_project.trading.lifecycle import BotState, BotTrigger

FILLED: Final = "filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One bot as a card: its numbers and the coin's Korean name."""

    view: BotView
    coin: str
    market: str
    filled: int
    """Stages bought so far."""
    planned: int
    actions: tuple[tuple[str, str], ...]
    """(address part, label) of what the owner may do now."""

    @property
    def bot(self) -> Bot:
        """Return the bot itself."""
        return self.view.bot


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over all bots in KRW; bots without a price are counted, not guessed."""

    cost: Decimal
    value: Decimal
    unrealised: Decimal
    realised: Decimal
    bots: int
    running: int
    unpriced: int

    @property
    def rate(self) -> Decimal | None:
        """Return the unrealised profit as a share of what was paid."""
        return self.unrealised / self.cost if self.cost else None


LABELS: Final = {
    BotTrigger.START: _("시작"),
    BotTrigger.RESUME: _("재개"),
    BotTrigger.PAUSE: _("일시정지"),
    BotTrigger.FINISH: _("이번 회차까지"),
    BotTrigger.STOP: _("정지"),
}
"""What an owner may ask for, in the order of the buttons."""


def make_card(*, view: BotView, names: Mapping[str, str]) -> Card:
    """Join a bot's numbers with the coin's name; *names* maps market to name."""
    market = view.cycle.market if view.cycle else view.bot.market
    possible = possible_triggers(bot=view.bot)
    frozen = view.cycle.plan.get("korean_name", "") if view.cycle else ""
    return Card(
        view=view,
        market=market,
        coin=frozen or names.get(market, ""),
        filled=sum(stage.state == FILLED for stage in view.stages),
        planned=len(view.stages) or view.bot.stages,
        actions=tuple(
            (trigger.value, str(label))
            for trigger, label in LABELS.items()
            if trigger in possible
        ),
    )


def add_up(views: Sequence[BotView]) -> Totals:
    """Sum what is known."""
    priced = [view for view in views if view.unrealised is not None]
    return Totals(
        cost=sum((view.cost or Decimal(0) for view in priced), Decimal(0)),
        value=sum((view.value or Decimal(0) for view in priced), Decimal(0)),
        unrealised=sum((view.unrealised or Decimal(0) for view in priced), Decimal(0)),
        realised=sum((view.realised_profit for view in views), Decimal(0)),
        bots=len(views),
        running=sum(view.bot.state == BotState.RUNNING for view in views),
        unpriced=sum(bool(view.cost) and view.unrealised is None for view in views),
    )
