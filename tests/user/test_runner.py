"""A bot's life against the matching engine: fills, exits, rounds, pauses, failures."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from tests.engine_exchange import ACCOUNT
from tests.user.factories import make_snapshot
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import services
from user_project.bots.models import BotEvent, Cycle, LedgerEntry, Order
from user_project.central_api.models import CentralSnapshot
from user_project.exchanges.adapter import Refused


def assert_books_balance(floor: Floor) -> None:
    """Every currency's legs sum to zero; positions and won equal the exchange."""
    for row in LedgerEntry.objects.values("currency").annotate(sum=Sum("amount")):
        assert row["sum"] == 0, row
    wallets = floor.exchange.engine.wallets(account=ACCOUNT)
    totals = Cycle.objects.aggregate(
        volume=Sum("volume"), spent=Sum("spent"), received=Sum("received")
    )
    coins = wallets.get("BTC")
    held = coins.balance + coins.locked if coins else Decimal(0)
    assert totals["volume"] == held
    won = wallets["KRW"].balance + wallets["KRW"].locked
    assert won == 10_000_000 - totals["spent"] + totals["received"]


class TestARound:
    def test_it_buys_rests_two_stages_and_the_exit(self, floor: Floor) -> None:
        floor.run_often(3)

        live = Order.objects.live().order_by("stage")
        assert [(order.stage, order.side) for order in live] == [
            (0, "ask"),
            (2, "bid"),
            (3, "bid"),
        ]
        cycle = Cycle.objects.get()
        assert cycle.state == "open"
        assert cycle.reserved == sum(
            order.price * order.requested_volume * Decimal("1.0005")
            for order in live
            if order.side == "bid"
        )
        assert_books_balance(floor)

    def test_it_takes_profit_withdraws_the_rest_and_closes(self, floor: Floor) -> None:
        floor.run_often(3)

        floor.exchange.trade_at("105000000")
        floor.run_often(3)

        cycle = Cycle.objects.get()
        assert cycle.state == "closed"
        assert cycle.reserved == 0
        assert cycle.profit == cycle.received - cycle.spent
        assert cycle.profit >= cycle.spent * Decimal("0.015")
        assert not Order.objects.live().exists()
        assert_books_balance(floor)

    def test_deeper_stages_lower_the_exit(self, floor: Floor) -> None:
        floor.run_often(3)
        first = Order.objects.live().get(stage=0).price

        floor.exchange.trade_at("97000000")
        floor.run_often(6, seconds=61)

        exit_ = Order.objects.live().get(stage=0)
        assert first is not None
        assert exit_.price is not None
        assert exit_.price < first
        assert exit_.requested_volume == Cycle.objects.get().volume
        assert_books_balance(floor)

    def test_the_next_round_waits_for_the_cool_down(self, floor: Floor) -> None:
        floor.run_often(3)
        floor.exchange.trade_at("105000000")
        floor.run_often(4)
        assert floor.bot.reason == "COOLDOWN"

        floor.exchange.trade_at("100000000")
        floor.run_often(3, seconds=60)

        assert Cycle.objects.filter(state="open", seq=2).exists()

    def test_an_unchanged_market_changes_nothing(self, floor: Floor) -> None:
        floor.run_often(3)
        posts = len(floor.exchange.posts)
        events = BotEvent.objects.count()

        floor.run_often(5)

        assert len(floor.exchange.posts) == posts
        assert BotEvent.objects.count() == events


class TestWhatForbidsNewRounds:
    def test_analysis_past_its_validity(self, floor: Floor) -> None:
        CentralSnapshot.objects.all().delete()
        make_snapshot(floor.clock(), valid_until=floor.clock().isoformat())

        floor.run()

        assert (floor.bot.reason, Cycle.objects.count()) == ("STALE_DATA", 0)

    def test_a_running_round_goes_on_without_central(self, floor: Floor) -> None:
        floor.run_often(3)
        CentralSnapshot.objects.all().delete()

        floor.exchange.trade_at("105000000")
        floor.run_often(4)

        assert Cycle.objects.get().state == "closed"
        floor.run(seconds=120)
        assert (floor.bot.reason, Cycle.objects.count()) == ("STALE_DATA", 1)

    def test_an_account_that_was_not_reconciled(self, floor: Floor) -> None:
        ExchangeAccount.objects.update(reconciled_at=None)

        floor.run()

        assert (floor.bot.reason, floor.exchange.posts) == ("RECONCILE_DUE", [])

    def test_a_quarantined_account(self, floor: Floor) -> None:
        ExchangeAccount.objects.update(quarantined_at=floor.clock())

        floor.run()

        assert (floor.bot.reason, floor.exchange.posts) == ("QUARANTINED", [])

    def test_a_warned_market(self, floor: Floor) -> None:
        floor.exchange.warning = True

        floor.run()

        assert (floor.bot.reason, Cycle.objects.count()) == ("MARKET_WARNING", 0)

    def test_missing_funds_are_said_and_not_hammered(self, floor: Floor) -> None:
        floor.exchange.engine.deposit(
            account=ACCOUNT, currency="KRW", amount=Decimal(-10_000_000)
        )

        floor.run_often(10)

        assert Cycle.objects.get().state == "aborted"
        assert len(floor.exchange.posts) == 1


class TestPeopleAct:
    def test_a_pause_withdraws_buys_and_keeps_the_exit(self, floor: Floor) -> None:
        floor.run_often(3)

        services.pause_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)

        assert [o.stage for o in Order.objects.live()] == [0]
        assert Cycle.objects.get().reserved == 0

    def test_a_resume_puts_the_buys_back(self, floor: Floor) -> None:
        floor.run_often(3)
        services.pause_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)

        services.resume_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)

        assert {o.stage for o in Order.objects.live()} == {0, 2, 3}
        assert Order.objects.live().get(stage=2).attempt == 2

    def test_a_stop_withdraws_everything_and_keeps_the_coins(
        self, floor: Floor
    ) -> None:
        floor.run_often(3)

        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)

        assert not Order.objects.live().exists()
        assert Cycle.objects.get().volume > 0
        assert floor.bot.next_tick_at is None
        assert_books_balance(floor)

    def test_a_stop_withdraws_orders_of_a_market_that_is_gone(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(**_: object) -> None:
            raise Refused("no such market", name="notfoundmarket")

        floor.run_often(3)
        monkeypatch.setattr(floor.exchange, "get_rules", gone)

        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)

        assert not Order.objects.live().exists()

    def test_a_finishing_bot_stops_after_its_round(self, floor: Floor) -> None:
        floor.run_often(3)
        services.finish_bot(bot=floor.bot, now=floor.clock())

        floor.exchange.trade_at("105000000")
        floor.run_often(4)

        assert (floor.bot.state, Cycle.objects.count()) == ("stopped", 1)


class TestFailures:
    def test_three_failures_in_a_row_call_a_person(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr("user_project.bots.runner.decide", broken)

        floor.run_often(3)

        assert floor.bot.state == "halted"
        assert BotEvent.objects.filter(kind="bot.halted").exists()

    def test_another_worker_cannot_act_while_the_lease_is_held(
        self, floor: Floor
    ) -> None:
        floor.bot.lease_owner = "worker-b"
        floor.bot.lease_until = floor.clock() + timedelta(seconds=30)
        floor.bot.save()

        result = floor.run(worker="worker-a")

        assert (result.claimed, floor.exchange.posts) == (False, [])

    def test_a_restarted_worker_takes_its_own_lease_back(self, floor: Floor) -> None:
        floor.bot.lease_owner = "worker-a"
        floor.bot.lease_until = floor.clock() + timedelta(seconds=30)
        floor.bot.save()

        assert floor.run(worker="worker-a").claimed
