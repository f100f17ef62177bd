"""What the pages show of bots, summed and named for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from user_project.bots.holdings import Valuation, total
from user_project.bots.models import Bot
from user_project.bots.overview import BotView, Brief, StageView
from user_project.bots.services import possible_triggers
from user_project.trading.lifecycle import BotState, BotTrigger

FILLED: Final = "filled"
WAITING: Final = ("waiting", "resting", "pending")
NEAR: Final = 2
"""So many waiting stages are shown, the rest is folded."""


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

    @property
    def near_stages(self) -> Sequence[StageView]:
        """Return the stages down to the second one that still waits."""
        return self.view.stages[: self._near()]

    @property
    def far_stages(self) -> Sequence[StageView]:
        """Return the stages below, which matter little yet."""
        return self.view.stages[self._near() :]

    def _near(self) -> int:
        waiting = [
            number
            for number, stage in enumerate(self.view.stages, start=1)
            if stage.state in WAITING
        ]
        return waiting[NEAR - 1] if len(waiting) > NEAR else len(self.view.stages)

    @property
    def to_next_buy(self) -> Decimal | None:
        """Return how far the price is above the next buy, as a share of it."""
        return _distance(self.view.next_buy_price, self.view.price)

    @property
    def to_take_profit(self) -> Decimal | None:
        """Return how far the price is below the take profit, as a share of it."""
        return _distance(self.view.take_profit_price, self.view.price)

    @property
    def spent_share(self) -> Decimal:
        """Return which share of the round's budget is spent (0 to 1)."""
        cycle = self.view.cycle
        if cycle is None or not cycle.budget:
            return Decimal(0)
        return min(cycle.spent / cycle.budget, Decimal(1))


def _distance(target: Decimal | None, price: Decimal | None, /) -> Decimal | None:
    return None if target is None or not price else target / price - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over all bots in KRW; bots without a price are counted, not guessed."""

    cost: Decimal
    worth: Valuation
    priced_at: datetime | None
    """Of the oldest price in ``worth``."""
    realised: Decimal
    bots: int
    running: int
    unpriced: int


LABELS: Final = {
    BotTrigger.START: pgettext_lazy("button", "시작"),
    BotTrigger.RESUME: pgettext_lazy("button", "재개"),
    BotTrigger.PAUSE: pgettext_lazy("button", "일시정지"),
    BotTrigger.FINISH: pgettext_lazy("button", "이번 회차까지"),
    BotTrigger.STOP: pgettext_lazy("button", "정지"),
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


SORTS: Final = {
    "": (_("만든 순서"), lambda brief: 0),
    "rate": (_("수익률 높은 순"), lambda brief: -(brief.worth.rate or 0)),
    "loss": (_("수익률 낮은 순"), lambda brief: brief.worth.rate or 0),
    "profit": (_("평가손익 큰 순"), lambda brief: -(brief.worth.unrealised or 0)),
    "cost": (_("매수금액 큰 순"), lambda brief: -brief.holding.cost),
    "name": (_("이름 순"), lambda brief: brief.holding.name),
}
"""Order of the cards: address part -> (name, key)."""
SHOWN: Final = {
    "": (_("모든 봇"), frozenset(BotState)),
    "active": (_("실행 중"), frozenset({BotState.RUNNING, BotState.FINISHING})),
    "paused": (_("일시정지"), frozenset({BotState.PAUSED, BotState.DRAFT})),
    "trouble": (_("확인 필요"), frozenset({BotState.HALTED})),
    "stopped": (_("정지"), frozenset({BotState.STOPPED})),
}
"""Which cards: address part -> (name, states)."""


def choose(briefs: Sequence[Brief], /, *, sort: str, shown: str) -> list[UUID]:
    """Return the wanted bots' ids in the wanted order; unknown words change nothing."""
    _name, states = SHOWN.get(shown, SHOWN[""])
    _name, key = SORTS.get(sort, SORTS[""])
    found = [brief for brief in briefs if brief.holding.state in states]
    return [brief.holding.bot_id for brief in sorted(found, key=key)]


def add_up(briefs: Sequence[Brief]) -> Totals:
    """Sum what is known."""
    priced = [brief for brief in briefs if brief.worth.unrealised is not None]
    times = (brief.quote.received_at for brief in priced if brief.quote)
    return Totals(
        cost=sum((brief.holding.cost for brief in priced), Decimal(0)),
        worth=total((brief.holding, brief.worth) for brief in priced),
        priced_at=min(times, default=None),
        realised=sum((brief.realised_profit for brief in briefs), Decimal(0)),
        bots=len(briefs),
        running=sum(brief.holding.state == BotState.RUNNING for brief in briefs),
        unpriced=sum(
            bool(brief.holding.cost) and brief.worth.unrealised is None
            for brief in briefs
        ),
    )
