"""Double entry: nothing appears, nothing vanishes, to the last decimal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.money import truncate_volume
from user_project.trading.ledger import (
    Booking,
    InvalidFill,
    Oversold,
    Position,
    book_buy,
    book_sell,
    split_fee,
)

MARKET = "KRW-BTC"
MANY = settings(max_examples=300, deadline=None)
VOLUMES = st.integers(1, 10**13).map(lambda units: units * Decimal("1E-8"))
FUNDS = st.integers(0, 10**22).map(lambda units: units * Decimal("1E-13"))
FEES = st.integers(0, 10**22).map(lambda units: units * Decimal("1E-17"))


def buy(volume: str, funds: str, fee: str, *, held: Position | None = None) -> Booking:
    return book_buy(
        position=held or Position(),
        market=MARKET,
        volume=Decimal(volume),
        funds=Decimal(funds),
        fee=Decimal(fee),
    )


def sell(volume: str, funds: str, fee: str, *, held: Position) -> Booking:
    return book_sell(
        position=held,
        market=MARKET,
        volume=Decimal(volume),
        funds=Decimal(funds),
        fee=Decimal(fee),
    )


def trade(
    book: Callable[..., Booking],
    held: Position,
    volume: Decimal,
    funds: Decimal,
    fee: Decimal,
) -> Booking:
    return book(position=held, market=MARKET, volume=volume, funds=funds, fee=fee)


def balances(*bookings: Booking) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for booking in bookings:
        for leg in booking.legs:
            sums[leg.account, leg.currency] += leg.amount
    return dict(sums)


def exact(values: Iterable[Decimal]) -> Decimal:
    """Add without the default context's rounding to 28 digits."""
    with localcontext(prec=100):
        return sum(values, Decimal(0))


def of_account(bookings: Iterable[Booking], account: str) -> list[Decimal]:
    return [
        leg.amount
        for booking in bookings
        for leg in booking.legs
        if (leg.account, leg.currency) == (account, "KRW")
    ]


class TestBuying:
    def test_a_buy_turns_cash_into_a_position_with_its_fee(self) -> None:
        booking = buy("0.5", "10000", "5")

        assert booking.position == Position(volume=Decimal("0.5"), cost=Decimal(10_005))
        assert booking.profit == 0
        assert balances(booking) == {
            ("cash", "KRW"): Decimal(-10_005),
            ("position", "KRW"): Decimal(10_005),
            ("fee", "KRW"): Decimal(5),
            ("market", "KRW"): Decimal(-5),
            ("market", "BTC"): Decimal("-0.5"),
            ("position", "BTC"): Decimal("0.5"),
        }

    def test_a_fee_of_nothing_writes_no_empty_legs(self) -> None:
        booking = buy("0.5", "10000", "0")

        assert {leg.account for leg in booking.legs} == {"cash", "position", "market"}

    @pytest.mark.parametrize(
        ("volume", "funds", "fee"),
        [("0", "1", "0"), ("-1", "1", "0"), ("1", "-1", "0"), ("1", "1", "-1")],
    )
    def test_an_impossible_fill_is_refused(
        self, volume: str, funds: str, fee: str
    ) -> None:
        with pytest.raises(InvalidFill):
            buy(volume, funds, fee)


class TestSelling:
    def test_the_profit_is_net_of_both_fees(self) -> None:
        bought = buy("0.5", "10000", "5")

        sold = sell("0.5", "10200", "5.1", held=bought.position)

        assert sold.profit == Decimal("189.9")  # 10200 - 5.1 - 10005
        assert sold.position == Position()
        assert balances(bought, sold) == {
            ("cash", "KRW"): Decimal("189.9"),
            ("profit", "KRW"): Decimal("-189.9"),
            ("position", "KRW"): Decimal(0),
            ("fee", "KRW"): Decimal("10.1"),
            ("market", "KRW"): Decimal("-10.1"),
            ("position", "BTC"): Decimal(0),
            ("market", "BTC"): Decimal(0),
        }

    def test_a_sale_writes_what_was_received_as_one_cash_leg(self) -> None:
        bought = buy("0.5", "10000", "5")

        sold = sell("0.5", "10200", "5.1", held=bought.position)

        cash = [leg.amount for leg in sold.legs if leg.account == "cash"]
        assert cash == [Decimal("10194.9")]

    def test_a_loss_is_a_debit(self) -> None:
        bought = buy("1", "10000", "0")

        sold = sell("1", "9000", "0", held=bought.position)

        assert sold.profit == -1000
        assert balances(sold)["profit", "KRW"] == 1000

    def test_a_third_takes_a_third_of_the_cost(self) -> None:
        held = Position(volume=Decimal(3), cost=Decimal(10_000))

        sold = sell("1", "5000", "0", held=held)

        assert sold.position.volume == 2
        assert sold.position.cost == Decimal("6666.66666666666666666667")

    def test_selling_more_than_held_is_refused(self) -> None:
        held = Position(volume=Decimal("0.5"), cost=Decimal(10_000))

        with pytest.raises(Oversold, match=r"0\.50000001.*0\.5 held"):
            sell("0.50000001", "1", "0", held=held)

    def test_a_sale_for_nothing_is_booked_as_a_loss(self) -> None:
        # The exchange rounds tiny settlements to zero won.
        sold = sell("1", "0", "0", held=Position(volume=Decimal(1), cost=Decimal(3)))

        assert sold.profit == -3


class TestConservation:
    @MANY
    @given(
        st.lists(st.tuples(VOLUMES, FUNDS, FEES), min_size=1, max_size=4),
        st.lists(st.tuples(st.integers(1, 100), FUNDS, FEES), max_size=4),
    )
    def test_every_booking_sums_to_zero_and_a_closed_position_leaves_nothing(
        self,
        buys: list[tuple[Decimal, Decimal, Decimal]],
        sells: list[tuple[int, Decimal, Decimal]],
    ) -> None:
        bookings: list[Booking] = []
        position, paid_fees = Position(), Decimal(0)
        for volume, funds, fee in buys:
            paid_fees = exact([paid_fees, fee])
            bookings.append(trade(book_buy, position, volume, funds, fee))
            position = bookings[-1].position
        for percent, funds, fee in [*sells, (100, Decimal(1), Decimal(0))]:
            part = truncate_volume(position.volume * percent / 100)
            if part > 0:
                paid_fees = exact([paid_fees, fee])
                bookings.append(trade(book_sell, position, part, funds, fee))
                position = bookings[-1].position

        assert position == Position()
        for booking in bookings:
            for currency in ("KRW", "BTC"):
                legs = [leg for leg in booking.legs if leg.currency == currency]
                assert exact(leg.amount for leg in legs) == 0
        cash = exact(of_account(bookings, "cash"))
        assert exact(of_account(bookings, "position")) == 0
        assert exact(booking.profit for booking in bookings) == cash
        assert exact(of_account(bookings, "profit")) == -cash
        assert exact(of_account(bookings, "fee")) == paid_fees

    @MANY
    @given(VOLUMES, FUNDS, st.integers(1, 10**13))
    def test_cost_never_turns_negative(
        self, volume: Decimal, cost: Decimal, part: int
    ) -> None:
        sold = min(part * Decimal("1E-8"), volume)

        after = book_sell(
            position=Position(volume=volume, cost=cost),
            market=MARKET,
            volume=sold,
            funds=cost,
            fee=Decimal(0),
        ).position

        assert 0 <= after.cost <= cost


class TestSplittingFees:
    def test_a_proportional_fee_is_split_exactly(self) -> None:
        parts = split_fee(
            paid_fee=Decimal("4.5"), funds=[Decimal(1000), Decimal(3000), Decimal(5000)]
        )

        assert parts == (Decimal("0.5"), Decimal("1.5"), Decimal("2.5"))

    def test_a_third_each_still_sums_to_the_whole(self) -> None:
        parts = split_fee(paid_fee=Decimal(1), funds=[Decimal(7)] * 3)

        assert sum(parts) == 1
        assert max(parts) - min(parts) <= Decimal("1E-20")

    def test_no_trades_and_no_fee_is_nothing(self) -> None:
        assert split_fee(paid_fee=Decimal(0), funds=[]) == ()

    @pytest.mark.parametrize("funds", [[0], [0, 5]])
    def test_free_trades_carry_no_fee(self, funds: list[int]) -> None:
        parts = split_fee(paid_fee=Decimal(0), funds=[Decimal(x) for x in funds])

        assert parts == tuple(Decimal(0) for _ in funds)

    @pytest.mark.parametrize(
        ("paid_fee", "funds"),
        [("1", []), ("1", ["0"]), ("-1", ["5"]), ("1", ["5", "-1"])],
    )
    def test_a_fee_that_fits_no_trade_is_refused(
        self, paid_fee: str, funds: list[str]
    ) -> None:
        with pytest.raises(InvalidFill):
            split_fee(paid_fee=Decimal(paid_fee), funds=[Decimal(x) for x in funds])

    @MANY
    @given(FEES, st.lists(FUNDS, min_size=1, max_size=12).filter(any))
    def test_parts_sum_to_the_fee_and_none_is_negative(
        self, paid_fee: Decimal, funds: list[Decimal]
    ) -> None:
        parts = split_fee(paid_fee=paid_fee, funds=funds)

        assert len(parts) == len(funds)
        assert all(part >= 0 for part in parts)
        assert all(part.as_tuple().exponent >= -20 for part in parts)  # type: ignore[operator]
        assert exact(parts) == paid_fee
