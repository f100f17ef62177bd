"""What every exchange adapter promises, whatever exchange is behind it.

A test module subclasses `AdapterContract` and brings a `world`: an adapter, and a hand on
the exchange behind it.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

import pytest

from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeAdapter,
    NotFound,
    Refused,
)
from user_project.trading.orders import (
    OrderKind,
    OrderRequest,
    OrderView,
    Outcome,
    Side,
)

PATIENCE_SECONDS = 20
NOBODY = "KRW-NOPE"


class World(ABC):
    """An exchange with an account of ours that owns won and nothing else."""

    adapter: ExchangeAdapter
    market: str
    """Calm while a test runs, with more than a million won on either side."""

    @abstractmethod
    def best_ask(self) -> Decimal:
        """Return the lowest price at which others sell."""

    @abstractmethod
    def trade(self, *, price: Decimal, volume: Decimal | None = None) -> None:
        """Let others trade; *volume* coins, or enough for every order they reach."""

    @abstractmethod
    def has_met_the_market(self, request: OrderRequest) -> bool:
        """Tell whether an accepted order rests on the book by now."""

    @property
    def coin(self) -> str:
        """Return the currency of the market's coin."""
        return self.market.partition("-")[2]

    # --- what tests do with it ----------------------------------------------------

    def limit_buy(self, **changes: Any) -> OrderRequest:
        """Return a buy of about 20,000 won, a fifth below the market."""
        price = self.adapter.get_rules(market=self.market).floor_tick(
            self.best_ask() * Decimal("0.8")
        )
        volume = (Decimal(20_000) / price).quantize(Decimal("0.00000001"))
        return replace(
            _request(self.market, Side.BID, OrderKind.LIMIT),
            **{"price": price, "volume": volume, **changes},
        )

    def market_buy(self, won: int) -> OrderRequest:
        """Return a market buy."""
        request = _request(self.market, Side.BID, OrderKind.MARKET)
        return replace(request, funds=Decimal(won))

    def sell(self, volume: Decimal, *, price: Decimal | None = None) -> OrderRequest:
        """Return a limit sell, or a market sell without a price."""
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        request = _request(self.market, Side.ASK, kind)
        return replace(request, volume=volume, price=price)

    def place(self, request: OrderRequest) -> OrderView:
        """Send an order of either kind."""
        if request.kind is OrderKind.MARKET:
            return self.adapter.place_market_order(request=request)
        return self.adapter.place_limit_order(request=request)

    def rest(self, request: OrderRequest) -> OrderView:
        """Send an order and wait until it rests."""
        sent = self.place(request)
        self.when(request, lambda _: self.has_met_the_market(request))
        return sent

    def ended(self, request: OrderRequest) -> OrderView:
        """Return an order once it cannot fill any more."""
        return self.when(request, lambda view: not view.is_open)

    def when(
        self, request: OrderRequest, check: Callable[[OrderView], bool]
    ) -> OrderView:
        """Return an order once it is as wanted; a new one may not be found at once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        view = self._seen(request)
        while view is None or not check(view):
            assert time.monotonic() < deadline, f"it did not happen to {view}"
            time.sleep(0.05)
            view = self._seen(request)
        return view

    def _seen(self, request: OrderRequest) -> OrderView | None:
        try:
            return self.adapter.get_order(identifier=request.identifier)
        except NotFound:
            return None

    def bought(self, won: int) -> OrderView:
        """Buy at the market and return what came of it."""
        request = self.market_buy(won)
        self.place(request)
        return self.ended(request)

    def owns(self, currency: str) -> tuple[Decimal, Decimal]:
        """Return free and locked amount of a currency."""
        balance = self.adapter.get_balances().get(currency)
        return (Decimal(0),) * 2 if balance is None else (balance.free, balance.locked)


def _request(market: str, side: Side, kind: OrderKind) -> OrderRequest:
    name = f"contract-{uuid.uuid4().hex[:20]}"
    return OrderRequest(identifier=name, market=market, side=side, kind=kind)


def funds(view: OrderView) -> Decimal:
    """Return the won that an order's trades moved, without fee."""
    assert view.trades is not None
    return sum((trade.funds for trade in view.trades), Decimal(0))


class AdapterContract:
    """The rules; each test gets a world of its own."""

    # --- market orders --------------------------------------------------------------

    def test_a_market_buy_ends_filled_although_a_rest_comes_back(
        self, world: World
    ) -> None:
        free, _ = world.owns("KRW")
        request = world.market_buy(10_000)

        sent = world.place(request)
        view = world.ended(request)

        assert sent.uuid == view.uuid
        assert (view.outcome, view.kind) == (Outcome.FILLED, OrderKind.MARKET)
        assert (view.price, view.volume, view.funds) == (None, None, 10_000)
        assert 0 <= 10_000 - funds(view) < world.best_ask() * Decimal("1e-7")
        assert world.owns("KRW") == (free - funds(view) - view.paid_fee, 0)
        assert world.owns(world.coin) == (view.executed_volume, 0)

    def test_a_market_sell_empties_the_position(self, world: World) -> None:
        bought = world.bought(10_000)
        free, _ = world.owns("KRW")
        request = world.sell(bought.executed_volume)

        world.place(request)
        view = world.ended(request)

        assert view.outcome is Outcome.FILLED
        assert (view.price, view.funds, view.volume) == (
            *(None, None),
            bought.executed_volume,
        )
        assert world.owns("KRW") == (free + funds(view) - view.paid_fee, 0)
        assert world.owns(world.coin) == (0, 0)

    def test_trades_fees_and_volumes_add_up(self, world: World) -> None:
        view = world.bought(50_000)

        assert view.trades
        assert len(view.trades) == view.trades_count
        assert sum(t.volume for t in view.trades) == view.executed_volume
        assert sum(t.fee for t in view.trades) == view.paid_fee
        assert all(t.funds == t.price * t.volume for t in view.trades)
        rules = world.adapter.get_rules(market=world.market)
        assert view.paid_fee == funds(view) * rules.bid_fee

    # --- limit orders ---------------------------------------------------------------

    def test_a_resting_order_is_found_by_every_way_to_ask(self, world: World) -> None:
        request = world.limit_buy()

        sent = world.rest(request)

        adapter = world.adapter
        assert (sent.outcome, sent.identifier) == (Outcome.OPEN, request.identifier)
        assert (sent.price, sent.volume) == (request.price, request.volume)
        found = [
            adapter.get_order(uuid=sent.uuid),
            adapter.get_order(identifier=request.identifier),
            *adapter.list_orders(),
            *adapter.list_orders(market=world.market),
            *adapter.list_orders(identifiers=[request.identifier, "never-sent"]),
        ]
        assert [view.uuid for view in found] == [sent.uuid] * 5
        assert adapter.list_orders(market="KRW-OTHER") == []

    def test_it_locks_its_total_and_fee_until_it_is_cancelled(
        self, world: World
    ) -> None:
        free, _ = world.owns("KRW")
        request = world.limit_buy()
        assert request.price is not None
        assert request.volume is not None
        total = request.price * request.volume
        fee = total * world.adapter.get_rules(market=world.market).bid_fee

        sent = world.place(request)
        while_resting = world.owns("KRW")
        world.adapter.cancel_order(uuid=sent.uuid)
        ended = world.ended(request)

        assert while_resting == (free - total - fee, total + fee)
        assert (ended.outcome, ended.executed_volume) == (Outcome.CANCELLED, 0)
        assert world.owns("KRW") == (free, 0)

    def test_a_cancelled_order_moves_to_the_closed_ones(self, world: World) -> None:
        request = world.limit_buy()
        sent = world.place(request)
        world.adapter.cancel_order(uuid=sent.uuid)
        world.ended(request)

        month_ago = datetime.now(UTC) - timedelta(days=30)
        closed = world.adapter.list_orders(open_only=False, since=month_ago)

        assert [view.uuid for view in closed] == [sent.uuid]
        assert world.adapter.list_orders() == []
        (named,) = world.adapter.list_orders(identifiers=[request.identifier])
        assert named.outcome is Outcome.CANCELLED

    def test_a_price_traded_through_fills_at_the_order_s_own(
        self, world: World
    ) -> None:
        request = world.limit_buy()
        assert request.price is not None
        world.rest(request)

        tick = world.adapter.get_rules(market=world.market).tick_size(request.price)
        world.trade(price=request.price - tick)
        view = world.ended(request)

        assert (view.outcome, view.executed_volume) == (Outcome.FILLED, request.volume)
        assert view.trades is not None
        assert {trade.price for trade in view.trades} == {request.price}

    def test_a_partly_filled_order_is_still_open_and_keeps_its_part(
        self, world: World
    ) -> None:
        request = world.limit_buy()
        assert request.price is not None
        assert request.volume is not None
        part = (request.volume / 4).quantize(Decimal("0.00000001"))
        sent = world.rest(request)

        world.trade(price=request.price, volume=part)
        partly = world.when(request, lambda view: view.executed_volume > 0)
        world.adapter.cancel_order(uuid=sent.uuid)
        ended = world.ended(request)

        assert (partly.outcome, partly.executed_volume) == (Outcome.PARTIAL, part)
        assert (ended.outcome, ended.executed_volume) == (Outcome.CANCELLED, part)
        assert funds(ended) == request.price * part
        assert world.owns(world.coin) == (part, 0)

    def test_a_resting_sell_locks_coins_and_pays_its_fee_from_the_proceeds(
        self, world: World
    ) -> None:
        coins = world.bought(20_000).executed_volume
        rules = world.adapter.get_rules(market=world.market)
        price = rules.ceil_tick(world.best_ask() * Decimal("1.2"))
        request = world.sell(coins, price=price)

        world.rest(request)
        free, locked = world.owns("KRW")
        assert (locked, world.owns(world.coin)) == (0, (0, coins))
        world.trade(price=price + rules.tick_size(price))
        view = world.ended(request)

        assert view.outcome is Outcome.FILLED
        assert view.paid_fee == price * coins * rules.ask_fee
        assert world.owns("KRW") == (free + price * coins - view.paid_fee, 0)

    # --- self-match prevention --------------------------------------------------------

    def test_our_buying_never_takes_our_own_resting_sell(self, world: World) -> None:
        coins = world.bought(20_000).executed_volume
        exit_ = world.sell(coins, price=world.best_ask())
        world.rest(exit_)

        request = world.market_buy(6_000)
        world.place(request)
        view = world.ended(request)

        assert (view.outcome, view.executed_volume) == (Outcome.CANCELLED, 0)
        assert view.prevented_volume > 0
        assert world.when(exit_, lambda view: True).outcome is Outcome.OPEN

    # --- once and only once -----------------------------------------------------------

    def test_a_repeated_identifier_makes_no_second_order(self, world: World) -> None:
        request = world.limit_buy()
        first = world.rest(request)

        with pytest.raises(Ambiguous) as caught:
            world.place(request)

        assert caught.value.name == "duplicated_identifier"
        assert [view.uuid for view in world.adapter.list_orders()] == [first.uuid]

    def test_an_identifier_is_used_up_when_its_order_is_gone(
        self, world: World
    ) -> None:
        request = world.limit_buy()
        sent = world.place(request)
        world.adapter.cancel_order(uuid=sent.uuid)
        world.ended(request)

        with pytest.raises(Ambiguous):
            world.place(request)

        assert world.adapter.list_orders() == []

    def test_more_identifiers_than_one_call_takes_are_all_asked_for(
        self, world: World
    ) -> None:
        request = world.limit_buy()
        world.rest(request)
        unknown = [f"never-sent-{number}" for number in range(205)]

        found = world.adapter.list_orders(identifiers=[*unknown, request.identifier])

        assert [view.identifier for view in found] == [request.identifier]

    # --- refusals ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"price": Decimal("1000.5")}, "invalid_price_bid"),
            ({"volume": Decimal("0.00000001")}, "under_min_total_bid"),
            ({"volume": Decimal(10**8)}, "over_krw_funds_bid"),
            ({"market": NOBODY}, "notfoundmarket"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_refused_is_refused_for_certain(
        self, world: World, changes: dict[str, Any], name: str
    ) -> None:
        before = world.owns("KRW")
        request = world.limit_buy(**changes)

        with pytest.raises(Refused) as caught:
            world.place(request)

        assert caught.value.name == name
        assert world.owns("KRW") == before
        with pytest.raises(NotFound):
            world.adapter.get_order(identifier=request.identifier)

    def test_more_won_than_there_are_is_refused(self, world: World) -> None:
        free, _ = world.owns("KRW")
        rules = world.adapter.get_rules(market=world.market)
        price = rules.floor_tick(world.best_ask() * Decimal("0.8"))

        # All of it, and nothing left for the fee.
        volume = (free / price).quantize(Decimal("0.00000001"), rounding=ROUND_UP)

        with pytest.raises(Refused) as caught:
            world.place(world.limit_buy(volume=volume))

        assert caught.value.name == "insufficient_funds_bid"

    def test_coins_that_are_not_there_are_not_sold(self, world: World) -> None:
        coins = (Decimal(10_000) / world.best_ask()).quantize(Decimal("0.00000001"))

        with pytest.raises(Refused) as caught:
            world.place(world.sell(coins))

        assert caught.value.name == "insufficient_funds_ask"

    # --- what is not there ------------------------------------------------------------

    def test_an_order_nobody_sent_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.adapter.get_order(identifier="never-sent")
        with pytest.raises(NotFound):
            world.adapter.get_order(uuid=str(uuid.uuid4()))
        with pytest.raises(NotFound):
            world.adapter.cancel_order(uuid=str(uuid.uuid4()))

    def test_an_order_that_is_over_cannot_be_cancelled(self, world: World) -> None:
        view = world.bought(10_000)

        with pytest.raises((NotFound, Refused)):
            world.adapter.cancel_order(uuid=view.uuid)

        assert world.adapter.get_order(uuid=view.uuid) == view

    def test_an_order_is_named_in_one_way(self, world: World) -> None:
        with pytest.raises(ValueError, match="uuid or by identifier"):
            world.adapter.get_order()
        with pytest.raises(ValueError, match="uuid or by identifier"):
            world.adapter.get_order(uuid="x", identifier="y")

    # --- markets ----------------------------------------------------------------------

    def test_rules_names_and_prices(self, world: World) -> None:
        adapter, market = world.adapter, world.market

        rules, state = (
            adapter.get_rules(market=market),
            adapter.get_market(market=market),
        )
        quote = adapter.get_prices(markets=[market, NOBODY])

        assert rules.bid_fee == rules.ask_fee == Decimal("0.0005")
        assert (rules.min_total, rules.max_total) == (5000, 1_000_000_000)
        assert rules.is_active
        assert {"limit", "market"} <= rules.bid_kinds & rules.ask_kinds
        assert (state.market, state.warning) == (market, False)
        assert state.korean_name
        assert set(quote) == {market}
        assert rules.ticks.is_on_tick(price=quote[market].price)
        assert abs(datetime.now(UTC) - quote[market].received_at) < timedelta(minutes=1)

    def test_a_market_that_does_not_exist_has_no_rules_and_no_names(
        self, world: World
    ) -> None:
        with pytest.raises(Refused):
            world.adapter.get_rules(market=NOBODY)
        with pytest.raises(Refused):
            world.adapter.get_market(market=NOBODY)
        assert world.adapter.get_prices(markets=[NOBODY]) == {}

    def test_a_good_key_passes_its_check(self, world: World) -> None:
        report = world.adapter.check_key()

        assert report.accepted
        assert report.withdraw_refused is True
        assert (report.missing, report.excess) == ((), ())
        assert (report.days_left(now=datetime.now(UTC)) or 0) > 30
