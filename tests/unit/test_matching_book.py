"""Orders meet liquidity level by level, each other, and what keeps them apart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from common.money import MarketRules
from tests.unit.matching_desk import NOW, Desk
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_events import Event
from user_project.trading.matching_orders import (
    Level,
    NewOrder,
    Order,
    OrderRefused,
    OrderType,
    State,
)
from user_project.trading.orders import Side

D = Decimal
M = "000000"  # prices are written in millions


def fills(order: Order) -> list[tuple[Decimal, Decimal]]:
    return [(trade.price, trade.volume) for trade in order.trades]


def test_a_taker_walks_the_levels_up_to_its_limit_and_rests_with_the_remainder() -> (
    None
):
    desk = Desk(KRW="1000000000")
    order = desk.place("bid", "limit", price=f"101{M}", volume="3")

    met = desk.arrive(order, (f"100{M}", "1"), (f"101{M}", "0.5"), (f"102{M}", "9"))

    assert fills(met) == [(D(f"100{M}"), D(1)), (D(f"101{M}"), D("0.5"))]
    assert (met.state, met.remaining_volume) == (State.WAIT, D("1.5"))
    assert desk.engine.touch(market="KRW-BTC") == (D(f"101{M}"), None)
    assert desk.wallet("KRW").locked == D(f"101{M}") * D("1.5") * D("1.0005")


def test_a_sale_walks_the_bids_downwards() -> None:
    desk = Desk(BTC="2")
    order = desk.place("ask", "market", volume="1.5")

    met = desk.arrive(order, (f"99{M}", "1"), (f"98{M}", "1"))

    assert fills(met) == [(D(f"99{M}"), D(1)), (D(f"98{M}"), D("0.5"))]
    assert met.state is State.DONE


def test_a_market_order_ends_cancelled_when_the_book_runs_out() -> None:
    desk = Desk(BTC="2", KRW="1000000000")
    sale = desk.arrive(desk.place("ask", "market", volume="1.5"), (f"99{M}", "1"))
    buy = desk.arrive(desk.place("bid", "price", price=f"200{M}"), (f"99{M}", "1"))
    nothing = desk.arrive(desk.place("bid", "price", price=f"200{M}"))

    assert (sale.state, sale.executed_volume) == (State.CANCEL, D(1))
    assert (buy.state, buy.executed_volume) == (State.CANCEL, D(1))
    assert (nothing.state, nothing.trades) == (State.CANCEL, ())
    assert (desk.wallet("KRW").locked, desk.wallet("BTC").locked) == (D(0), D(0))


def test_a_resting_order_fills_partly_at_its_price_and_wholly_through_it() -> None:
    desk = Desk(KRW="1000000000")
    order = desk.rest("bid", f"90{M}", "3")

    desk.walk(f"90{M}", volume="1")
    part = desk.now(order)
    desk.walk("89999000", volume="0.00000001")
    whole = desk.now(order)

    assert (part.state, part.executed_volume) == (State.WAIT, D(1))
    assert (whole.state, whole.executed_volume) == (State.DONE, D(3))
    assert {trade.price for trade in whole.trades} == {D(f"90{M}")}
    assert all(trade.is_maker for trade in whole.trades)


def test_what_trades_at_a_price_is_shared_in_turn() -> None:
    desk = Desk(KRW="1000000000")
    older = desk.rest("bid", f"90{M}", "1")
    younger = desk.rest("bid", f"90{M}", "1")

    desk.walk(f"90{M}", volume="1.25")

    assert desk.now(older).state is State.DONE
    assert desk.now(younger).executed_volume == D("0.25")


def test_orders_of_two_accounts_match_at_the_resting_price() -> None:
    desk = Desk(KRW="1000000000")
    desk.open("other", BTC="1")
    ask = desk.rest("ask", f"95{M}", "1", account="other")
    buy = desk.place("bid", "limit", price=f"97{M}", volume="2")

    met = desk.arrive(buy, (f"96{M}", "1"))

    assert fills(met) == [(D(f"95{M}"), D(1)), (D(f"96{M}"), D(1))]
    assert desk.now(ask).state is State.DONE
    assert desk.now(ask).trades[0].uuid == met.trades[0].uuid
    assert (desk.now(ask).trades[0].is_maker, met.trades[0].is_maker) == (True, False)
    assert desk.wallet("KRW", account="other").balance == D(f"95{M}") * D("0.9995")


@pytest.mark.parametrize(
    ("tif", "price", "state", "executed"),
    [
        ("ioc", f"101{M}", State.CANCEL, "1.5"),
        ("ioc", f"102{M}", State.DONE, "3"),
        ("ioc", f"99{M}", State.CANCEL, "0"),
        ("fok", f"101{M}", State.CANCEL, "0"),
        ("fok", f"102{M}", State.DONE, "3"),
        ("post_only", f"99{M}", State.WAIT, "0"),
        ("post_only", f"100{M}", State.CANCEL, "0"),
    ],
)
def test_how_long_a_limit_order_may_wait(
    tif: str, price: str, state: State, executed: str
) -> None:
    desk = Desk(KRW="1000000000")
    order = desk.place("bid", "limit", price=price, volume="3", tif=tif)

    met = desk.arrive(order, (f"100{M}", "1"), (f"101{M}", "0.5"), (f"102{M}", "9"))

    assert (met.state, met.executed_volume) == (state, D(executed))


@pytest.mark.parametrize(
    ("side", "tif", "amount", "executed", "state"),
    [
        ("ask", "ioc", {"volume": "1"}, "0.4", State.CANCEL),
        ("ask", "ioc", {"volume": "0.4"}, "0.4", State.DONE),
        ("ask", "fok", {"volume": "1"}, "0", State.CANCEL),
        ("bid", "ioc", {"price": f"80{M}"}, "0.4", State.CANCEL),
        ("bid", "ioc", {"price": f"40{M}"}, "0.4", State.DONE),
        ("bid", "ioc", {"price": "6000.5"}, "0.00006", State.CANCEL),
        ("bid", "fok", {"price": f"80{M}"}, "0", State.CANCEL),
        ("bid", "fok", {"price": "6000.5"}, "0.00006", State.CANCEL),
    ],
)
def test_a_best_order_meets_the_first_price_only(
    side: str, tif: str, amount: dict[str, str], executed: str, state: State
) -> None:
    desk = Desk(KRW="1000000000", BTC="1")
    order = desk.place(side, "best", tif=tif, **amount)  # type: ignore[arg-type]
    second = f"101{M}" if side == "bid" else f"99{M}"

    met = desk.arrive(order, (f"100{M}", "0.4"), (second, "9"))

    assert (met.executed_volume, met.state) == (D(executed), state)


SMP = [
    # (smp, taker volume, maker: state, rest, prevented; taker: state, rest, prevented)
    ("none", "2", ("done", "0", "0"), ("wait", "1", "0")),
    ("cancel_maker", "2", ("cancel", "0", "1"), ("wait", "2", "0")),
    ("cancel_taker", "2", ("wait", "1", "0"), ("cancel", "0", "2")),
    ("reduce", "2", ("cancel", "0", "1"), ("wait", "1", "1")),
    ("reduce", "0.25", ("wait", "0.75", "0.25"), ("cancel", "0", "0.25")),
    ("reduce", "1", ("cancel", "0", "1"), ("cancel", "0", "1")),
]


@pytest.mark.parametrize(("smp", "volume", "maker", "taker"), SMP)
def test_the_incoming_order_says_how_orders_of_one_account_are_kept_apart(
    smp: str, volume: str, maker: tuple[str, str, str], taker: tuple[str, str, str]
) -> None:
    desk = Desk(KRW="1000000000", BTC="1")
    ask = desk.rest("ask", f"95{M}", "1", smp="reduce")
    buy = desk.place("bid", "limit", price=f"96{M}", volume=volume, smp=smp)
    desk.arrive(buy)

    seen = [
        (str(o.state), str(o.remaining_volume), str(o.prevented_volume.normalize()))
        for o in (desk.now(ask), desk.now(buy))
    ]

    assert [(s, D(r), D(p)) for s, r, p in seen] == [
        (s, D(r), D(p)) for s, r, p in (maker, taker)
    ]
    bound = desk.now(buy).locked if taker[0] == "wait" else D(0)
    assert desk.wallet("KRW").locked == bound
    if smp != "none":
        owned = desk.wallet("KRW").balance + desk.wallet("KRW").locked
        assert owned == D("1000000000")
        prevented = desk.now(buy).prevented_locked
        assert prevented == D(taker[2]) * D(f"96{M}") * D("1.0005")
        assert desk.now(ask).prevented_locked == D(maker[2])


@pytest.mark.parametrize(
    ("smp", "state", "prevented_funds"),
    [
        ("cancel_taker", State.CANCEL, "100000000"),
        ("reduce", State.CANCEL, "95000000"),
        ("cancel_maker", State.CANCEL, "0"),
    ],
)
def test_prevention_takes_won_off_a_market_buy(
    smp: str, state: State, prevented_funds: str
) -> None:
    desk = Desk(KRW="1000000000", BTC="1")
    desk.rest("ask", f"95{M}", "1")
    buy = desk.place("bid", "price", price=f"100{M}", smp=smp)

    met = desk.arrive(buy, (f"96{M}", "10"))

    assert (met.state, met.prevented_funds) == (state, D(prevented_funds))
    assert desk.wallet("KRW").locked == 0
    spent = met.executed_funds + met.paid_fee
    assert desk.wallet("KRW").balance == D("1000000000") - spent
    assert (met.executed_funds == 0) == (smp == "cancel_taker")


def test_all_or_nothing_stays_nothing_where_prevention_would_take_a_part() -> None:
    desk = Desk(KRW="1000000000", BTC="1")
    desk.rest("ask", f"95{M}", "1")
    for smp in ("reduce", "cancel_taker"):
        buy = desk.place("bid", "limit", price=f"96{M}", volume="2", tif="fok", smp=smp)
        met = desk.arrive(buy, (f"94{M}", "1"), (f"96{M}", "5"))
        assert (met.state, met.trades) == (State.CANCEL, ())

    buy = desk.place(
        "bid", "limit", price=f"96{M}", volume="2", tif="fok", smp="cancel_maker"
    )
    met = desk.arrive(buy, (f"94{M}", "1"), (f"96{M}", "5"))

    assert fills(met) == [(D(f"94{M}"), D(1)), (D(f"96{M}"), D(1))]


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("price", {"price": "6000", "tif": "ioc"}, "invalid_time_in_force"),
        ("best", {"price": "6000"}, "invalid_time_in_force"),
        ("best", {"price": "6000", "tif": "post_only"}, "invalid_time_in_force"),
        ("best", {"volume": "1", "tif": "ioc"}, "create_bid_error"),
        (
            "limit",
            {"price": f"90{M}", "volume": "1", "tif": "post_only", "smp": "reduce"},
            "invalid_post_only",
        ),
    ],
)
def test_combinations_that_do_not_exist_are_refused(
    kind: str, options: dict[str, str], name: str
) -> None:
    desk = Desk(KRW="1000000000")

    with pytest.raises(OrderRefused) as refusal:
        desk.place("bid", kind, **options)  # type: ignore[arg-type]

    assert refusal.value.name == name


@pytest.mark.parametrize(
    ("side", "amount", "passes"),
    [
        ("bid", {"price": "30000000"}, True),
        ("bid", {"price": "30000000.01"}, False),
        ("ask", {"volume": "30"}, True),
        ("ask", {"volume": "30.00000001"}, False),
    ],
)
def test_a_market_order_must_fit_into_thirty_levels(
    side: str, amount: dict[str, str], passes: bool
) -> None:
    desk = Desk(KRW="1000000000", BTC="100")
    kind = "price" if side == "bid" else "market"
    book = tuple(Level(D(1_000_000), D(1)) for _ in range(31))

    def place() -> Order:
        return desk.place(side, kind, opposite=book, last="1000000", **amount)  # type: ignore[arg-type]

    if passes:
        assert place().state is State.WAIT
        return
    with pytest.raises(OrderRefused, match="30단계"):
        place()


@pytest.mark.parametrize(
    ("funds_first", "name"),
    [(False, "invalid_price_bid"), (True, "insufficient_funds_bid")],
)
def test_missing_money_can_be_told_before_a_wrong_price(
    funds_first: bool, name: str
) -> None:
    request = NewOrder(
        market="KRW-BTC",
        side=Side.BID,
        ord_type=OrderType.LIMIT,
        price=D("90000500"),
        volume=D(1),
    )

    with pytest.raises(OrderRefused) as refusal:
        Desk(KRW="1").engine.check(
            account="owner",
            request=request,
            rules=MarketRules(market="KRW-BTC"),
            last=D(f"100{M}"),
            uuid="u",
            now=NOW,
            funds_first=funds_first,
        )

    assert refusal.value.name == name


def test_a_burned_identifier_is_refused_and_finds_no_order() -> None:
    desk = Desk(KRW="1000000000")

    desk.engine.burn(account="owner", identifier="x")

    with pytest.raises(OrderRefused, match="identifier"):
        desk.place("bid", "price", price="6000", identifier="x")
    assert desk.engine.burned(account="owner") == ("x",)


def test_applying_the_same_events_gives_the_same_exchange() -> None:
    events: list[Event] = []
    desk = Desk()
    desk.engine = MatchingEngine(observe=events.append)
    desk.open("owner", KRW="1000000000", BTC="3")
    desk.rest("ask", f"95{M}", "1")
    desk.arrive(desk.place("bid", "price", price=f"100{M}", smp="reduce"), f"96{M}")
    desk.arrive(desk.place("bid", "limit", price=f"90{M}", volume="1", identifier="x"))
    desk.walk(f"90{M}", volume="0.5")
    desk.engine.deposit(account="owner", currency="KRW", amount=D("-5"))
    desk.engine.burn(account="owner", identifier="y")

    again = MatchingEngine()
    for event in events:
        again.apply(event=event)

    assert again.wallets(account="owner") == desk.engine.wallets(account="owner")
    assert list(again.orders(account="owner")) == list(
        desk.engine.orders(account="owner")
    )
    assert again.touch(market="KRW-BTC") == desk.engine.touch(market="KRW-BTC")
    assert again.waiting(market="KRW-BTC") == desk.engine.waiting(market="KRW-BTC")
