"""A line is kept open: pinged, found silent, opened again, more patiently each time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.unit.line_stub import StubLine, StubLines, eventually
from user_project.exchanges import streams
from user_project.exchanges.adapter import Unavailable
from user_project.exchanges.streams import (
    Alive,
    Audience,
    Event,
    Line,
    Listener,
    OrderNotice,
)

NOTICE = OrderNotice(identifier="ours-1", market="KRW-BTC")


class Ears(Audience):
    """Writes down what the listener's thread tells."""

    def __init__(self) -> None:
        self.told: list[str | Event] = []
        self.times: list[tuple[datetime, datetime]] = []

    def opened(self, *, at: datetime) -> None:
        self.told.append("opened")

    def hear(self, event: Event, *, at: datetime, pinged_at: datetime) -> None:
        self.told.append(event)
        self.times.append((pinged_at, at))

    def lost(self) -> None:
        self.told.append("lost")

    def without_life_signs(self) -> list[str | Event]:
        return [one for one in self.told if not isinstance(one, Alive)]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> StubLines:
    """Open stub lines; everything happens a hundred times faster."""
    hundredth = timedelta(milliseconds=10)
    monkeypatch.setattr(streams, "PING_EVERY", hundredth)
    monkeypatch.setattr(streams, "SILENT_AFTER", 10 * hundredth)
    monkeypatch.setattr(streams, "LISTEN_SECONDS", 0.002)
    monkeypatch.setattr(streams, "_pause", lambda failures: 0.01)
    return StubLines()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def listener(lines: StubLines, ears: Ears) -> Iterator[Listener]:
    """A listener that was started; it must end when told to."""
    listener = Listener(name="test", open_line=lines.open, audience=ears)
    yield listener
    listener.stop()
    assert listener.join(seconds=5)


def test_what_is_said_is_heard_in_order(
    lines: StubLines, ears: Ears, listener: Listener
) -> None:
    listener.start()
    line = lines.number(1)

    line.say(NOTICE)
    line.say(OrderNotice(identifier="ours-2", market="KRW-BTC"))

    eventually(lambda: len(ears.without_life_signs()) == 3)
    names = [n.identifier for n in ears.told if isinstance(n, OrderNotice)]
    assert ears.told[0] == "opened"
    assert names == ["ours-1", "ours-2"]


def test_a_quiet_line_is_pinged_and_kept(
    lines: StubLines, ears: Ears, listener: Listener
) -> None:
    listener.start()
    line = lines.number(1)

    eventually(lambda: line.pings > 20)

    assert len(lines.opened) == 1
    assert all(asked <= heard for asked, heard in ears.times)


def test_a_line_that_answers_no_ping_is_given_up(
    lines: StubLines, ears: Ears, listener: Listener
) -> None:
    lines.mute = True
    listener.start()

    lines.number(2)

    assert lines.opened[0].closed
    assert ears.told[:3] == ["opened", "lost", "opened"]


@pytest.mark.parametrize("end", [Unavailable("closed"), ConnectionError("reset")])
def test_a_lost_line_is_opened_again(
    lines: StubLines, ears: Ears, listener: Listener, end: Exception
) -> None:
    listener.start()

    lines.number(1).say(end)
    lines.number(2).say(NOTICE)

    eventually(lambda: NOTICE in ears.told)
    assert ears.without_life_signs() == ["opened", "lost", "opened", NOTICE]
    assert lines.opened[0].closed


def test_a_line_that_cannot_be_opened_is_tried_again(
    lines: StubLines, ears: Ears, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines.failures = [Unavailable("refused")] * 3
    listener.start()

    lines.number(1)

    assert len(lines.asked) == 4
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "INFO"]


def test_a_change_of_what_is_wanted_opens_another_line_at_once(
    lines: StubLines, listener: Listener
) -> None:
    listener.start()
    lines.number(1)

    listener.reopen()
    lines.number(2)

    assert lines.opened[0].closed
    assert not lines.opened[1].closed


def test_nothing_wanted_opens_nothing_until_it_is(ears: Ears) -> None:
    wanted: list[Line] = []
    asked: list[bool] = []

    def open_line() -> Line | None:
        asked.append(bool(wanted))
        return wanted[0] if wanted else None

    listener = Listener(name="test", open_line=open_line, audience=ears)
    listener.start()
    eventually(lambda: asked == [False])

    wanted.append(StubLine())
    listener.reopen()

    eventually(lambda: "opened" in ears.told)
    listener.stop()
    assert listener.join(seconds=5)


def test_an_audience_that_fails_costs_the_line_not_the_thread(lines: StubLines) -> None:
    class Clumsy(Ears):
        def hear(self, event: Event, *, at: datetime, pinged_at: datetime) -> None:
            if isinstance(event, OrderNotice):
                raise KeyError("bug")

    listener = Listener(name="test", open_line=lines.open, audience=Clumsy())
    listener.start()

    lines.number(1).say(NOTICE)

    lines.number(2)
    listener.stop()
    assert listener.join(seconds=5)


def test_pauses_double_up_to_half_a_minute_and_differ() -> None:
    pauses = [
        [streams._pause(failures) for _ in range(200)] for failures in range(1, 9)
    ]

    longest = [1, 2, 4, 8, 16, 30, 30, 30]
    for limit, drawn in zip(longest, pauses, strict=True):
        assert limit / 2 <= min(drawn) < max(drawn) <= limit
    assert all(max(less) <= max(more) * 1.01 for less, more in pairwise(pauses[:6]))


def test_a_long_life_forgets_earlier_failures(
    monkeypatch: pytest.MonkeyPatch, lines: StubLines, ears: Ears
) -> None:
    counted: list[int] = []
    now = datetime(2026, 11, 23, tzinfo=UTC)
    monkeypatch.setattr(
        streams, "_pause", lambda failures: counted.append(failures) or 0
    )
    listener = Listener(
        name="test", open_line=lines.open, audience=ears, clock=lambda: now
    )
    lines.failures = [Unavailable("refused")] * 2
    listener.start()
    line = lines.number(1)
    eventually(lambda: ears.told)

    now += timedelta(minutes=1)
    line.say(Unavailable("closed"))

    lines.number(2)
    listener.stop()
    assert listener.join(seconds=5)
    assert counted == [1, 2, 1]
