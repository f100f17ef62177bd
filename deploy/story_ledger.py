"""The proof of the demo: the bots' ledgers against fresh signed reads of the exchange."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from upbit import Upbit

from deploy.story_clients import UserApi

CLOSED = {"filled", "cancelled"}


@dataclass(frozen=True)
class LedgerLine:
    """One currency: what the ledgers say and what the exchange says."""

    currency: str
    ours: Decimal
    theirs: Decimal

    @property
    def difference(self) -> Decimal:
        """Zero, or something is wrong."""
        return self.theirs - self.ours


@dataclass(frozen=True)
class LedgerProof:
    """The comparison; ``still`` is False if the ledgers moved while it was made."""

    lines: tuple[LedgerLine, ...]
    orders: int
    trades: int
    orders_equal: bool
    still: bool

    @property
    def equal(self) -> bool:
        """Tell whether everything agrees to the last digit."""
        no_difference = all(line.difference == 0 for line in self.lines)
        return self.still and self.orders_equal and no_difference


def compare_with_exchange(
    *,
    user: UserApi,
    exchange_url: str,
    access_key: str,
    secret_key: str,
    paid_in: Decimal,
) -> LedgerProof:
    """Read ledgers, exchange, ledgers again; *paid_in* is the account's first won."""
    exchange = Upbit(
        access_key=access_key, secret_key=secret_key, base_url=exchange_url
    )
    before = _ledgers(user, paid_in=paid_in)
    theirs = {
        account.currency: Decimal(account.balance) + Decimal(account.locked)
        for account in exchange.accounts.list()
    }
    orders = [row for row in user.all("orders") if row["state"] in CLOSED]
    compared = [_compare_order(exchange, row) for row in orders if row["exchange_uuid"]]
    after = _ledgers(user, paid_in=paid_in)
    currencies = sorted(before.keys() | theirs.keys(), key=lambda name: name != "KRW")
    zero = Decimal(0)
    return LedgerProof(
        lines=tuple(
            LedgerLine(name, before.get(name, zero), theirs.get(name, zero))
            for name in currencies
        ),
        orders=len(compared),
        trades=sum(trades for _, trades in compared),
        orders_equal=all(equal for equal, _ in compared),
        still=before == after,
    )


def _ledgers(user: UserApi, *, paid_in: Decimal) -> dict[str, Decimal]:
    """Sum every round of every bot."""
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    totals["KRW"] = paid_in
    for bot in user.all("bots"):
        row = bot.get("bot", bot)
        for cycle in user.all(f"bots/{row['id']}/cycles"):
            coin = cycle["market"].partition("-")[2]
            totals[coin] += Decimal(cycle["volume"])
            totals["KRW"] += Decimal(cycle["received"]) - Decimal(cycle["spent"])
    return dict(totals)


def _compare_order(exchange: Upbit, row: dict[str, Any]) -> tuple[bool, int]:
    """Return whether one closed order agrees, and how many trades it had."""
    order = exchange.orders.retrieve(uuid=row["exchange_uuid"])
    trades = order.trades or []
    equal = (
        Decimal(order.executed_volume) == Decimal(row["executed_volume"])
        and Decimal(order.paid_fee) == Decimal(row["paid_fee"])
        and sum((Decimal(t.funds or 0) for t in trades), Decimal(0))
        == Decimal(row["executed_funds"])
    )
    return equal, len(trades)
