"""Won, ticks and decimal text: Upbit's KRW rules to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.money import (
    KRW_TICKS,
    STABLE_TICKS,
    MarketRules,
    NotADecimal,
    TickTable,
    floor_won,
    plain,
    ticks_of,
    to_decimal,
    truncate_volume,
)

MANY = settings(max_examples=500, deadline=None)
PRICES = st.builds(
    lambda digits, power: digits * Decimal(10) ** power,
    st.integers(1, 10**12),
    st.integers(-16, -2),
)
TABLES = st.sampled_from([KRW_TICKS, STABLE_TICKS])


class TestTickSize:
    @pytest.mark.parametrize(
        ("price", "tick"),
        [
            ("2500000", "1000"),
            ("1000000", "1000"),
            ("999999", "500"),
            ("500000", "500"),
            ("499999", "100"),
            ("100000", "100"),
            ("99999", "50"),
            ("50000", "50"),
            ("49999", "10"),
            ("10000", "10"),
            ("9999", "5"),
            ("5000", "5"),
            ("4999", "1"),
            ("1000", "1"),
            ("999", "1"),
            ("100", "1"),
            ("99.9", "0.1"),
            ("10", "0.1"),
            ("9.99", "0.01"),
            ("1", "0.01"),
            ("0.999", "0.001"),
            ("0.1", "0.001"),
            ("0.0999", "0.0001"),
            ("0.01", "0.0001"),
            ("0.00999", "0.00001"),
            ("0.001", "0.00001"),
            ("0.0009", "0.000001"),
            ("0.0001", "0.000001"),
            ("0.00009", "0.0000001"),
            ("0.00001", "0.0000001"),
            ("0.000009", "0.00000001"),
        ],
    )
    def test_the_documented_table(self, price: str, tick: str) -> None:
        assert KRW_TICKS.tick_size(price=Decimal(price)) == Decimal(tick)

    @pytest.mark.parametrize("market", ["KRW-USDT", "KRW-USDC"])
    @pytest.mark.parametrize(
        ("price", "tick"),
        [
            ("10000", "10"),
            ("9999", "0.5"),
            ("1390", "0.5"),
            ("999", "1"),
            ("99", "0.1"),
        ],
    )
    def test_dollar_coins_have_half_won_ticks(
        self, market: str, price: str, tick: str
    ) -> None:
        assert ticks_of(market=market).tick_size(price=Decimal(price)) == Decimal(tick)

    def test_every_other_market_has_the_common_table(self) -> None:
        assert ticks_of(market="KRW-BTC") is KRW_TICKS

    @pytest.mark.parametrize("price", ["0", "-1"])
    def test_a_price_of_nothing_has_no_tick(self, price: str) -> None:
        with pytest.raises(ValueError, match="above 0"):
            KRW_TICKS.tick_size(price=Decimal(price))

    @pytest.mark.parametrize("table", [KRW_TICKS, STABLE_TICKS])
    def test_bands_descend_and_every_edge_is_on_both_grids(
        self, table: TickTable
    ) -> None:
        edges = [edge for edge, _ in table.bands]

        assert edges == sorted(edges, reverse=True)
        assert edges[-1] == 0
        for (edge, tick), (_, tick_below) in pairwise(table.bands):
            assert edge % tick == 0
            assert edge % tick_below == 0


class TestRounding:
    @pytest.mark.parametrize(
        ("price", "down", "up"),
        [
            ("3521.4", "3521", "3522"),
            ("3521", "3521", "3521"),
            ("999999", "999500", "1000000"),
            ("1000001", "1000000", "1001000"),
            ("99.95", "99.9", "100"),
            ("0.000000001", "0", "0.00000001"),
        ],
    )
    def test_buys_go_down_and_sells_go_up(self, price: str, down: str, up: str) -> None:
        rules = MarketRules(market="KRW-XRP")

        assert rules.floor_tick(Decimal(price)) == Decimal(down)
        assert rules.ceil_tick(Decimal(price)) == Decimal(up)

    @MANY
    @given(TABLES, PRICES)
    def test_a_price_lies_between_its_neighbours_on_the_grid(
        self, table: TickTable, price: Decimal
    ) -> None:
        down, up = table.floor(price=price), table.ceil(price=price)

        assert down <= price <= up
        assert up - down <= table.tick_size(price=price)
        assert table.is_on_tick(price=up)
        assert down == 0 or table.is_on_tick(price=down)

    @MANY
    @given(TABLES, PRICES)
    def test_rounding_twice_changes_nothing(
        self, table: TickTable, price: Decimal
    ) -> None:
        up = table.ceil(price=price)

        assert table.ceil(price=up) == table.floor(price=up) == up

    @MANY
    @given(TABLES, PRICES, PRICES)
    def test_rounding_keeps_the_order_of_prices(
        self, table: TickTable, one: Decimal, other: Decimal
    ) -> None:
        low, high = sorted((one, other))

        assert table.floor(price=low) <= table.floor(price=high)
        assert table.ceil(price=low) <= table.ceil(price=high)

    def test_won_and_volume_are_cut_never_rounded_up(self) -> None:
        assert floor_won(Decimal("999.999")) == 999
        assert truncate_volume(Decimal("0.123456789")) == Decimal("0.12345678")

    def test_a_market_may_bring_its_own_table(self) -> None:
        rules = replace(MarketRules(market="KRW-USDT"), ticks=STABLE_TICKS)

        assert rules.tick_size(Decimal(1390)) == Decimal("0.5")
        assert rules.floor_tick(Decimal("1390.7")) == Decimal("1390.5")


class TestDecimalText:
    @pytest.mark.parametrize("value", ["1.50", "-3", "0", 7, Decimal("0.1"), "1e-8"])
    def test_text_whole_numbers_and_decimals_are_taken(self, value: object) -> None:
        assert to_decimal(value) == Decimal(value)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "value",
        [
            *(1.5, True, None, b"1", [], "", "abc", "1,000", "0x1", "1.2.3"),
            *("NaN", "sNaN", "Infinity", "-inf", Decimal("NaN")),
        ],
    )
    def test_floats_and_words_are_refused(self, value: object) -> None:
        with pytest.raises(NotADecimal):
            to_decimal(value)

    @pytest.mark.parametrize("value", ["1e999999999", "1e41", "-1e-99", "1" * 61])
    def test_a_number_too_long_to_be_money_is_refused(self, value: str) -> None:
        with pytest.raises(NotADecimal, match="too long"):
            to_decimal(value)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("1E+3", "1000"),
            ("1E-8", "0.00000001"),
            ("100", "100"),
            ("1.500", "1.5"),
            ("0E-8", "0"),
            ("-0.00", "0"),
            ("-1.10", "-1.1"),
        ],
    )
    def test_plain_text_has_no_exponent_and_no_trailing_zeros(
        self, value: str, text: str
    ) -> None:
        assert plain(Decimal(value)) == text

    @MANY
    @given(
        st.decimals(
            allow_nan=False, allow_infinity=False, min_value=-(10**15), places=20
        )
    )
    def test_what_is_written_is_read_back(self, value: Decimal) -> None:
        text = plain(value)

        assert to_decimal(text) == value
        assert "e" not in text.lower()
