"""Won, ticks and decimal text: Upbit's KRW rules to the last digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import money
from common.money import (
    KRW_TICKS,
    STABLE_TICKS,
    TICK_RULES,
    MarketRules,
    NotADecimal,
    TickRules,
    TickTable,
    UnknownTicks,
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
LONG_PRICES = st.decimals(min_value="1e-20", max_value="1e20", places=20)
EDGES = st.sampled_from([edge for edge, _ in KRW_TICKS.bands[:-1]])
NEAR_EDGES = st.builds(
    lambda edge, share: edge * (1 + share), EDGES, st.decimals("-0.02", "0.02")
)
ANY_PRICE = PRICES | LONG_PRICES | NEAR_EDGES | EDGES
TODAY_S_TABLES = st.sampled_from([KRW_TICKS, STABLE_TICKS])
CORRECTED_TABLES = st.builds(
    lambda table, price, factor: table.corrected(
        price=price, tick=table.tick_size(price=price) * factor
    ),
    TODAY_S_TABLES,
    PRICES,
    st.sampled_from([Decimal(text) for text in ("0.1", "0.5", "2", "5", "10")]),
)
TABLES = TODAY_S_TABLES | CORRECTED_TABLES
NEXT_TICKS = replace(
    KRW_TICKS.corrected(price=Decimal(150), tick=Decimal("0.5")),
    effective_at=date(2027, 1, 4),
)


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

    def test_an_edge_belongs_to_the_upper_band(self) -> None:
        for (edge, tick), (_, below) in pairwise(KRW_TICKS.bands):
            just_below = edge - Decimal("1e-12")

            assert KRW_TICKS.tick_size(price=edge) == tick
            assert KRW_TICKS.tick_size(price=just_below) == below
            assert KRW_TICKS.floor(price=just_below) == edge - below
            assert KRW_TICKS.ceil(price=just_below) == edge

    @pytest.mark.parametrize(
        "bands",
        [
            (),
            ((Decimal(10), Decimal(1)),),
            ((Decimal(10), Decimal(1)), (Decimal(20), Decimal(1)), (Decimal(0),) * 2),
            ((Decimal(10), Decimal(3)), (Decimal(0), Decimal(1))),
            ((Decimal(10), Decimal(1)), (Decimal(0), Decimal(3))),
            ((Decimal(10), Decimal(0)), (Decimal(0), Decimal(1))),
        ],
        ids=["none", "no end", "disorder", "own grid", "grid below", "no tick"],
    )
    def test_bands_that_could_not_be_rounded_on_are_no_table(self, bands: Any) -> None:
        with pytest.raises(UnknownTicks):
            TickTable(effective_at=date(2026, 1, 1), bands=bands)


class TestChangesOfTheTable:
    @pytest.fixture
    def _announced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let Upbit have announced another table for 2027-01-04, without exceptions."""
        coming = TickRules(common=NEXT_TICKS, exceptions={})
        monkeypatch.setattr(money, "TICK_RULES", (*TICK_RULES, coming))

    @pytest.mark.usefixtures("_announced")
    @pytest.mark.parametrize(
        ("market", "day", "table"),
        [
            ("KRW-BTC", date(2025, 7, 31), KRW_TICKS),
            ("KRW-BTC", date(2027, 1, 3), KRW_TICKS),
            ("KRW-USDT", date(2027, 1, 3), STABLE_TICKS),
            ("KRW-BTC", date(2027, 1, 4), NEXT_TICKS),
            ("KRW-USDT", date(2027, 1, 4), NEXT_TICKS),
            ("KRW-BTC", None, NEXT_TICKS),
        ],
    )
    def test_each_day_has_the_table_in_force(
        self, market: str, day: date | None, table: TickTable
    ) -> None:
        assert ticks_of(market=market, on=day) is table

    def test_a_day_before_the_first_known_table_has_none(self) -> None:
        with pytest.raises(UnknownTicks, match="2025-07-30"):
            ticks_of(market="KRW-BTC", on=date(2025, 7, 30))

    def test_rules_stand_in_the_order_of_their_days(self) -> None:
        days = [rules.effective_at for rules in TICK_RULES]

        assert days == sorted(set(days))

    @pytest.mark.parametrize("tick", ["0.5", "5", "10"])
    def test_a_correction_changes_one_band_only(self, tick: str) -> None:
        corrected = KRW_TICKS.corrected(price=Decimal(1234), tick=Decimal(tick))

        for edge, old in KRW_TICKS.bands[:-1]:
            expected = Decimal(tick) if edge == 1000 else old
            assert corrected.tick_size(price=edge) == expected
        assert corrected.tick_size(price=Decimal("999.9")) == 1

    @pytest.mark.parametrize("tick", ["3", "0", "-1", "999"])
    def test_a_tick_that_does_not_fit_its_band_corrects_nothing(
        self, tick: str
    ) -> None:
        with pytest.raises(UnknownTicks):
            KRW_TICKS.corrected(price=Decimal(1234), tick=Decimal(tick))


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
    @given(TABLES, ANY_PRICE)
    def test_a_price_lies_between_its_neighbours_on_the_grid(
        self, table: TickTable, price: Decimal
    ) -> None:
        down, up = table.floor(price=price), table.ceil(price=price)

        assert down <= price <= up
        assert up - down == (0 if up == price else table.tick_size(price=price))
        assert table.is_on_tick(price=up)
        assert down == 0 or table.is_on_tick(price=down)

    @MANY
    @given(TABLES, ANY_PRICE)
    def test_a_step_from_the_grid_reaches_the_next_price_on_it(
        self, table: TickTable, price: Decimal
    ) -> None:
        on_tick = table.ceil(price=price)
        with localcontext(prec=80):
            more, less = on_tick + Decimal("1e-15"), on_tick - Decimal("1e-15")

        above, below = table.ceil(price=more), table.floor(price=less)

        assert above - on_tick == table.tick_size(price=on_tick)
        assert on_tick - below == table.tick_size(price=less)
        assert below == 0 or table.is_on_tick(price=below)

    @MANY
    @given(TABLES, LONG_PRICES)
    def test_the_caller_s_precision_changes_nothing(
        self, table: TickTable, price: Decimal
    ) -> None:
        with localcontext(prec=3):
            down, up = table.floor(price=price), table.ceil(price=price)
            cut = truncate_volume(price)

        assert (down, up) == (table.floor(price=price), table.ceil(price=price))
        assert 0 <= price - cut < Decimal("1e-8")

    @MANY
    @given(TABLES, ANY_PRICE)
    def test_rounding_twice_changes_nothing(
        self, table: TickTable, price: Decimal
    ) -> None:
        up = table.ceil(price=price)

        assert table.ceil(price=up) == table.floor(price=up) == up

    @MANY
    @given(TABLES, ANY_PRICE, ANY_PRICE)
    def test_rounding_keeps_the_order_of_prices(
        self, table: TickTable, one: Decimal, other: Decimal
    ) -> None:
        low, high = sorted((one, other))

        assert table.floor(price=low) <= table.floor(price=high)
        assert table.ceil(price=low) <= table.ceil(price=high)

    def test_won_and_volume_are_cut_never_rounded_up(self) -> None:
        assert floor_won(Decimal("999.999")) == 999
        assert truncate_volume(Decimal("0.123456789")) == Decimal("0.12345678")
        assert truncate_volume(Decimal("0.000000009")) == 0

    @MANY
    @given(st.decimals(min_value=0, max_value="1e40", places=19))
    def test_cutting_takes_less_than_one_unit_however_large(
        self, amount: Decimal
    ) -> None:
        won, volume = floor_won(amount), truncate_volume(amount)

        assert 0 <= amount - won < 1
        assert 0 <= amount - volume < Decimal("1e-8")
        assert "." not in plain(won)
        assert len(plain(volume).partition(".")[2]) <= 8

    @pytest.mark.parametrize(
        ("total", "small", "large"),
        [
            ("4999.99999999", True, False),
            ("5000", False, False),
            ("1000000000", False, False),
            ("1000000000.00000001", False, True),
        ],
    )
    def test_an_order_has_a_smallest_and_a_largest_total(
        self, total: str, small: bool, large: bool
    ) -> None:
        rules = MarketRules(market="KRW-BTC")

        assert rules.is_too_small(Decimal(total)) is small
        assert rules.is_too_large(Decimal(total)) is large

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
        st.builds(
            lambda digits, power: Decimal(digits).scaleb(power),
            st.integers(-(10**20), 10**20),
            st.integers(-40, 20),
        ).filter(lambda value: abs(value.adjusted()) <= money.MAX_MAGNITUDE)
    )
    def test_what_is_written_is_read_back(self, value: Decimal) -> None:
        text = plain(value)

        assert to_decimal(text) == value
        assert "e" not in text.lower()
