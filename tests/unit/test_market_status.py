"""The market's phase from breadth, bitcoin and local falls."""

from __future__ import annotations

from decimal import Decimal

import pytest

from central_project.analysis.candles import CandleSeries
from central_project.analysis.indicators import figures_of
from central_project.analysis.market_status import market_status
from common.wire import MarketStatus, Phase
from tests.unit.analysis_builders import series

COINS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-SOL", "KRW-DOGE")


def market(*, hours: int, change: float, start: float = 0.0) -> dict[str, CandleSeries]:
    """Return five flat coins that move by *change* over their last *hours*."""
    moved = {}
    for name in COINS:
        one = series(market=name, count=400, volatility=0.0)
        path = one.frame[["open", "high", "low", "close"]].copy()
        first = len(path) - hours
        for place in range(first, len(path)):
            path.iloc[place] *= 1 + start + change * (place - first + 1) / hours
        one.frame[["open", "high", "low", "close"]] = path
        moved[name] = one
    return moved


def judge(
    coins: dict[str, CandleSeries], *, exchange: str = "ok", failed: int = 0
) -> MarketStatus:
    return market_status(
        figures={name: figures_of(series=one) for name, one in coins.items()},
        coins_failed=failed,
        pipeline="ok",
        exchange=exchange,
    )


def test_a_rising_market_is_normal() -> None:
    status = judge(market(hours=24, change=0.03))

    assert status.phase is Phase.NORMAL
    assert status.breadth == 1
    assert status.btc_trend is not None
    assert status.btc_trend > 0
    assert status.coins_analysed == 5


def without_bitcoin(coins: dict[str, CandleSeries]) -> dict[str, CandleSeries]:
    """Return the same market with a bitcoin that stands still."""
    return {**coins, "KRW-BTC": market(hours=1, change=0.0)["KRW-BTC"]}


def test_a_sudden_fall_of_most_coins_is_a_crash() -> None:
    fall = without_bitcoin(market(hours=4, change=-0.11))

    assert judge(fall).phase is Phase.CRASH


def test_a_slow_deep_fall_is_a_crash() -> None:
    fall = without_bitcoin(market(hours=24, change=-0.17))

    assert judge(fall).phase is Phase.CRASH


def test_a_bitcoin_crash_counts_for_all() -> None:
    coins = market(hours=24, change=0.0)
    coins["KRW-BTC"] = market(hours=20, change=-0.12)["KRW-BTC"]

    assert judge(coins).phase is Phase.CRASH


def test_one_falling_altcoin_is_not_a_crash() -> None:
    coins = market(hours=24, change=0.01)
    coins["KRW-DOGE"] = market(hours=4, change=-0.5)["KRW-DOGE"]

    assert judge(coins).phase is Phase.NORMAL


@pytest.mark.parametrize(
    ("hours", "change", "phase"),
    [
        (24, -0.095, Phase.CAUTION),
        (24, -0.05, Phase.CAUTION),
        (24, -0.01, Phase.NORMAL),
    ],
)
def test_a_weak_market_asks_for_caution(
    hours: int, change: float, phase: Phase
) -> None:
    assert judge(market(hours=hours, change=change)).phase is phase


def test_weak_breadth_alone_is_normal_while_bitcoin_holds() -> None:
    coins = market(hours=24, change=-0.03)
    coins["KRW-BTC"] = market(hours=24, change=0.0)["KRW-BTC"]

    status = judge(coins)

    assert status.breadth == 0
    assert status.phase is Phase.NORMAL


def test_a_weak_bitcoin_alone_is_normal_while_the_others_rise() -> None:
    coins = market(hours=24, change=0.02)
    coins["KRW-BTC"] = market(hours=24, change=-0.06)["KRW-BTC"]

    assert judge(coins).phase is Phase.NORMAL


def test_an_unreachable_exchange_is_unknown() -> None:
    assert judge(market(hours=24, change=0.03), exchange="down").phase is Phase.UNKNOWN


def test_exchange_maintenance_is_halted() -> None:
    coins = market(hours=24, change=0.03)

    assert judge(coins, exchange="maintenance").phase is Phase.HALTED


def test_nothing_analysed_is_unknown_and_invents_no_figure() -> None:
    status = judge({}, failed=7)

    assert status.phase is Phase.UNKNOWN
    assert (status.breadth, status.btc_trend, status.volatility) == (None, None, None)
    assert (status.coins_analysed, status.coins_failed) == (0, 7)


def test_a_market_without_bitcoin_has_no_bitcoin_trend() -> None:
    coins = market(hours=24, change=0.03)
    del coins["KRW-BTC"]

    status = judge(coins)

    assert status.btc_trend is None
    assert status.phase is Phase.NORMAL


def test_a_single_row_is_not_judged() -> None:
    status = judge({"KRW-BTC": series(market="KRW-BTC", count=1)})

    assert status.phase is Phase.UNKNOWN


def test_volatility_is_the_median_coins_daily_volatility() -> None:
    coins = {
        name: series(market=name, count=400, seed=number, volatility=0.01)
        for number, name in enumerate(COINS)
    }

    volatility = judge(coins).volatility

    assert volatility is not None
    assert abs(volatility - Decimal("0.049")) < Decimal("0.01")
