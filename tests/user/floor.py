"""A bot with an exchange in this process, and a clock that tests turn by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.engine_exchange import EngineExchange
from tests.user.factories import make_account, make_snapshot, make_user
from user_project.bots import audit
from user_project.bots.models import Bot
from user_project.bots.runner import RunResult, run_bot


@dataclass
class HandClock:
    """Starts now, moves when told."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Floor:
    """Everything a bot needs to trade in a test."""

    bot: Bot
    exchange: EngineExchange
    clock: HandClock
    damaged: bool = False
    """A test says so that breaks the books on purpose, or ends before all is booked."""

    def audit(self) -> list[audit.Finding]:
        """Check the books, and read everything again from the exchange."""
        account = self.bot.account
        return [
            *audit.audit(accounts=[account], now=self.clock(), ask_exchange=False),
            *audit.against_exchange(account=account, adapter=self.exchange),
        ]

    def run(self, *, seconds: float = 1, worker: str = "worker-a") -> RunResult:
        """Let some time pass, then run the bot once."""
        self.clock.pass_seconds(seconds)
        result = run_bot(bot_id=self.bot.pk, worker=worker, clock=self.clock)
        self.bot.refresh_from_db()
        return result

    def run_often(self, times: int, *, seconds: float = 1) -> None:
        """Run again and again, as the watcher would."""
        for _ in range(times):
            self.run(seconds=seconds)


def make_floor(clock: HandClock) -> Floor:
    """Return a running bot on KRW-BTC at 100 million won, its data valid for hours."""
    exchange = EngineExchange(clock=clock)
    owner: Any = make_user("alice")
    later = clock() + timedelta(hours=12)
    make_snapshot(clock(), valid_until=later.isoformat())
    bot = Bot.objects.create(
        owner=owner,
        account=make_account(owner, reconciled_at=later),
        name="비트코인",
        market="KRW-BTC",
        budget=1_000_000,
        stages=4,
        level="aggressive",
        jitter=0,
        state="running",
        cycle_cooldown_seconds=60,
        next_tick_at=clock(),
    )
    return Floor(bot=bot, exchange=exchange, clock=clock)
