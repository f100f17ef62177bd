"""What open pages are told: the right owner, everything once, and nothing of others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from tests.user.factories import (
    make_account,
    make_bot,
    make_cycle,
    make_event,
    make_user,
)
from user_project.bots import prices
from user_project.bots.models import BotEvent
from user_project.bots.redis_client import shared_client
from user_project.stream import channel, lines, views
from user_project.stream import settings as stream_settings
from user_project.stream.publisher import Publisher
from user_project.trading.orders import PriceQuote

pytestmark = pytest.mark.django_db
HOST = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def own_channels(settings: Any) -> Iterator[None]:
    """Serve as the stream's process does, from empty channels."""
    settings.ROOT_URLCONF = stream_settings.ROOT_URLCONF
    settings.MIDDLEWARE = stream_settings.MIDDLEWARE
    _forget()
    yield
    _forget()


def _forget() -> None:
    client: Any = shared_client()
    for key in [*client.keys("du:stream*"), prices.KEY.format(host=HOST)]:
        client.delete(key)
    views._client.cache_clear()


class Clock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher(clock: Clock) -> Publisher:
    """One that has taken its first look."""
    publisher = Publisher(client=shared_client(), clock=clock)
    publisher.step()
    return publisher


def told(owner: Any, key: str = channel.CHANGES) -> list[dict[str, Any]]:
    client: Any = shared_client()
    entries = client.xrange(key.format(owner=owner.pk))
    return [json.loads(fields[channel.FIELD]) for _, fields in entries]


class TestPublisher:
    def test_an_owner_is_told_of_own_bots_once(self, publisher: Publisher) -> None:
        alice, bob = make_user("alice"), make_user("bob")
        mine, other = make_bot(alice), make_bot(bob)
        make_event(mine)
        make_event(mine)

        publisher.step()
        publisher.step()

        assert told(alice) == [{"bots": [str(mine.pk)], "kinds": ["order.filled"]}]
        assert told(bob) == []
        make_event(other)
        publisher.step()
        assert told(bob)[0]["bots"] == [str(other.pk)]

    def test_the_past_is_no_news(self, clock: Clock) -> None:
        alice = make_user("alice")
        make_event(make_bot(alice))

        Publisher(client=shared_client(), clock=clock).step()

        assert told(alice) == []

    def test_a_line_that_was_overtaken_is_told_when_it_appears(
        self, publisher: Publisher
    ) -> None:
        alice = make_user("alice")
        late, early = make_bot(alice), make_bot(alice)
        first = make_event(late)
        number = first.pk
        first.delete()
        make_event(early)
        publisher.step()

        BotEvent.objects.create(pk=number, bot=late, kind="bot.running", message="-")
        publisher.step()

        assert [line["bots"] for line in told(alice)] == [
            [str(early.pk)],
            [str(late.pk)],
        ]

    def test_prices_go_to_open_pages_only_and_are_exact(
        self, publisher: Publisher, clock: Clock
    ) -> None:
        alice, bob = make_user("alice"), make_user("bob")
        bot = make_bot(alice, account=make_account(alice, base_url=HOST))
        make_cycle(bot)
        make_bot(bob, account=make_account(bob, base_url=HOST))
        shared_client().zadd(channel.WATCHED, {str(alice.pk): clock.now.timestamp()})

        self._price(clock, publisher, "110000000")
        self._price(clock, publisher, "110000000")
        self._price(clock, publisher, "111000000")

        assert told(bob, channel.PRICES) == []
        first, second = (line[str(bot.pk)] for line in told(alice, channel.PRICES))
        assert (first["price"], second["price"]) == ("110000000", "111000000")
        # 0.002 coins at 110 million, less the fee, less what they cost.
        assert (first["value"], first["unrealised"]) == ("220000", "19790")
        assert Decimal(first["rate"]) == Decimal("19790") / Decimal("200100")

    def test_the_sums_are_told_with_the_oldest_price_once_all_are_known(
        self, publisher: Publisher, clock: Clock
    ) -> None:
        alice = make_user("alice")
        account = make_account(alice, base_url=HOST)
        make_cycle(first := make_bot(alice, account=account))
        make_cycle(make_bot(alice, account=account), market="KRW-ETH")
        real = make_account(alice, base_url=HOST, mode="live")
        make_cycle(make_bot(alice, account=real), market="KRW-XRP")
        shared_client().zadd(channel.WATCHED, {str(alice.pk): clock.now.timestamp()})

        self._price(clock, publisher, "110000000")
        older = clock.now
        self._price(clock, publisher, "5000000", market="KRW-ETH")

        without, with_all = told(alice, channel.PRICES)
        assert list(without) == [str(first.pk)]
        assert with_all["totals-paper"] == {
            # 0.002 coins of each, less the fee; each cost 200,100 won.
            **{"value": "230000", "unrealised": "-170315"},
            "rate": str(Decimal(-170315) / Decimal(400200)),
            "at": int(older.timestamp() * 1000),
        }

    def test_the_change_since_yesterday_comes_with_the_price(
        self, publisher: Publisher, clock: Clock
    ) -> None:
        alice = make_user("alice")
        bot = make_bot(alice, account=make_account(alice, base_url=HOST))
        shared_client().zadd(channel.WATCHED, {str(alice.pk): clock.now.timestamp()})

        self._price(clock, publisher, "110000000")
        self._price(clock, publisher, "110000001", close="100000000")

        lines_of = told(alice, channel.PRICES)
        changes = [line[str(bot.pk)]["day_change"] for line in lines_of]
        assert changes == [None, "0.10000001"]

    def test_an_unchanged_price_is_told_again_for_its_age(
        self, publisher: Publisher, clock: Clock
    ) -> None:
        alice = make_user("alice")
        make_bot(alice, account=make_account(alice, base_url=HOST))
        shared_client().zadd(channel.WATCHED, {str(alice.pk): clock.now.timestamp()})

        for _ in range(6):
            self._price(clock, publisher, "110000000")

        assert len(told(alice, channel.PRICES)) == 2

    def test_whoever_closed_the_page_is_forgotten(
        self, publisher: Publisher, clock: Clock
    ) -> None:
        alice = make_user("alice")
        make_bot(alice, account=make_account(alice, base_url=HOST))
        long_ago = clock.now - channel.WATCHED_FOR - timedelta(seconds=1)
        shared_client().zadd(channel.WATCHED, {str(alice.pk): long_ago.timestamp()})

        self._price(clock, publisher, "110000000")

        assert told(alice, channel.PRICES) == []

    @staticmethod
    def _price(
        clock: Clock,
        publisher: Publisher,
        price: str,
        *,
        close: str | None = None,
        market: str = "KRW-BTC",
    ) -> None:
        clock.now += timedelta(milliseconds=500)
        quote = PriceQuote(
            market=market,
            price=Decimal(price),
            received_at=clock.now,
            previous_close=None if close is None else Decimal(close),
        )
        prices.publish(host=HOST, quotes=[quote])
        publisher.step()


Told = list[tuple[str, Any, str]]
"""Event, data, id."""


def listen(owner: Any, until: Callable[[Told], Any], **headers: str) -> Told:
    """Read an owner's stream until *until* is content with what came."""

    async def go() -> Told:
        client = AsyncClient()
        if owner is not None:
            await client.aforce_login(owner)
        answer: Any = await client.get("/stream/", headers=headers)
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/event-stream")
        assert "no-store" in answer["Cache-Control"]
        heard: Told = []
        async for line in aiter_lines(answer):
            heard += _read(line)
            result = until(heard)
            if hasattr(result, "__await__"):
                result = await result
            if result:
                break
        await views._client().aclose()
        return heard

    return async_to_sync(go)()


async def aiter_lines(answer: Any) -> AsyncIterator[str]:
    async for part in answer.streaming_content:
        yield part.decode()


def _read(text: str) -> Told:
    fields = dict(
        row.split(": ", 1) for row in text.strip().splitlines() if ": " in row
    )
    if "event" not in fields:
        return []
    return [(fields["event"], json.loads(fields["data"]), fields.get("id", ""))]


def _tell(owner: Any, bot: str = "b1") -> None:
    client = shared_client()
    channel.tell_change(client=client, owner_id=owner.pk, bot_ids=[bot], kinds=["k"])


class TestStream:
    def test_a_stranger_hears_nothing(self) -> None:
        answer = async_to_sync(AsyncClient().get)("/stream/")

        assert answer.status_code == 401

    def test_changes_of_the_owner_come_with_their_number(self) -> None:
        alice, bob = make_user("alice"), make_user("bob")
        told_them = []

        def until(heard: Told) -> bool:
            if heard and not told_them:
                _tell(bob, "not hers")
                _tell(alice, "hers")
                told_them.append(True)
            return heard[-1:] != [] and heard[-1][0] == "changed"

        heard = listen(alice, until)

        assert [event for event, _, _ in heard] == ["beat", "changed"]
        assert heard[1][1] == {"bots": ["hers"], "kinds": ["k"]}
        assert lines.ID.fullmatch(heard[1][2])

    def test_a_page_that_was_cut_off_hears_what_it_missed(self) -> None:
        alice = make_user("alice")
        for bot in ("known", "missed 1", "missed 2"):
            _tell(alice, bot)
        client: Any = shared_client()
        known = client.xrange(channel.CHANGES.format(owner=alice.pk))[0][0]

        heard = listen(alice, lambda heard: len(heard) == 3, **{"Last-Event-ID": known})

        changed = [data["bots"] for event, data, _ in heard if event == "changed"]
        assert changed == [["missed 1"], ["missed 2"]]

    def test_after_too_long_a_gap_it_is_told_to_ask_anew(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channel, "MOST_CHANGES", 1)
        alice = make_user("alice")
        _tell(alice)
        client: Any = shared_client()
        known = client.xrange(channel.CHANGES.format(owner=alice.pk))[0][0]
        _tell(alice)
        _tell(alice)

        heard = listen(alice, lambda heard: len(heard) == 3, **{"Last-Event-ID": known})

        assert [event for event, _, _ in heard] == ["missed", "beat", "changed"]

    @pytest.mark.parametrize("after", ["x", "1-1 event: beat", "", "9" * 40 + "-0"])
    def test_a_number_that_is_none_counts_as_none(self, after: str) -> None:
        alice = make_user("alice")
        _tell(alice)

        heard = listen(alice, bool, **{"Last-Event-ID": after})

        assert [event for event, _, _ in heard] == ["beat"]

    def test_figures_are_written_in_the_pages_language(self) -> None:
        alice = make_user("alice")
        sent = {
            **{"price": "142500000", "market": "KRW-BTC", "at": 1},
            **{"value": "285000", "unrealised": "-1200", "rate": "-0.0042"},
            "day_change": "0.015",
        }
        once: list[bool] = []

        def until(heard: Told) -> bool:
            if heard and not once:
                once.append(True)
                channel.tell_prices(
                    client=shared_client(), owner_id=alice.pk, bots={"b": sent}
                )
            return heard[-1:] != [] and heard[-1][0] == "figures"

        ((_, data, number),) = listen(alice, until)[-1:]

        assert number == ""
        assert data["b"] == {
            **{"at": 1, "price": "142,500,000원", "value": "285,000원"},
            **{"unrealised": "▼ -1,200원", "rate": "-0.42%", "tone": "down"},
            **{"day_change": "▲ +1.50%", "day_tone": "up"},
        }

    def test_the_sums_of_an_owner_have_no_price(self) -> None:
        sent = {"value": "230000", "unrealised": "-170315", "rate": None, "at": 1}

        written = lines._written({"totals-live": sent}, "ko")["totals-live"]

        assert (written["price"], written["rate"]) == ("–", "–")
        assert (written["value"], written["tone"]) == ("230,000원", "down")

    def test_an_open_page_makes_its_owner_watched(self) -> None:
        alice = make_user("alice")

        listen(alice, bool)

        now = timezone.now()
        assert channel.watched_owners(client=shared_client(), now=now) == {alice.pk}

    def test_a_logged_out_page_hears_no_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lines, "BEAT_SECONDS", 0.05)
        alice = make_user("alice")

        async def until(heard: Told) -> bool:
            if len(heard) == 2:
                await sync_to_async(_change_password)(alice)
            return len(heard) > 50

        heard = listen(alice, until)

        assert len(heard) < 10

    def test_the_pages_own_address_may_read_it_and_no_other(
        self, settings: Any
    ) -> None:
        settings.STREAM_ORIGINS = ["http://127.0.0.1:8000"]
        get = async_to_sync(AsyncClient().get)

        ours = get("/stream/", headers={"origin": "http://127.0.0.1:8000"})
        theirs = get("/stream/", headers={"origin": "http://127.0.0.1:8001"})

        assert ours["Access-Control-Allow-Origin"] == "http://127.0.0.1:8000"
        assert ours["Access-Control-Allow-Credentials"] == "true"
        assert "Access-Control-Allow-Origin" not in theirs

    def test_without_redis_the_page_is_told_to_come_again(
        self, settings: Any, client: Any
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

        async def go() -> Any:
            client = AsyncClient()
            await client.aforce_login(alice)
            return await client.get("/stream/")

        alice = make_user("alice")
        answer = async_to_sync(go)()

        assert (answer.status_code, answer["Retry-After"]) == (503, "10")


def _change_password(user: Any) -> None:
    user.set_password("another horse battery")
    user.save()
