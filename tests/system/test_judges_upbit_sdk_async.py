"""Upbit's own client as a judge: `AsyncUpbit`, REST and WebSocket at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from upbit import (
    AsyncUpbit,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
)
from upbit.types.order import Order
from websockets.exceptions import InvalidStatus

from tests.system.judge_world import (
    BUSY,
    HASTY,
    QUIET,
    TRADER,
    Exchange,
    Key,
    exchange,
    facts,
    next_second,
)

PATIENCE = 60
T = TypeVar("T")


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange(speed="20") as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Limits are per second and pocket: no test pays for the calls of the last one."""
    next_second()


def _client(upbit: Exchange, key: Key = TRADER) -> AsyncUpbit:
    return AsyncUpbit(
        access_key=key.access,
        secret_key=key.secret,
        base_url=upbit.url,
        max_retries=0,
        timeout=httpx.Timeout(20, connect=5),
    )


def _run(
    upbit: Exchange,
    work: Callable[[AsyncUpbit], Coroutine[Any, Any, T]],
    key: Key = TRADER,
) -> T:
    async def with_client() -> T:
        async with _client(upbit, key) as client, asyncio.timeout(PATIENCE):
            return await work(client)

    return asyncio.run(with_client())


async def _ended(client: AsyncUpbit, order: Order) -> Order:
    while True:
        seen = await client.orders.retrieve(uuid=order.uuid)
        if seen.state != "wait":
            return seen
        await asyncio.sleep(0.1)


def _limit(client: AsyncUpbit, **extra: Any) -> Awaitable[Order]:
    order = {
        "market": BUSY,
        "side": "bid",
        "ord_type": "limit",
        "price": "100000000",
        "volume": "0.001",
    }
    return client.orders.create(**{**order, **extra})


def test_many_questions_at_once_are_answered_alike(upbit: Exchange) -> None:
    async def ask(client: AsyncUpbit) -> tuple[Any, ...]:
        return await asyncio.gather(
            client.accounts.list(),
            client.trading_pairs.list(),
            client.tickers.list_by_quote_currencies(quote_currencies="KRW"),
            client.orderbooks.list(markets=f"{BUSY},{QUIET}"),
            client.candles.list_days(market=BUSY, count=90),
            client.orders.retrieve_chance(market=BUSY),
        )

    accounts, pairs, tickers, books, days, chance = _run(upbit, ask)

    assert [one.currency for one in accounts] == ["KRW"]
    assert len(pairs) == len(tickers)
    assert [one.market for one in books] == [BUSY, QUIET]
    assert len({one.candle_date_time_utc for one in days}) == 90
    assert chance.market.id == BUSY


def test_ninety_days_of_hours_can_be_asked_for_in_parallel(upbit: Exchange) -> None:
    async def page(client: AsyncUpbit) -> list[str]:
        (newest,) = await client.candles.list_minutes(unit=60, market=BUSY, count=1)
        newest_at = datetime.fromisoformat(f"{newest.candle_date_time_utc}+00:00")
        last = newest_at.timestamp()
        starts: list[str] = []
        for first in range(0, 11, 5):  # half of what a second allows
            pages = await asyncio.gather(
                *(
                    client.candles.list_minutes(
                        unit=60,
                        market=BUSY,
                        count=200,
                        to=f"{_text(last - page * 720_000)}Z",
                    )
                    for page in range(first, min(first + 5, 11))
                )
            )
            starts += [one.candle_date_time_utc for rows in pages for one in rows]
            await asyncio.sleep(1)
        return starts

    starts = _run(upbit, page)

    assert len(starts) == 2200
    assert len(set(starts)) == 2200
    assert starts == sorted(starts, reverse=True)


def _text(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def test_each_order_of_a_burst_is_made_once(upbit: Exchange) -> None:
    names = [f"burst-{number}-{uuid4()}"[:36] for number in range(8)]

    async def burst(client: AsyncUpbit) -> list[Order]:
        made = await asyncio.gather(*(_limit(client, identifier=n) for n in names))
        await asyncio.gather(*(client.orders.cancel(uuid=one.uuid) for one in made))
        return [await _ended(client, one) for one in made]

    ended = _run(upbit, burst)

    assert [one.identifier for one in ended] == names
    assert {one.state for one in ended} == {"cancel"}
    kept = [row["identifier"] for row in upbit.orders(TRADER).values()]
    assert sorted(kept) == sorted(names)


def test_one_of_two_orders_with_the_same_identifier_is_refused(
    upbit: Exchange,
) -> None:
    name = f"twin-{uuid4()}"[:36]

    async def twins(client: AsyncUpbit) -> list[Order | BaseException]:
        return await asyncio.gather(
            _limit(client, identifier=name),
            _limit(client, identifier=name),
            return_exceptions=True,
        )

    answers = _run(upbit, twins)

    (refused,) = (one for one in answers if isinstance(one, BadRequestError))
    assert refused.name == "duplicated_identifier"


def test_orders_are_followed_on_the_stream_while_they_are_made(
    upbit: Exchange,
) -> None:
    async def follow(client: AsyncUpbit) -> tuple[Order, list[Any]]:
        async with client.ws_stream.subscribe_private(
            my_order=[BUSY], my_asset=True
        ) as stream:
            order = await client.orders.create(
                market=BUSY, side="bid", ord_type="price", price="50000"
            )
            events: list[Any] = []
            async for one in stream:
                events.append(one)
                if one.type == "myOrder" and one.state == "cancel":
                    return await client.orders.retrieve(uuid=order.uuid), events
        raise AssertionError("the stream ended")

    order, events = _run(upbit, follow)

    last = events[-1]
    assert (last.uuid, last.state) == (order.uuid, order.state)
    assert Decimal(last.executed_volume) == Decimal(str(order.executed_volume))
    assert Decimal(last.paid_fee) == Decimal(str(order.paid_fee))
    assert last.trades_count == order.trades_count
    assert "myAsset" in {one.type for one in events}


def test_prices_flow_while_rest_calls_are_made(upbit: Exchange) -> None:
    async def watch(client: AsyncUpbit) -> tuple[list[Any], list[Any]]:
        async with client.ws_stream.subscribe(
            ticker=[BUSY], trade=[BUSY], orderbook=[BUSY]
        ) as stream:
            events, asked = [], []
            async for one in stream:
                events.append(one)
                if len({event.type for event in events}) == 3 and len(events) > 5:
                    return events, asked
                asked.append(await client.accounts.list())
                await asyncio.sleep(0.05)
        raise AssertionError("the stream ended")

    events, asked = _run(upbit, watch)

    assert {one.type for one in events} == {"ticker", "trade", "orderbook"}
    assert {one.stream_type for one in events} == {"SNAPSHOT", "REALTIME"}
    assert len(asked) >= 5


REFUSALS = {
    "insufficient_funds_bid": {"price": "100000000", "volume": "1"},
    "under_min_total_bid": {"price": "100000000", "volume": "0.00001"},
    "invalid_price_bid": {"price": "100000123"},
    "notfoundmarket": {"market": "KRW-NOPE"},
    "insufficient_funds_ask": {"market": "KRW-XRP", "side": "ask", "price": "10000"},
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_the_name_of_its_reason(upbit: Exchange, name: str) -> None:
    asked = {"volume": "1"} if name == "insufficient_funds_ask" else {}

    with pytest.raises(BadRequestError) as refusal:
        _run(upbit, lambda client: _one(_limit(client, **asked, **REFUSALS[name])))

    assert refusal.value.name == name


async def _one(awaited: Awaitable[T]) -> T:
    return await awaited


def test_what_does_not_exist_is_not_found(upbit: Exchange) -> None:
    with pytest.raises(NotFoundError) as refusal:
        _run(upbit, lambda client: client.orders.retrieve(uuid=str(uuid4())))

    assert refusal.value.name == "order_not_found"


def test_a_wrong_key_is_refused_on_both_roads(upbit: Exchange) -> None:
    forger = Key(access=TRADER.access, secret="n" * 64)

    async def listen(client: AsyncUpbit) -> None:
        async with client.ws_stream.my_asset() as stream:
            await stream.recv()

    with pytest.raises(AuthenticationError) as refusal:
        _run(upbit, lambda client: client.accounts.list(), forger)
    with pytest.raises(InvalidStatus) as closed_door:
        _run(upbit, listen, forger)

    assert refusal.value.name == "jwt_verification"
    assert closed_door.value.response.status_code == 401


def test_a_flood_is_refused_and_the_next_second_is_free_again(
    upbit: Exchange,
) -> None:
    async def flood(client: AsyncUpbit) -> tuple[list[Any], Any]:
        answers = await asyncio.gather(
            *(client.accounts.list() for _ in range(38)), return_exceptions=True
        )
        await asyncio.sleep(1.1)
        return answers, await client.accounts.list()

    next_second()
    answers, afterwards = _run(upbit, flood, HASTY)

    refused = [one for one in answers if isinstance(one, RateLimitError)]
    assert refused
    assert {one.name for one in refused} == {"too_many_requests"}
    assert afterwards


def test_the_stream_and_rest_tell_the_truth_of_the_ledger(upbit: Exchange) -> None:
    async def told(client: AsyncUpbit) -> tuple[list[Order], list[Any]]:
        closed = await client.orders.list_closed(limit=1000)
        still_open = [one async for one in client.orders.list_open()]
        return [*closed, *still_open], await client.accounts.list()

    orders, accounts = _run(upbit, told)

    assert facts(one.to_dict() for one in orders) == facts(
        upbit.orders(TRADER).values()
    )
    assert {
        one.currency: (Decimal(one.balance), Decimal(one.locked)) for one in accounts
    } == upbit.balances(TRADER)
