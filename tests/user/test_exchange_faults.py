"""Every fault of the exchange, once on a buy, a sell and a cancel: nothing doubled, nothing lost.

The bot, its protocol and its adapter are the real ones; the exchange is the simulator
over HTTP. Only the bot's clock runs ahead, so that no pause is waited for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from deploy.simulator.faults.kinds import KINDS
from tests.system.adapter_world import Exchange, adapter_at, exchange
from tests.user.factories import make_account, make_snapshot, make_user
from user_project.accounts.models import ExchangeAccount
from user_project.bots import audit, prices, services
from user_project.bots.models import Bot, Order
from user_project.bots.runner import run_bot
from user_project.exchanges.upbit import UpbitAdapter
from user_project.trading.lifecycle import UNSETTLED_ORDERS, OrderState
from user_project.trading.orders import PriceQuote, Side

pytestmark = pytest.mark.django_db
PLACE, CANCEL = "POST /v1/orders", "DELETE /v1/order"
RUNS = 120
"""At most so many looks, the later ones minutes apart on the bot's clock."""
TABLE = [
    {"drop": "0", "weight": "1"},
    {"drop": "0.2", "weight": "1"},
    {"drop": "0.3", "weight": "1"},
]
"""Later stages lie so deep that they rest while the test lasts."""
_numbers = itertools.count(1)


def kinds_of(endpoint: str) -> list[str]:
    return [name for name, kind in KINDS.items() if kind.suits(endpoint=endpoint)]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@dataclass
class Trader:
    """One bot of an account of its own on the simulator."""

    simulator: Exchange
    adapter: UpbitAdapter
    access_key: str
    bot: Bot
    ahead: timedelta = field(default_factory=timedelta)

    def clock(self) -> datetime:
        """The bot's time: the real one, and what was skipped."""
        return timezone.now() + self.ahead

    def arm(self, kind: str, endpoint: str) -> None:
        """Let the next call of ours to *endpoint* go wrong; no fault lasts."""
        body = {"kind": kind, "endpoint": endpoint, "who": self.access_key, "times": 1}
        if KINDS[kind].seconds is not None:
            body["seconds"] = 0.2
        if kind == "late":
            body["sign"] = "reset"  # a hang would be waited for
        self.simulator.admin("POST", "faults", body)

    def run(self) -> None:
        # The owner mends what a person must: a key that was refused, a quarantine.
        ExchangeAccount.objects.update(
            key_problem="", quarantined_at=None, reconciled_at=self.clock()
        )
        run_bot(bot_id=self.bot.pk, worker="w", clock=self.clock)
        self.bot.refresh_from_db()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run until nothing is in doubt and *done*; the pauses grow, none is slept."""
        for number in range(RUNS):
            self.run()
            settled = not self.orders(state__in=UNSETTLED_ORDERS)
            if settled and done():
                return
            self.ahead += timedelta(seconds=1 if number < 40 else 30)
        told = [(o.stage, o.side, o.state, o.verdict) for o in self.orders()]
        pytest.fail(f"never settled: {self.bot.state} {self.bot.reason} {told}")

    def orders(self, **wanted: Any) -> list[Order]:
        return list(Order.objects.filter(bot=self.bot, **wanted))

    def holds(self) -> bool:
        cycle = self.bot.cycles.first()
        return cycle is not None and cycle.volume > 0

    def rests(self, side: Side) -> bool:
        return bool(self.orders(side=side, state=OrderState.OPEN))

    def check(self) -> None:
        """The books hold, equal the exchange, and no order exists twice."""
        account = self.bot.account
        assert [
            *audit.audit(accounts=[account], now=self.clock(), ask_exchange=False),
            *audit.against_exchange(account=account, adapter=self.adapter),
        ] == []
        truth = self.simulator.admin("GET", f"ledger?account={self.access_key}")
        assert truth["invariants"] == {"hold": True, "broken": []}
        rows = truth["accounts"][self.access_key]["orders"]
        theirs = sorted(row["identifier"] for row in rows)
        ours = sorted(o.identifier for o in self.orders(exchange_uuid__isnull=False))
        assert theirs == ours
        buys = [o.executed_funds for o in self.orders(stage=1, side=Side.BID)]
        assert sum(1 for funds in buys if funds) <= 1


@pytest.fixture
def trader(
    simulator: Exchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[Trader]:
    number = next(_numbers)
    access_key, secret = f"faulty-{number}", "s" * 40
    simulator.admin(
        "POST",
        "accounts",
        {"access_key": access_key, "secret_key": secret, "krw": "10000000"},
    )
    adapter = adapter_at(
        simulator.url, access_key=access_key, secret_key=secret, pocket=access_key
    )
    owner = make_user(f"alice-{number}")
    make_snapshot(
        timezone.now(), valid_until=_later().isoformat(), run_id=f"run-{number}"
    )
    bot = Bot.objects.create(
        owner=owner,
        account=make_account(owner, base_url=simulator.url, reconciled_at=_later()),
        name="비트코인",
        market="KRW-BTC",
        budget=600_000,
        stage_table=TABLE,
        jitter=0,
        state="running",
        stage_cooldown_seconds=0,
    )
    made = Trader(simulator=simulator, adapter=adapter, access_key=access_key, bot=bot)

    def latest(*, adapter: UpbitAdapter, now: datetime, **_: Any) -> PriceQuote | None:
        # A price read a moment ago is as young on the bot's clock.
        quote = adapter.get_prices(markets=["KRW-BTC"])["KRW-BTC"]
        return replace(quote, received_at=now)

    monkeypatch.setattr(
        "user_project.bots.runner.adapter_for", lambda *, account: adapter
    )
    monkeypatch.setattr(prices, "latest", latest)
    yield made
    adapter.close()
    simulator.admin("DELETE", "faults")


def _later() -> Any:
    return timezone.now() + timedelta(days=30)


@pytest.mark.parametrize("kind", kinds_of(PLACE))
def test_a_buy(trader: Trader, kind: str) -> None:
    trader.arm(kind, PLACE)
    trader.run_until(trader.holds)
    trader.run_until(lambda: trader.rests(Side.ASK) and trader.rests(Side.BID))
    trader.check()


@pytest.mark.parametrize("kind", kinds_of(PLACE))
def test_a_sell(trader: Trader, kind: str) -> None:
    trader.bot.resting_stages = 0  # the next order is the take profit alone
    trader.bot.save(update_fields=("resting_stages",))
    trader.run_until(trader.holds)
    services.pause_bot(bot=trader.bot, now=trader.clock())
    trader.arm(kind, PLACE)
    services.stop_and_sell(bot=trader.bot, now=trader.clock())
    trader.run_until(lambda: trader.bot.state == "stopped")
    trader.check()
    assert trader.bot.cycles.get().volume == 0


@pytest.mark.parametrize("kind", kinds_of(CANCEL))
def test_a_cancel(trader: Trader, kind: str) -> None:
    trader.run_until(lambda: trader.rests(Side.ASK) and trader.rests(Side.BID))
    trader.arm(kind, CANCEL)
    services.pause_bot(bot=trader.bot, now=trader.clock())
    trader.run_until(lambda: not trader.rests(Side.BID))
    trader.check()
    assert trader.holds()
