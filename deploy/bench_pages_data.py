"""Fills a user server's database with one owner's long life, for page benchmarks.

Usage: python -m deploy.bench_pages_data < JSON {"account": [access, secret],
"bots": 200, "orders": 100000, "events": 10000, "password": …}, with the server's environment. Prints {"bots": [id, …]}.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import django

from deploy.simulator.market.names import coins
from deploy.user_bots import write

MARKETS: Final = [f"KRW-{coin.code}" for coin in coins(100)]
RANKED: Final = 50
PRICE: Final = Decimal(1000)
STAGES: Final = 5
PER_ROUND: Final = 10
"""Orders of one closed round: five buys, of which three filled, four sells moved, one
that sold."""
BATCH: Final = 5000
DAYS: Final = 365


def main() -> int:
    """Read what is wanted, write it, tell the bots' ids."""
    django.setup()
    print(json.dumps(fill(**json.load(sys.stdin))))
    return 0


def fill(
    *, account: list[str], bots: int, orders: int, events: int, password: str
) -> dict[str, Any]:
    """Write bots, rounds, orders, fills, bookings and diary lines. Needs Django."""
    told = write(
        {
            "accounts": [account],
            "levels": dict.fromkeys(MARKETS, "1000"),
            "bots": [_bot(number) for number in range(bots)],
        }
    )
    _rank()
    _owner(password)
    life = _Life(bots=[_models().Bot.objects.get(pk=pk) for pk in told["bots"]])
    life.write_rounds(each=max(orders // PER_ROUND // bots, 1))
    life.write_diary(count=events)
    # What autovacuum has done in a database that runs for a while.
    with import_module("django.db").connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    _publish_prices()
    return told


def _bot(number: int) -> dict[str, Any]:
    market = MARKETS[number % len(MARKETS)]
    return {
        "account": 0,
        "name": f"bot {number}",
        "market": market,
        "budget": 1_000_000,
    }


def _owner(password: str) -> None:
    users: Any = import_module("django.contrib.auth").get_user_model().objects
    owner = users.get(username="owner")
    owner.set_password(password)
    owner.save()


def _rank() -> None:
    """Give central's answer the ranking that pages show and look names up in."""
    snapshots = import_module("user_project.central_api.models").CentralSnapshot
    (snapshot,) = snapshots.objects.all()
    body = json.loads(snapshot.body)
    body["recommendations"] = [_coin(rank) for rank in range(1, RANKED + 1)]
    snapshots.objects.update(body=json.dumps(body))


def _coin(rank: int) -> dict[str, Any]:
    scores = ("technical", "volume", "volatility", "risk")
    reason = {"code": "UP", "ko": "거래가 늘었습니다.", "en": "More trades."}
    metrics = ("rsi", "atr", "turnover", "spread", "momentum", "drawdown")
    return {
        "rank": rank,
        "symbol": MARKETS[-rank],
        "korean_name": MARKETS[-rank],
        "english_name": MARKETS[-rank],
        "price": str(PRICE),
        "score": f"{100 - rank}.5",
        "scores": dict.fromkeys(scores, "61.5"),
        "reasons": [reason] * 3,
        "metrics": dict.fromkeys(metrics, "1.25"),
    }


def _models() -> Any:
    return import_module("user_project.bots.models")


def _publish_prices() -> None:
    prices = import_module("user_project.bots.prices")
    quote = import_module("user_project.trading.orders").PriceQuote
    host = import_module("django.conf").settings.UPBIT_BASE_URL
    now = datetime.now(UTC)
    prices.publish(
        host=host,
        quotes=[quote(market=m, price=PRICE, received_at=now) for m in MARKETS],
    )


class _Life:
    """Rows in bulk; money is only roughly right, which no page checks."""

    def __init__(self, *, bots: list[Any]) -> None:
        self._bots = bots
        self._models = _models()
        self._random = random.Random(7)
        self._now = datetime.now(UTC)
        self._numbers = itertools.count()

    def write_rounds(self, *, each: int) -> None:
        """Write *each* closed rounds a bot and one that is open."""
        make = self._models.Cycle.objects.bulk_create
        cycles = [
            self._cycle(bot, seq, is_open=seq == each)
            for bot in self._bots
            for seq in range(each + 1)
        ]
        for start in range(0, len(cycles), BATCH):
            part = cycles[start : start + BATCH]
            make(part)
            self._write_orders(part)

    def write_diary(self, *, count: int) -> None:
        """Write *count* lines for the first bot and a few for the others."""
        event = self._models.BotEvent
        lines = [
            event(bot=bot, kind="order.filled", message=f"{n}", message_en=f"{n}")
            for bot, share in zip(self._bots, self._shares(count), strict=False)
            for n in range(share)
        ]
        event.objects.bulk_create(lines, batch_size=BATCH)

    def _shares(self, count: int) -> Iterator[int]:
        yield count
        yield from itertools.repeat(20)

    def _cycle(self, bot: Any, seq: int, *, is_open: bool) -> Any:
        closed_at = self._now - timedelta(days=self._random.random() * DAYS)
        stages = [
            {"stage": n, "price": str(1000 - 10 * n), "amount": "100000"}
            for n in range(1, STAGES + 1)
        ]
        plan = {
            **{"market": bot.market, "korean_name": bot.market, "stages": stages},
            **{"take_profit": "0.015", "bid_fee": "0.0005", "ask_fee": "0.0005"},
        }
        return self._models.Cycle(
            bot=bot,
            seq=seq + 1,
            market=bot.market,
            state="open" if is_open else "closed",
            plan=plan,
            budget=Decimal(1_000_000),
            spent=Decimal(300_000),
            volume=Decimal(300) if is_open else Decimal(0),
            cost=Decimal(300_150) if is_open else Decimal(0),
            profit=Decimal(0)
            if is_open
            else Decimal(self._random.randrange(-900, 3000)),
            exit_reason="" if is_open else "take_profit",
            closed_at=None if is_open else closed_at,
        )

    def _write_orders(self, cycles: list[Any]) -> None:
        orders = [
            self._order(cycle, number)
            for cycle in cycles
            for number in range(PER_ROUND)
        ]
        self._models.Order.objects.bulk_create(orders, batch_size=BATCH)
        fills = [self._fill(order) for order in orders if order.state == "filled"]
        self._models.Fill.objects.bulk_create(fills, batch_size=BATCH)
        entries = [entry for fill in fills for entry in self._entries(fill)]
        self._models.LedgerEntry.objects.bulk_create(entries, batch_size=BATCH)

    def _order(self, cycle: Any, number: int) -> Any:
        is_buy = number < STAGES
        is_filled = number < 3 or (number == PER_ROUND - 1 and cycle.state == "closed")
        unique = f"bench-{next(self._numbers)}"
        return self._models.Order(
            bot=cycle.bot,
            cycle=cycle,
            stage=number + 1 if is_buy else 0,
            side="bid" if is_buy else "ask",
            attempt=1 if is_buy else number,
            identifier=unique,
            exchange_uuid=unique,
            market=cycle.market,
            kind="limit",
            price=Decimal(1000 - 10 * number),
            requested_volume=Decimal(100),
            body_sha256="0" * 64,
            state="filled" if is_filled else "cancelled",
            fence=1,
            executed_volume=Decimal(100) if is_filled else Decimal(0),
            executed_funds=Decimal(100_000) if is_filled else Decimal(0),
            paid_fee=Decimal(50) if is_filled else Decimal(0),
            closed_at=cycle.closed_at,
        )

    def _fill(self, order: Any) -> Any:
        return self._models.Fill(
            order=order,
            trade_uuid=uuid.uuid4().hex,
            price=PRICE,
            volume=Decimal(100),
            funds=Decimal(100_000),
            fee=Decimal(50),
            traded_at=order.closed_at or self._now,
        )

    def _entries(self, fill: Any) -> Iterator[Any]:
        entry, cycle = self._models.LedgerEntry, fill.order.cycle
        legs = [("fee", Decimal(50)), ("cash", Decimal(-100_050))]
        if fill.order.side == "ask":
            legs.append(("profit", -cycle.profit))
        for account, amount in legs:
            yield entry(
                fill=fill,
                cycle=cycle,
                owner_id=cycle.bot.owner_id,
                account=account,
                currency="KRW",
                amount=amount,
                at=fill.traded_at,
            )


if __name__ == "__main__":
    sys.exit(main())
