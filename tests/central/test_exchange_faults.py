"""The production pipeline against a misbehaving exchange: a real server that is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.db.models import F
from django.utils import timezone

from central_project.market.limiter import CallLimiter
from central_project.market.models import (
    AnalysisRun,
    Coin,
    ExcludedCoin,
    Publication,
    RunState,
    SupportLevel,
)
from central_project.market.quotation import Quotation
from central_project.market.services import runs
from central_project.market.services.pipeline import run_pipeline
from central_project.market.sources import UpbitSource
from tests.system.simulator_process import Simulator, running

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_history")]
MARKETS = 8
CANDLES = "GET /v1/candles/minutes/{unit}"
TICKERS = "GET /v1/ticker/all"
BOOKS = "GET /v1/orderbook"
LIST = "GET /v1/market/all"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Simulator]:
    """An exchange with few markets and generous limits."""
    with running(
        *("--faults", "--markets", str(MARKETS), "--rate-factor", "100")
    ) as simulator:
        yield simulator


@dataclass
class Central:
    """A central server that has published once and is due again."""

    exchange: Simulator
    source: UpbitSource
    first: AnalysisRun

    def run(self) -> AnalysisRun:
        """Run once more, with a candle missing of every coin."""
        Coin.objects.update(
            minutes_until=None, hours_until=F("hours_until") - timedelta(hours=1)
        )
        return run_now(self.source)

    def asked(self) -> int:
        """Return how many calls the exchange has seen."""
        return len(self.exchange.public("/simulator/requests").json())


@pytest.fixture
def central(exchange: Simulator) -> Iterator[Central]:
    yield published_from(exchange)
    requests.delete(f"{exchange.url}/simulator/faults", timeout=20)
    exchange.operate("clock", offset_ms=0)


def published_from(exchange: Simulator) -> Central:
    limiter = CallLimiter(redis_url=django_settings.REDIS_URL, rate_factor=100)
    source = UpbitSource(quotation=Quotation(base_url=exchange.url, limiter=limiter))
    first = run_now(source)
    assert first.state == RunState.PUBLISHED, first.error
    return Central(exchange, source, first)


def run_now(source: UpbitSource) -> AnalysisRun:
    lease = runs.claim_now(now=timezone.now())
    return run_pipeline(lease=lease, source=source, clock=timezone.now)


@pytest.mark.parametrize(
    ("endpoint", "kind", "code", "says"),
    [
        (LIST, "reject_500", "EXCHANGE_UNAVAILABLE", "status 500"),
        (LIST, "reject_html", "EXCHANGE_UNAVAILABLE", "not JSON"),
        (LIST, "reject_truncated", "EXCHANGE_UNAVAILABLE", "market/all"),
        (LIST, "empty_list", "EXCHANGE_UNAVAILABLE", "no KRW market"),
        (TICKERS, "empty_list", "EXCHANGE_UNAVAILABLE", "no price"),
        (TICKERS, "accept_error_body_200", "EXCHANGE_UNAVAILABLE", "expected a list"),
        (CANDLES, "reject_500", "TOO_MANY_FAILED", "3 of 8 markets could not be read"),
        (CANDLES, "reject_html", "TOO_MANY_FAILED", "not JSON"),
        (CANDLES, "empty_list", "TOO_MANY_FAILED", "the answer has none"),
        (CANDLES, "candle_high_below_low", "TOO_MANY_FAILED", "below its low"),
    ],
)
def test_what_never_works_fails_the_run_and_keeps_the_last(
    central: Central, endpoint: str, kind: str, code: str, says: str
) -> None:
    known = set(Coin.objects.filter(listed=True))
    central.exchange.operate("faults", endpoint=endpoint, kind=kind)

    run = central.run()

    assert (run.state, run.error_code) == (RunState.FAILED, code)
    assert says in run.error
    assert Publication.objects.get().current_id == central.first.pk
    assert SupportLevel.objects.filter(run=central.first).count() == MARKETS
    assert set(Coin.objects.filter(listed=True)) == known


@pytest.mark.parametrize(
    ("endpoint", "kind", "extra"),
    [
        (CANDLES, "reject_429", {"times": 2}),
        (CANDLES, "reject_418", {"times": 1, "seconds": 1}),
        (CANDLES, "reject_500", {"times": 2}),
        (CANDLES, "reject_then_reset", {"times": 2}),
        (CANDLES, "accept_then_truncated", {"times": 2}),
        (CANDLES, "accept_without_remaining", {}),
        (CANDLES, "unknown_code", {}),
        (TICKERS, "unknown_code", {}),
        (BOOKS, "unknown_code", {}),
        (TICKERS, "reject_500", {"times": 1}),
    ],
)
def test_what_passes_or_does_no_harm_ends_in_a_whole_run(
    central: Central, endpoint: str, kind: str, extra: dict[str, Any]
) -> None:
    central.exchange.operate("faults", endpoint=endpoint, kind=kind, **extra)

    run = central.run()

    assert (run.state, run.coins_failed) == (RunState.PUBLISHED, 0), run.error
    assert run.universe_size == MARKETS
    refused = run.steps["collect"]["counts"]["refused"]
    assert (refused > 0) == (kind in ("reject_429", "reject_418"))


def test_one_bad_candle_costs_one_coin_and_is_asked_for_again(
    central: Central,
) -> None:
    central.exchange.operate(
        "faults", endpoint=CANDLES, kind="candle_high_below_low", times=1
    )

    bad = central.run()
    reasons = list(
        ExcludedCoin.objects.filter(run=bad).values_list("reason", flat=True)
    )
    good = central.run()

    assert (bad.state, bad.coins_failed) == (RunState.PUBLISHED, 1)
    assert reasons.count("CANDLES_IMPLAUSIBLE") == 1
    assert (good.state, good.coins_failed) == (RunState.PUBLISHED, 0)


def test_a_block_ends_the_run_and_nothing_is_asked_until_it_ends() -> None:
    with running("--faults", "--markets", "4", "--rate-factor", "100") as exchange:
        central = published_from(exchange)
        central.exchange.operate(
            "faults", endpoint=CANDLES, kind="reject_418", seconds=100, times=1
        )

        blocked = central.run()
        asked = central.asked()
        again = central.run()

        assert central.asked() == asked
    for run in (blocked, again):
        assert (run.state, run.error_code) == (RunState.FAILED, "EXCHANGE_BLOCKED")
        assert "another program" in run.error
    assert Publication.objects.get().current_id == central.first.pk


def test_without_order_books_coins_carry_a_warning(central: Central) -> None:
    central.exchange.operate("faults", endpoint=BOOKS, kind="reject_500")

    run = central.run()

    assert (run.state, run.coins_failed) == (RunState.PUBLISHED, 0)
    assert run.recommendation_set.exists()
    assert all("SPREAD_UNKNOWN" in one.warnings for one in run.recommendation_set.all())


def test_a_delisted_market_leaves_the_list(central: Central) -> None:
    gone = SupportLevel.objects.filter(run=central.first).latest("market").market
    central.exchange.operate(f"markets/{gone}", delisted=True)
    try:
        run = central.run()
    finally:
        central.exchange.operate(f"markets/{gone}", delisted=False)

    assert run.state == RunState.PUBLISHED, run.error
    assert run.universe_size == MARKETS - 1
    assert not Coin.objects.get(market=gone).listed


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_ten_minutes_off_is_refused_with_a_remedy(
    central: Central, minutes: int
) -> None:
    central.exchange.operate("clock", offset_ms=minutes * 60_000)

    run = central.run()

    assert (run.state, run.error_code) == (RunState.FAILED, "CLOCK_OFF")
    assert "set-ntp" in run.error
    ahead = run.steps["collect"]["counts"]["clock_ahead_seconds"]
    assert ahead == pytest.approx(-60 * minutes, abs=5)
