"""When a watched market's subscribers are told something, and what then."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.simulator.exchange.conditions import Conditions
from deploy.simulator.streams.asked import Subscription
from deploy.simulator.streams.watched import Topic, WatchedMarket, topics_of

MARKET = "KRW-BTC"
TICKER, TRADE = Topic("ticker", MARKET), Topic("trade", MARKET)
BOOK, CANDLE = Topic("orderbook", MARKET, 30), Topic("candle.1m", MARKET)
ALL = (TICKER, TRADE, BOOK, CANDLE)


@dataclass
class Data:
    """A market as written down: instants of trades, and when the book changed."""

    trades_at: list[int] = field(default_factory=list)
    shown: int = 0
    marks: dict[int, object] = field(default_factory=dict)
    market: str = MARKET

    def has_traded(self, *, after_ms: int, until_ms: int) -> bool:
        return bool(self.trades(after_ms=after_ms, until_ms=until_ms, kind=""))

    def trades(self, *, after_ms: int, until_ms: int, kind: str) -> list[Any]:
        return [
            {"trade_timestamp": at, "stream_type": kind}
            for at in self.trades_at
            if after_ms < at <= until_ms
        ]

    def ticker(self, *, kind: str, now_ms: int) -> Any:
        return {"trade_timestamp": self._last(now_ms), "stream_type": kind}

    def last_trade(self, *, kind: str, now_ms: int) -> Any:
        return {"trade_timestamp": self._last(now_ms), "stream_type": kind}

    def orderbook(self, *, depth: int, level: Any, kind: str, now_ms: int) -> Any:
        return {"orderbook_units": [self.shown], "stream_type": kind}

    def book(self, *, now_ms: int) -> Any:
        return self.marks.setdefault(self.shown, object())

    def candles(self, *, type: str, since_ms: Any, kind: str, now_ms: int) -> list[Any]:
        rows: dict[int, Any] = {}
        for at in self.trades_at:
            if at <= now_ms:
                minute = at // 60_000
                rows[minute] = {"minute": minute, "timestamp": at, "stream_type": kind}
        if since_ms is None:
            return list(rows.values())[-1:]
        return [row for row in rows.values() if row["minute"] >= since_ms // 60_000]

    def _last(self, now_ms: int) -> int:
        return max((at for at in self.trades_at if at <= now_ms), default=0)


def _watched(data: Data, seen_ms: int = 0) -> tuple[WatchedMarket, Conditions]:
    house, made = _house(), cast(Any, data)
    watched = WatchedMarket(house=house, data=made, seen_ms=seen_ms)
    list(watched.step(wanted=ALL, now_ms=seen_ms))  # the first book
    return watched, house.conditions


def _house() -> Any:
    return SimpleNamespace(conditions=Conditions())


def _told(watched: WatchedMarket, now_ms: int, *wanted: Topic) -> list[str]:
    return [
        topic.type for topic, _ in watched.step(wanted=wanted or ALL, now_ms=now_ms)
    ]


def test_each_trade_is_told_and_the_ticker_once() -> None:
    watched, _ = _watched(Data(trades_at=[10, 20, 20]))

    assert _told(watched, 25) == ["trade", "trade", "trade", "ticker", "candle.1m"]
    assert _told(watched, 50) == []


def test_trades_up_to_the_subscription_are_not_told_again() -> None:
    watched, _ = _watched(Data(trades_at=[10, 20]), seen_ms=10)

    rows = list(watched.step(wanted=[TRADE], now_ms=30))

    assert [row["trade_timestamp"] for _, row in rows] == [20]


def test_only_what_is_wanted_is_told() -> None:
    watched, _ = _watched(Data(trades_at=[10]))

    assert _told(watched, 20, TICKER) == ["ticker"]


def test_a_ticker_that_nobody_wanted_is_told_to_the_next_who_does() -> None:
    watched, _ = _watched(Data(trades_at=[10]))

    assert _told(watched, 20, TRADE) == ["trade"]
    assert _told(watched, 30, TICKER) == ["ticker"]


def test_a_book_is_told_when_it_changed_and_not_too_often() -> None:
    data = Data()
    watched, _ = _watched(data)

    data.shown = 1
    early = _told(watched, 199)
    due = _told(watched, 200)
    same = _told(watched, 400)
    data.shown = 2
    again = _told(watched, 600)

    assert (early, due, same, again) == ([], ["orderbook"], [], ["orderbook"])


def test_a_candle_is_told_once_a_second_at_most() -> None:
    watched, _ = _watched(Data(trades_at=[100, 200, 300]))

    told = [_told(watched, now, CANDLE) for now in (150, 250, 1149, 1150, 3000)]

    assert told == [["candle.1m"], [], [], ["candle.1m"], []]


def test_an_ended_candle_is_told_before_the_next() -> None:
    data = Data(trades_at=[59_000, 59_900, 60_100])
    watched, _ = _watched(data)

    list(watched.step(wanted=[CANDLE], now_ms=59_500))
    rows = list(watched.step(wanted=[CANDLE], now_ms=60_600))

    assert [row["timestamp"] for _, row in rows] == [59_900, 60_100]


def test_what_the_snapshot_showed_is_not_told_again() -> None:
    data = Data(trades_at=[10])
    watched = WatchedMarket(house=_house(), data=cast(Any, data), seen_ms=20)

    shown = [watched.snapshot(topic=topic, now_ms=20) for topic in (BOOK, CANDLE)]

    assert [row["stream_type"] for row in shown if row] == ["SNAPSHOT"] * 2
    assert _told(watched, 2000, BOOK, CANDLE) == []


def test_a_delisted_market_trades_no_more() -> None:
    watched, conditions = _watched(Data(trades_at=[100, 300]))

    conditions.change(market=MARKET, delisted=True)

    assert _told(watched, 400) == ["ticker"]


@pytest.mark.parametrize(
    "change", [{"delisted": True}, {"delisting_date": "2026-12-01"}, {"warning": True}]
)
def test_a_switch_of_the_market_is_told_by_its_ticker(change: dict[str, Any]) -> None:
    watched, conditions = _watched(Data())

    conditions.change(market=MARKET, **change)

    assert _told(watched, 10) == ["ticker"]
    assert _told(watched, 20) == []


def test_subscriptions_become_topics() -> None:
    book = Subscription(type="orderbook", codes=("KRW-BTC.5", "KRW-ETH"))
    realtime = Subscription(type="ticker", codes=("KRW-BTC",), snapshot=False)

    assert topics_of(book) == [
        Topic("orderbook", "KRW-BTC", 5),
        Topic("orderbook", "KRW-ETH", 30),
    ]
    assert topics_of(realtime) == [TICKER]
    assert topics_of(Subscription(type="myOrder", codes=("KRW-BTC",))) == []
