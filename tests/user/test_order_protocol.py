"""Orders are never doubled and never lost, whatever the network does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from tests.engine_exchange import ACCOUNT
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import order_protocol, reconcile
from user_project.bots.identifiers import order_identifier
from user_project.bots.lease import LeaseLost, claim
from user_project.bots.models import Cycle, Fill, Order
from user_project.exchanges.adapter import Refused


def accepted(floor: Floor) -> int:
    return sum(1 for _ in floor.exchange.engine.orders(account=ACCOUNT))


class TestAmbiguousAnswers:
    def test_an_unheard_acceptance_is_found_and_adopted(self, floor: Floor) -> None:
        floor.exchange.faults = ["unheard"]

        floor.run_often(4)

        order = Order.objects.get(stage=1)
        assert (order.state, order.post_count, order.attempt) == ("filled", 1, 1)
        assert Fill.objects.filter(order=order).count() == 1

    def test_a_lost_request_is_sent_again_with_the_same_identifier(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["lost"]

        floor.run_often(8)

        first, second = floor.exchange.posts[:2]
        assert first == second
        order = Order.objects.get(stage=1)
        assert (order.state, order.post_count) == ("filled", 2)

    def test_a_late_arrival_beside_its_repetition_makes_one_order(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["held"]
        floor.run_often(8)

        with pytest.raises(Exception, match="identifier"):
            floor.exchange.deliver()

        buys = list(floor.exchange.engine.orders(account=ACCOUNT))
        assert len({o.request.identifier for o in buys}) == len(buys)
        assert Order.objects.filter(stage=1).count() == 1

    def test_a_late_arrival_before_the_repetition_is_adopted(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["held"]
        floor.run_often(2)

        floor.exchange.deliver()
        floor.run_often(6)

        assert Order.objects.get(stage=1).post_count == 1
        assert Order.objects.get(stage=1).state == "filled"

    def test_a_failing_look_up_is_never_taken_for_not_found(self, floor: Floor) -> None:
        floor.exchange.faults = ["unheard"]
        floor.exchange.look_ups_fail = True

        floor.run_often(20)

        assert len(floor.exchange.posts) == 1
        assert Order.objects.get().state == "unknown"
        floor.exchange.look_ups_fail = False
        floor.run_often(3)
        assert Order.objects.get(stage=1).state == "filled"

    def test_a_market_buy_is_not_repeated_after_the_price_moved(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["lost"]
        floor.run()

        floor.exchange.trade_at("101000000")
        floor.run_often(15)

        assert len(floor.exchange.posts) == 1
        assert Order.objects.get().state == "unknown"

    def test_what_stays_unclear_is_watched_and_keeps_its_money_reserved(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["held"]
        floor.run()
        floor.exchange.trade_at("101000000")

        floor.run_often(15, seconds=60)

        order = Order.objects.get()
        assert order.state == "abandoned_watch"
        assert Cycle.objects.get().reserved == order.reserved > 0
        floor.exchange.deliver()
        floor.run_often(4, seconds=61)
        assert Order.objects.get(stage=1).state == "filled"

    def test_a_used_identifier_that_no_list_knows_is_burned(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        floor.exchange.faults = ["lost"]
        floor.run()
        engine = floor.exchange.engine
        identifier = floor.exchange.posts[0].identifier
        # The exchange consumed the identifier without making an order.
        engine.burn(account=ACCOUNT, identifier=identifier)

        floor.run_often(45, seconds=5)

        burned = Order.objects.get(attempt=1, stage=1)
        assert burned.state == "burned"
        assert Order.objects.filter(attempt=2, stage=1, state="filled").exists()

    def test_a_refusal_of_the_repetition_proves_nothing(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        floor.exchange.faults = ["held"]
        floor.run()
        original = floor.exchange._post

        def refuse(request: object) -> None:
            floor.exchange.posts.append(request)  # type: ignore[arg-type]
            raise Refused("not enough won", name="insufficient_funds_bid")

        monkeypatch.setattr(floor.exchange, "_post", refuse)
        floor.run_often(8)

        assert len(floor.exchange.posts) > 1
        assert Order.objects.get().state == "unknown"
        monkeypatch.setattr(floor.exchange, "_post", original)


class TestCrashes:
    def test_an_intent_that_was_never_sent_is_dropped(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(**_: object) -> bool:
            raise SystemExit

        monkeypatch.setattr("user_project.bots.runner.send", die)
        with pytest.raises(SystemExit):
            floor.run()
        assert Order.objects.get().state == "intent"
        monkeypatch.undo()
        monkeypatch.setattr(
            "user_project.bots.runner.adapter_for", lambda *, account: floor.exchange
        )

        floor.run_often(3)

        states = dict(Order.objects.filter(stage=1).values_list("attempt", "state"))
        assert states == {1: "cancelled", 2: "filled"}
        assert Cycle.objects.get().spent < floor.bot.budget

    def test_dying_after_the_post_loses_nothing(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(**_: object) -> None:
            raise SystemExit

        monkeypatch.setattr(order_protocol, "adopt", die)
        with pytest.raises(SystemExit):
            floor.run()
        assert Order.objects.get().state == "posting"
        monkeypatch.undo()
        monkeypatch.setattr(
            "user_project.bots.runner.adapter_for", lambda *, account: floor.exchange
        )

        floor.run_often(4)

        order = Order.objects.get(stage=1)
        assert (order.state, order.post_count) == ("filled", 1)

    @pytest.mark.django_db(transaction=True)
    def test_every_row_is_committed_before_its_post(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []
        original = floor.exchange._post

        def look(request: object) -> object:
            assert not connection.in_atomic_block
            seen.extend(
                Order.objects.filter(
                    identifier=request.identifier  # type: ignore[attr-defined]
                ).values_list("state", flat=True)
            )
            return original(request)  # type: ignore[arg-type]

        monkeypatch.setattr(floor.exchange, "_post", look)

        floor.run()

        assert seen == ["posting"] * len(floor.exchange.posts)
        assert len(seen) == 4


class TestFences:
    def test_a_fenced_off_worker_neither_writes_nor_sends(self, floor: Floor) -> None:
        floor.run_often(3)
        old = claim(bot_id=floor.bot.pk, worker="worker-a")
        assert old is not None
        claim(bot_id=floor.bot.pk, worker="worker-a")
        desk = order_protocol.Desk(
            bot=floor.bot, lease=old, adapter=floor.exchange, clock=floor.clock
        )
        order = Order.objects.live().filter(stage=2).get()

        with pytest.raises(LeaseLost):
            order_protocol.cancel(desk=desk, order=order)

        order.refresh_from_db()
        assert order.state == "open"

    def test_the_database_refuses_a_second_live_order_of_a_stage(
        self, floor: Floor
    ) -> None:
        floor.run_often(3)
        order = Order.objects.live().get(stage=2)

        with pytest.raises(IntegrityError), transaction.atomic():
            Order.objects.create(
                bot=order.bot,
                cycle=order.cycle,
                stage=2,
                side="bid",
                attempt=9,
                identifier="dt1-second",
                market=order.market,
                kind="limit",
                body_sha256="0" * 64,
                fence=1,
            )

    def test_the_database_refuses_more_than_the_budget(self, floor: Floor) -> None:
        floor.run_often(3)

        with pytest.raises(IntegrityError), transaction.atomic():
            Cycle.objects.update(reserved=floor.bot.budget)


class TestIdentifiers:
    def test_they_are_deterministic_short_and_plain(self, floor: Floor) -> None:
        def identifier(attempt: int) -> str:
            return order_identifier(
                bot_id=floor.bot.pk, cycle=1, stage=1, side="bid", attempt=attempt
            )

        assert identifier(1) == identifier(1)
        assert identifier(1) != identifier(2)
        assert len(identifier(1)) <= 36
        assert set(identifier(1)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

    def test_another_installation_makes_others(self, floor: Floor, settings) -> None:  # type: ignore[no-untyped-def]
        ours = order_identifier(
            bot_id=floor.bot.pk, cycle=1, stage=1, side="bid", attempt=1
        )
        settings.INSTANCE = "other"

        theirs = order_identifier(
            bot_id=floor.bot.pk, cycle=1, stage=1, side="bid", attempt=1
        )

        assert ours != theirs


class TestReconcile:
    @pytest.fixture(autouse=True)
    def _exchange(self, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconcile, "adapter_for", lambda *, account: floor.exchange)

    def test_a_fill_we_did_not_see_wakes_the_bot(self, floor: Floor) -> None:
        floor.damaged = True
        floor.run_often(3)
        floor.exchange.trade_at("105000000")
        far = floor.clock() + timedelta(hours=1)
        floor.bot.next_tick_at = far
        floor.bot.save()

        result = reconcile.reconcile_account(
            account=floor.bot.account, now=floor.clock()
        )

        floor.bot.refresh_from_db()
        assert (result.woken, floor.bot.next_tick_at) == (1, floor.clock())

    def test_the_owners_own_orders_are_left_alone(self, floor: Floor) -> None:
        floor.run_often(3)
        own = floor.exchange.accept(
            floor.exchange.posts[-1].__class__(
                identifier="by-hand",
                market="KRW-BTC",
                side=floor.exchange.posts[1].side.BID,
                kind=floor.exchange.posts[1].kind.LIMIT,
                price=Decimal(90_000_000),
                volume=Decimal("0.001"),
            )
        )

        reconcile.reconcile_account(account=floor.bot.account, now=floor.clock())

        account = ExchangeAccount.objects.get()
        assert account.quarantined_at is None
        assert floor.exchange.get_order(uuid=own.uuid).is_open

    def test_one_that_has_ended_already_does_so_too(self, floor: Floor) -> None:
        floor.damaged = True
        floor.run_often(3)
        Order.objects.filter(stage=1).update(identifier="renamed")

        result = reconcile.reconcile_account(
            account=floor.bot.account, now=floor.clock()
        )

        assert len(result.unknown_to_us) == 1

    def test_an_order_of_another_installation_quarantines_the_account(
        self, floor: Floor
    ) -> None:
        floor.damaged = True
        floor.run_often(3)
        Order.objects.live().filter(stage=2).update(identifier="renamed")

        result = reconcile.reconcile_account(
            account=floor.bot.account, now=floor.clock()
        )

        assert len(result.unknown_to_us) == 1
        assert ExchangeAccount.objects.get().quarantined_at is not None
