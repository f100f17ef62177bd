"""Corners of trading: orders nobody wants, words spoken meanwhile, other people's trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from tests.user.factories import make_account, make_user
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem
from user_project.bots import reconcile, runner, services, watched_orders
from user_project.bots.models import Bot, Cycle, Fill, Order
from user_project.bots.problems import BotProblem
from user_project.exchanges.adapter import KeyRefused, NotFound, Refused
from user_project.trading.ledger import split_fee
from user_project.trading.orders import OrderRequest, OrderView, PriceQuote, Side


def before(
    monkeypatch: pytest.MonkeyPatch, target: object, name: str, act: Callable[[], Any]
) -> None:
    """Let *act* happen right before *name* of *target* is called the first time."""
    original, pending = getattr(target, name), [act]

    def called(**arguments: Any) -> Any:
        if pending:
            pending.pop()()
        return original(**arguments)

    monkeypatch.setattr(target, name, called)


def refuse_sells(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    original = floor.exchange._post

    def post(request: OrderRequest) -> OrderView:
        if request.side is Side.BID:
            return original(request)
        floor.exchange.posts.append(request)
        raise Refused("not enough coins", name="insufficient_funds_ask")

    monkeypatch.setattr(floor.exchange, "_post", post)


def sells(floor: Floor) -> int:
    return sum(1 for request in floor.exchange.posts if request.side is Side.ASK)


class TestTheOwnerSpeaksWhileAWorkerActs:
    def test_a_resume_is_not_forgotten(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Bot.objects.update(state="paused")
        # The worker has read "paused" when the owner resumes.
        before(
            monkeypatch,
            runner.cycles,
            "bot_facts",
            lambda: services.resume_bot(bot=floor.bot, now=floor.clock()),
        )

        floor.run()

        assert (floor.bot.state, floor.bot.reason) == ("running", "")
        assert floor.bot.next_tick_at == floor.clock()
        assert floor.bot.lease_until is None

    def test_what_was_decided_before_a_stop_is_not_sent(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before(
            monkeypatch,
            runner,
            "intend",
            lambda: services.stop_bot(bot=floor.bot, now=floor.clock()),
        )

        floor.run()

        assert floor.exchange.posts == []
        assert (floor.bot.lease_until, floor.bot.next_tick_at) == (None, floor.clock())
        floor.run()
        assert Cycle.objects.get().state == "aborted"

    @pytest.mark.parametrize("act", [services.stop_bot, services.pause_bot])
    def test_a_lost_buy_is_not_repeated_for_a_bot_that_may_not_buy(
        self, floor: Floor, act: Callable[..., Bot]
    ) -> None:
        floor.exchange.faults = ["lost"]
        floor.run()

        act(bot=floor.bot, now=floor.clock())
        floor.run_often(10)

        assert len(floor.exchange.posts) == 1

    def test_a_lost_buy_is_not_repeated_on_a_quarantined_account(
        self, floor: Floor
    ) -> None:
        floor.exchange.faults = ["lost"]
        floor.run()

        ExchangeAccount.objects.update(quarantined_at=floor.clock())
        floor.run_often(10)

        assert len(floor.exchange.posts) == 1


class TestOrdersNobodyWants:
    def test_a_refused_exit_is_not_hammered(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_sells(floor, monkeypatch)

        floor.run_often(10)
        first = sells(floor)
        floor.run_often(10, seconds=6)

        assert (first, sells(floor)) == (1, 2)

    def test_an_order_cancelled_by_hand_comes_back_after_a_pause(
        self, floor: Floor
    ) -> None:
        floor.run_often(3)
        resting = Order.objects.live().get(stage=2)

        floor.exchange.cancel_order(uuid=str(resting.exchange_uuid))
        floor.run_often(5)
        at_once = Order.objects.filter(stage=2).count()
        floor.run(seconds=61)

        assert at_once == 1
        assert Order.objects.live().get(stage=2).attempt == 2

    def test_a_plan_that_never_fits_the_price_is_not_made_again_and_again(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def elsewhere(*, market: str, now: Any, **_: Any) -> PriceQuote:
            return PriceQuote(
                market=market, price=Decimal(105_000_000), received_at=now
            )

        monkeypatch.setattr(runner.prices, "latest", elsewhere)

        floor.run_often(10)

        assert Cycle.objects.count() == 2

    def test_an_intent_left_behind_is_replaced_in_the_same_run(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(runner, "send", lambda **_: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                floor.run()

        floor.run()

        assert Order.objects.get(stage=1, attempt=2).state == "filled"
        assert floor.bot.tick_failures == 0


class TestTrouble:
    def test_an_order_that_cannot_be_read_does_not_hold_up_the_others(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        floor.damaged = True
        floor.run_often(3)
        hidden = Order.objects.live().get(stage=2)
        exchange, get, listed = (
            floor.exchange,
            floor.exchange.get_order,
            floor.exchange.list_orders,
        )

        def get_order(**by: Any) -> OrderView:
            if by.get("uuid") == hidden.exchange_uuid:
                raise NotFound("no such order")
            return get(**by)

        def list_orders(**by: Any) -> list[OrderView]:
            return [v for v in listed(**by) if v.uuid != hidden.exchange_uuid]

        monkeypatch.setattr(exchange, "get_order", get_order)
        monkeypatch.setattr(exchange, "list_orders", list_orders)
        exchange.trade_at("105000000")
        floor.run_often(3)

        assert Order.objects.get(stage=0).state == "filled"
        assert Cycle.objects.get().volume == 0

    def test_a_refused_key_is_said(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        floor.damaged = True
        floor.run_often(3)

        def refused(**_: Any) -> list[OrderView]:
            raise KeyRefused("expired", name="expired_access_key")

        monkeypatch.setattr(floor.exchange, "list_orders", refused)
        floor.run()

        assert floor.bot.reason == "KEY_REFUSED"

    def test_a_bot_that_cannot_be_halted_may_fail_for_ever(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Bot.objects.update(state="stopped", tick_failures=32_767)

        def broken(**_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(runner, "decide", broken)

        result = floor.run()

        assert (result.claimed, floor.bot.state) == (True, "stopped")
        assert floor.bot.lease_until is None

    @pytest.mark.parametrize(
        "trouble", [AccountProblem("KEYS_UNREADABLE", "키"), RuntimeError("a bug")]
    )
    def test_one_accounts_trouble_does_not_stop_the_others(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch, trouble: Exception
    ) -> None:
        broken = ExchangeAccount.objects.get()
        long_ago = floor.clock() - timedelta(days=1)
        healthy = make_account(make_user("bob"), reconciled_at=long_ago)

        def adapter(*, account: ExchangeAccount) -> object:
            if account == broken:
                raise trouble
            return floor.exchange

        monkeypatch.setattr(reconcile, "adapter_for", adapter)

        reconcile.reconcile_all(clock=floor.clock)

        healthy.refresh_from_db()
        assert healthy.reconciled_at is not None
        assert healthy.reconciled_at > long_ago


class TestAGivenUpOrder:
    """A lost request that may not be sent again: watched until a person closes it."""

    @pytest.fixture
    def watched(self, floor: Floor) -> Order:
        floor.exchange.faults = ["held"]
        floor.run()
        floor.exchange.trade_at("101000000")
        floor.run_often(15, seconds=60)
        floor.exchange.trade_at("100000000")
        order = Order.objects.get()
        assert order.state == "abandoned_watch"
        return order

    def test_it_cannot_be_closed_while_it_may_still_arrive(
        self, floor: Floor, watched: Order
    ) -> None:
        early = floor.clock() + timedelta(hours=23)

        with pytest.raises(BotProblem, match="24"):
            watched_orders.close_watched_order(order=watched, now=early)

        watched.refresh_from_db()
        assert watched.state == "abandoned_watch"

    def test_a_person_closes_it_and_the_round_goes_on(
        self, floor: Floor, watched: Order
    ) -> None:
        floor.clock.pass_seconds(86_400)
        ExchangeAccount.objects.update(reconciled_at=floor.clock())

        watched_orders.close_watched_order(order=watched, now=floor.clock())
        reserved = Cycle.objects.get().reserved
        floor.run_often(3)

        assert reserved == 0
        assert Order.objects.get(stage=1, attempt=2).state == "filled"

    def test_only_a_watched_order_can_be_closed(self, floor: Floor) -> None:
        floor.run_often(3)
        tomorrow = floor.clock() + timedelta(days=2)

        with pytest.raises(BotProblem) as problem:
            watched_orders.close_watched_order(
                order=Order.objects.live().get(stage=2), now=tomorrow
            )

        assert problem.value.code == "NOT_WATCHED"

    @pytest.mark.parametrize("state", ["refused", "burned", "cancelled"])
    def test_one_that_appears_after_all_quarantines_the_account(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        monkeypatch.setattr(reconcile, "adapter_for", lambda *, account: floor.exchange)
        floor.run_often(3)
        Order.objects.filter(stage=2).update(state=state, exchange_uuid=None)

        reconcile.reconcile_all(clock=floor.clock)

        assert ExchangeAccount.objects.get().quarantined_at is not None

    def test_one_that_just_ended_is_no_contradiction(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconcile, "adapter_for", lambda *, account: floor.exchange)
        floor.run_often(3)
        Order.objects.filter(stage=2).update(state="cancelled")

        reconcile.reconcile_all(clock=floor.clock)

        assert ExchangeAccount.objects.get().quarantined_at is None


class TestBooking:
    def test_one_trade_between_two_orders_of_ours_is_booked_on_both(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get = floor.exchange.get_order

        def get_order(**by: Any) -> OrderView:
            view = get(**by)
            shared = tuple(replace(trade, uuid="shared") for trade in view.trades or ())
            return replace(view, trades=shared)

        monkeypatch.setattr(floor.exchange, "get_order", get_order)
        floor.run_often(3)
        floor.exchange.trade_at("105000000")
        floor.run_often(3)

        assert Fill.objects.filter(trade_uuid="shared").count() == 2
        assert Cycle.objects.get().state == "closed"

    def test_trades_that_are_listed_late_are_waited_for(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get, hidden = floor.exchange.get_order, [2, 1]
        floor.exchange.engine.deposit(
            account="owner", currency="KRW", amount=Decimal(990_000_000)
        )
        Bot.objects.update(budget=900_000_000, stages=1)

        def get_order(**by: Any) -> OrderView:
            view = in_three(get(**by))
            left = hidden.pop(0) if hidden else 0
            assert view.trades is not None
            return replace(view, trades=view.trades[: len(view.trades) - left])

        monkeypatch.setattr(floor.exchange, "get_order", get_order)

        states = []
        for _ in range(5):
            floor.run()
            states.append((Order.objects.get(stage=1).state, Fill.objects.count()))

        cycle, order = Cycle.objects.get(), Order.objects.get(stage=1)
        assert states[0] == ("open", 2)
        assert states[-1] == ("filled", 3)
        assert cycle.spent == exact_sum(order.executed_funds, order.paid_fee)
        assert cycle.volume == order.executed_volume

    def test_hundreds_of_millions_in_odd_parts_are_booked_to_the_last_digit(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get = floor.exchange.get_order
        floor.exchange.engine.deposit(
            account="owner", currency="KRW", amount=Decimal(990_000_000)
        )
        Bot.objects.update(budget=900_000_000, stages=1)

        def get_order(**by: Any) -> OrderView:
            return in_three(get(**by))

        monkeypatch.setattr(floor.exchange, "get_order", get_order)
        floor.run_often(3)

        cycle = Cycle.objects.get()
        paid = Fill.objects.aggregate(funds=Sum("funds"), fee=Sum("fee"))
        assert Fill.objects.count() == 3
        assert cycle.spent == cycle.cost == exact_sum(*paid.values())
        assert cycle.reserved == 0


def in_three(view: OrderView) -> OrderView:
    """Return the same order, its only trade told as three, the fee split oddly."""
    if not view.trades:
        return view
    (whole,) = view.trades
    # Sizes whose 29-digit sums do not round back to the right total by chance.
    first, second = Decimal("1.25753085"), Decimal("1.53703701")
    parts = (first, second, whole.volume - first - second)
    paid_fee = view.paid_fee - Decimal("0.00000001")  # no part of it terminates
    fees = split_fee(paid_fee=paid_fee, funds=[whole.price * part for part in parts])
    trades = tuple(
        replace(
            whole,
            uuid=f"{whole.uuid}-{number}",
            volume=part,
            funds=whole.price * part,
            fee=fee,
        )
        for number, (part, fee) in enumerate(zip(parts, fees, strict=True))
    )
    return replace(view, trades=trades, paid_fee=paid_fee)


def exact_sum(*amounts: Decimal) -> Decimal:
    scale = 20
    digits = sum(int(amount.scaleb(scale)) for amount in amounts)
    return Decimal(digits).scaleb(-scale)
