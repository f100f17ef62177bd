"""How numbers, times and distances are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from user_project.web.templatetags import korean


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "–"),
        (Decimal(0), "0원"),
        (Decimal("12345678"), "12,345,678원"),
        (Decimal("1E+2"), "100원"),
        (Decimal("0E-20"), "0원"),
        (Decimal("1234.50000000000000000000"), "1,235원"),
    ],
)
def test_won_are_whole_with_separators(amount: Decimal | None, text: str) -> None:
    assert korean.won(amount) == text


@pytest.mark.parametrize(
    ("amount", "text", "tone"),
    [
        (Decimal(1234), "▲ +1,234원", "up"),
        (Decimal(-1234), "▼ -1,234원", "down"),
        (Decimal(0), "0원", "even"),
        (None, "–", "even"),
    ],
)
def test_profit_has_sign_arrow_and_colour(
    amount: Decimal | None, text: str, tone: str
) -> None:
    assert korean.signed_won(amount) == text
    assert korean.tone(amount) == tone


@pytest.mark.parametrize(
    ("value", "market", "text"),
    [
        ("142500000", "KRW-BTC", "142,500,000원"),
        ("12", "KRW-XRP", "12.0원"),
        ("0.00001234", "KRW-SHIB", "0.0000123원"),
        ("0.000012", "KRW-SHIB", "0.0000120원"),
        ("1385.5", "KRW-USDT", "1,385.5원"),
        ("0", "KRW-BTC", "0원"),
        ("1E+2", "KRW-BTC", "100원"),
    ],
)
def test_prices_have_the_decimals_of_their_tick(
    value: str, market: str, text: str
) -> None:
    assert korean.price(Decimal(value), market) == text


def test_an_average_may_lie_between_ticks() -> None:
    value = Decimal("12.3456789")

    assert korean.average(value, "KRW-XRP") == "12.346원"
    assert korean.average(None, "KRW-XRP") == "–"


@pytest.mark.parametrize(
    ("volume", "text"),
    [("0.00200000", "0.002"), ("1234567.10000000", "1,234,567.1"), ("0E-8", "0")],
)
def test_volumes_carry_no_padding(volume: str, text: str) -> None:
    assert korean.coins(Decimal(volume)) == text


def test_times_are_korean() -> None:
    at = datetime(2026, 11, 23, 20, 2, 39, tzinfo=UTC)

    assert korean.kst(at) == "11-24 05:02:39"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0초 전"),
        (59, "59초 전"),
        (60, "1분 전"),
        (3599, "59분 전"),
        (3600, "1시간 전"),
        (86_400, "1일 전"),
        (-3, "0초 전"),
        (None, "–"),
    ],
)
def test_ages_use_the_coarsest_useful_unit(seconds: Any, text: str) -> None:
    assert korean.age(seconds) == text


def test_an_instant_is_told_relative_to_now() -> None:
    assert korean.ago(timezone.now() - timedelta(hours=3, seconds=5)) == "3시간 전"


def test_distances_have_no_sign() -> None:
    assert korean.share(Decimal("0.1089")) == "10.89%"
    assert korean.percent(Decimal("-0.0153")) == "-1.53%"
