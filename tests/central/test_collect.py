"""Reading what is missing, and nothing twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from central_project.market.models import Candle, Coin, Unit
from central_project.market.services.backfill import backfill_market
from central_project.market.services.candles import (
    read_frames,
    silent_hours,
    store_candles,
)
from central_project.market.services.collect import (
    Collection,
    Prices,
    collecting,
    refresh_coins,
)
from central_project.market.services.gaps import Why, gaps_of
from central_project.market.sources import SourceError, Ticker
from tests.central.market_world import (
    FIVE,
    HOUR,
    MARKETS,
    NOW,
    MemorySource,
    five_minutes,
    hour_of,
    price_at,
)

pytestmark = pytest.mark.django_db
THIS_HOUR = NOW.replace(minute=0, second=0)
BTC = "KRW-BTC"


def coin_of(source: MemorySource, market: str = BTC) -> Coin:
    refresh_coins(infos=source.markets(), now=NOW)
    return Coin.objects.get(market=market)


def collected(source: MemorySource, *, days: int = 2) -> Collection:
    with collecting(source=source, now=source.now, history_days=days) as collection:
        for _ in collection.arrivals(beat=lambda: None):
            pass
        collection.books()
    return collection


def hours_of(market: str) -> list[Candle]:
    return list(
        Candle.objects.filter(market=market, unit=Unit.HOUR).order_by("started_at")
    )


def test_backfill_stores_every_closed_hour_and_no_forming_one(
    source: MemorySource,
) -> None:
    calls = backfill_market(source=source, coin=coin_of(source), now=NOW, days=20)

    starts = [candle.started_at for candle in hours_of(BTC)]
    assert starts == [THIS_HOUR - (480 - i) * HOUR for i in range(480)]
    assert calls == 3


def test_an_interrupted_backfill_goes_on_where_it_stopped(source: MemorySource) -> None:
    coin = coin_of(source)

    def fail_on_third_call() -> None:
        if source.calls["candles"] == 3:
            raise SourceError("cut")

    source.before_candles = fail_on_third_call
    with pytest.raises(SourceError):
        backfill_market(source=source, coin=coin, now=NOW, days=90)
    stored = len(hours_of(BTC))
    later = NOW + timedelta(hours=30)

    source.before_candles = lambda: None
    backfill_market(
        source=source, coin=Coin.objects.get(market=BTC), now=later, days=90
    )

    assert stored == 400
    befores = [before for _, _, before, _ in source.asked]
    assert befores == sorted(set(befores), reverse=True), "a page was asked for twice"
    assert len(hours_of(BTC)) == 90 * 24 - 30


def test_a_complete_history_costs_no_call(source: MemorySource) -> None:
    coin = coin_of(source)
    backfill_market(source=source, coin=coin, now=NOW, days=20)
    source.calls.clear()

    backfill_market(source=source, coin=coin, now=NOW, days=20)

    assert source.calls["candles"] == 0


def test_a_young_coin_ends_its_backfill_at_its_first_hour(source: MemorySource) -> None:
    source.born[BTC] = THIS_HOUR - timedelta(hours=30)

    coin = coin_of(source)
    backfill_market(source=source, coin=coin, now=NOW, days=90)
    source.calls.clear()
    backfill_market(source=source, coin=coin, now=NOW, days=90)

    assert len(hours_of(BTC)) == 30
    assert source.calls["candles"] == 0


def test_an_empty_page_is_believed_only_when_it_comes_twice(
    source: MemorySource,
) -> None:
    source.empty_answers = 1

    backfill_market(source=source, coin=coin_of(source), now=NOW, days=20)

    assert len(hours_of(BTC)) == 480


def test_what_is_missing_is_told_with_its_reason(source: MemorySource) -> None:
    away, quiet = THIS_HOUR - 40 * HOUR, THIS_HOUR - 20 * HOUR
    source.silent_hours = {away + i * HOUR for i in range(8)}
    source.quiet[BTC] = {quiet, quiet + HOUR}
    source.born["KRW-ETH"] = THIS_HOUR - 24 * HOUR
    coins = [coin_of(source, market) for market in MARKETS[:3]]
    for coin in coins[:2]:
        backfill_market(source=source, coin=coin, now=NOW, days=2)

    gaps = gaps_of(markets=MARKETS[:3], since=THIS_HOUR - 48 * HOUR, until=THIS_HOUR)

    assert [(gap.market, gap.since, gap.hours, gap.why) for gap in gaps] == [
        (BTC, away, 8, Why.MAINTENANCE),
        (BTC, quiet, 2, Why.SILENT),
        ("KRW-ETH", THIS_HOUR - 48 * HOUR, 24, Why.NOT_LISTED),
        ("KRW-XRP", THIS_HOUR - 48 * HOUR, 48, Why.NOT_LOADED),
    ]


def test_the_tail_is_one_call_a_market(source: MemorySource) -> None:
    collected(source)
    source.calls.clear()
    source.now = NOW + timedelta(minutes=5)

    collected(source)

    assert source.calls == {"markets": 1, "tickers": 1, "books": 1, "candles": 10}
    newest = Candle.objects.filter(market=BTC, unit=Unit.FIVE).latest("started_at")
    assert newest.started_at == NOW.replace(minute=10, second=0)


def test_a_second_look_within_five_minutes_asks_for_no_candle(
    source: MemorySource,
) -> None:
    collected(source)
    source.calls.clear()

    collected(source)

    assert source.calls["candles"] == 0


def test_hours_rolled_up_from_minutes_equal_the_exchanges_hours(
    source: MemorySource,
) -> None:
    collected(source)
    source.now = NOW + timedelta(hours=3)
    source.asked.clear()

    collected(source)

    assert {unit for _, unit, _, _ in source.asked} == {5}
    for candle in hours_of(BTC)[-3:]:
        expected = hour_of(BTC, candle.started_at)
        for name in ("open", "high", "low", "close", "volume", "quote_volume"):
            assert getattr(candle, name) == getattr(expected, name), name


def test_after_a_long_absence_hours_are_fetched_whole(source: MemorySource) -> None:
    collected(source)
    source.now = NOW + timedelta(days=10)
    source.asked.clear()

    collected(source)

    mine = [ask for ask in source.asked if ask[0] == BTC]
    assert sorted(unit for _, unit, _, _ in mine) == [5, 60, 60]
    starts = [candle.started_at for candle in hours_of(BTC)]
    assert starts == [starts[0] + i * HOUR for i in range(12 * 24)]


def test_a_market_that_cannot_be_read_is_noted_and_tried_again(
    source: MemorySource,
) -> None:
    collected(source)
    source.now = NOW + timedelta(minutes=10)
    source.broken = {BTC}

    first = collected(source)
    source.broken.clear()
    second = collected(source)

    assert first.failed == {BTC: "CANDLES_UNREADABLE"}
    assert second.failed == {}
    stored = Candle.objects.filter(market=BTC, unit=Unit.FIVE).count()
    assert stored == Candle.objects.filter(market="KRW-ETH", unit=Unit.FIVE).count()


def test_an_empty_answer_never_passes_for_silence(source: MemorySource) -> None:
    collected(source)
    source.now = NOW + timedelta(minutes=5)
    source.empty_answers = 1

    first = collected(source)
    minutes_until = set(Coin.objects.values_list("minutes_until", flat=True))
    second = collected(source)

    assert list(first.failed.values()) == ["CANDLES_IMPLAUSIBLE"]
    assert len(minutes_until) == 2, "the coin with the empty answer must stay behind"
    assert second.failed == {}


def test_a_trade_that_was_booked_late_is_found(source: MemorySource) -> None:
    collected(source)
    source.now = THIS_HOUR + timedelta(hours=1, seconds=5)
    late = THIS_HOUR + 11 * FIVE
    source.late[BTC] = {late: source.now + timedelta(minutes=3)}
    collected(source)
    before = hours_of(BTC)[-1]
    source.now += timedelta(minutes=5)

    collected(source)

    after = hours_of(BTC)[-1]
    assert before.started_at == after.started_at == THIS_HOUR
    assert before.volume == hour_of(BTC, THIS_HOUR).volume * 11 / 12
    assert after.volume == hour_of(BTC, THIS_HOUR).volume
    assert after.close == hour_of(BTC, THIS_HOUR).close


def test_an_hour_as_the_exchange_gave_it_is_not_rewritten(
    source: MemorySource,
) -> None:
    collected(source)
    Candle.objects.filter(
        market=BTC, unit=Unit.HOUR, started_at=THIS_HOUR - HOUR
    ).update(open=12345)
    source.now = NOW + timedelta(minutes=5)

    collected(source)

    assert hours_of(BTC)[-1].open == 12345


def test_prices_are_read_again_when_they_are_seconds_old(source: MemorySource) -> None:
    seconds = [0.0]
    prices = Prices(source, clock=lambda: seconds[0])
    source.now += HOUR
    seconds[0] = 4
    change = Decimal("0.0125")
    assert prices.of(BTC) == Ticker(price_at(BTC, NOW), Decimal(5_000_000_000), change)
    seconds[0] = 6
    fresh = prices.of(BTC)
    source.is_down = True
    seconds[0] = 12

    assert fresh is not None
    assert fresh.price == price_at(BTC, NOW + HOUR)
    assert prices.of(BTC) == fresh
    assert source.calls["tickers"] == 3


def test_an_exchange_that_stops_answering_is_given_up_soon() -> None:
    source = MemorySource(markets=[f"KRW-C{i}" for i in range(100)])
    refresh_coins(infos=source.markets(), now=NOW)
    Coin.objects.update(hours_from=NOW - 90 * 24 * HOUR, hours_until=THIS_HOUR)
    source.broken = set(source.listed)

    with pytest.raises(SourceError, match="20 markets one after the other"):
        collected(source)


def test_a_market_that_vanished_is_no_longer_listed(source: MemorySource) -> None:
    collected(source)
    source.listed.remove(BTC)

    seen = collected(source)

    assert Coin.objects.get(market=BTC).listed is False
    assert BTC not in {coin.market for coin in seen.coins}


def test_the_operators_exclusion_survives_a_refresh(source: MemorySource) -> None:
    coin = coin_of(source)
    coin.excluded, coin.excluded_reason = True, "상장 폐지 예고"
    coin.save()

    refresh_coins(infos=source.markets(), now=NOW)

    assert Coin.objects.get(market=BTC).excluded is True


def test_candles_come_back_exactly_as_stored() -> None:
    rows = [five_minutes(BTC, THIS_HOUR - i * FIVE) for i in range(3)]
    store_candles(market=BTC, unit=Unit.FIVE, rows=rows)
    store_candles(market=BTC, unit=Unit.FIVE, rows=rows[:1])

    frames = read_frames(unit=Unit.FIVE, since=THIS_HOUR - 2 * FIVE, until=THIS_HOUR)

    assert list(frames) == [BTC]
    assert list(frames[BTC]["started_at"]) == [THIS_HOUR - 2 * FIVE, THIS_HOUR - FIVE]
    assert list(frames[BTC]["close"]) == [float(rows[2].close), float(rows[1].close)]


def test_hours_without_any_market_are_maintenance(source: MemorySource) -> None:
    away = THIS_HOUR - timedelta(hours=9)
    source.silent_hours = {away, away + HOUR}
    collected(source)

    frames = read_frames(
        unit=Unit.HOUR, since=THIS_HOUR - timedelta(days=2), until=THIS_HOUR
    )

    assert len(frames) == len(MARKETS)
    assert silent_hours(
        frames=frames.values(), since=THIS_HOUR - timedelta(days=2), until=THIS_HOUR
    ) == [away, away + HOUR]
