"""Faults on demand: which call they strike, what may be asked, what messages become."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest

from deploy.simulator.faults.asked import FaultRefused, fault_asked
from deploy.simulator.faults.kinds import KINDS, STREAMS, Way
from deploy.simulator.faults.registry import LOG_LENGTH, Call, Fault, Faults, armed_view
from deploy.simulator.faults.stream import Line, Sending

NOW_MS = 1_800_000_000_000
POST = "POST /v1/orders"
KNOWN = (
    POST,
    "GET /v1/order",
    "GET /v1/orders/open",
    "GET /v1/orderbook",
    "GET /v1/ticker",
    "GET /v1/candles/minutes/{unit}",
    "DELETE /v1/order",
)


class Clock:
    """A present that a test moves."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def _faults() -> Faults:
    return Faults(now_ms=Clock())


def _fault(**changes: Any) -> Fault:
    return Fault(**{"endpoint": POST, "kind": "reject_500", **changes})


def _history(faults: Faults, calls: int, call: Call | None = None) -> list[str | None]:
    call = call or Call(endpoint=POST)
    struck = [faults.strike(call=call) for _ in range(calls)]
    return [None if one is None else one.id for one in struck]


# --- which call is struck ------------------------------------------------------------


def test_a_fault_without_choice_strikes_every_call() -> None:
    faults = _faults()
    faults.add(fault=_fault())

    assert _history(faults, 3) == ["f1", "f1", "f1"]


def test_nth_counts_from_when_the_fault_was_added() -> None:
    faults = _faults()
    _history(faults, 5)
    faults.add(fault=_fault(nth=(2, 4)))

    assert _history(faults, 5) == [None, "f1", None, "f1", None]


def test_every_strikes_the_multiples() -> None:
    faults = _faults()
    faults.add(fault=_fault(every=3))

    assert _history(faults, 7) == [None, None, "f1", None, None, "f1", None]


def test_times_bounds_the_hits_but_not_the_counting() -> None:
    faults = _faults()
    armed = faults.add(fault=_fault(every=2, times=1))

    assert _history(faults, 6) == [None, "f1", None, None, None, None]
    assert (armed.calls, armed.hits) == (6, 1)


def test_one_seed_is_one_history() -> None:
    histories = []
    for seed in (7, 7, 8):
        faults = _faults()
        faults.add(fault=_fault(probability=0.5, seed=seed))
        histories.append(_history(faults, 64))

    assert histories[0] == histories[1]
    assert histories[0] != histories[2]
    assert 16 < sum(hit is not None for hit in histories[0]) < 48


def test_a_fault_does_not_change_the_history_of_another() -> None:
    alone, together = _faults(), _faults()
    alone.add(fault=_fault(probability=0.5, seed=7))
    together.add(fault=_fault(probability=0.5, seed=3, endpoint="GET /v1/order"))
    together.add(fault=_fault(probability=0.5, seed=7))

    expected = _history(alone, 32)
    mixed: list[str | None] = []
    for _ in range(32):
        _history(together, 1, Call(endpoint="GET /v1/order"))
        mixed += _history(together, 1)

    assert [hit is not None for hit in mixed] == [hit is not None for hit in expected]


@pytest.mark.parametrize(("probability", "expected"), [(0, 0), (1, 20)])
def test_chances_of_none_and_all_are_certain(probability: float, expected: int) -> None:
    faults = _faults()
    faults.add(fault=_fault(probability=probability))

    assert sum(hit is not None for hit in _history(faults, 20)) == expected


def test_the_first_fault_has_the_call_and_later_ones_do_not_see_it() -> None:
    faults = _faults()
    faults.add(fault=_fault(nth=(1,)))
    later = faults.add(fault=_fault(nth=(1,)))

    assert _history(faults, 3) == ["f1", "f2", None]
    assert later.calls == 2


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        ({"endpoint": "GET /v1/order"}, Call(endpoint=POST)),
        ({"who": "bob"}, Call(endpoint=POST, who=frozenset({"alice", "key"}))),
        ({"who": "bob"}, Call(endpoint=POST)),
        ({"market": "KRW-ETH"}, Call(endpoint=POST, markets=frozenset({"KRW-BTC"}))),
        ({"market": "KRW-ETH"}, Call(endpoint=POST)),
        ({"endpoint": "*"}, Call(endpoint="ws ticker")),
        ({"endpoint": "*", "kind": "false_404"}, Call(endpoint=POST)),
        ({"endpoint": "ws *", "kind": "delay"}, Call(endpoint=POST)),
        ({"endpoint": "*", "kind": "nonce_used"}, Call(endpoint="GET /v1/orderbook")),
    ],
)
def test_calls_that_do_not_match_are_not_counted(
    changes: dict[str, Any], call: Call
) -> None:
    faults = _faults()
    armed = faults.add(fault=_fault(**changes))

    assert _history(faults, 2, call) == [None, None]
    assert armed.calls == 0


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        ({"who": "alice"}, Call(endpoint=POST, who=frozenset({"alice", "key"}))),
        ({"who": "key"}, Call(endpoint=POST, who=frozenset({"alice", "key"}))),
        (
            {"market": "KRW-ETH"},
            Call(endpoint=POST, markets=frozenset({"KRW-BTC", "KRW-ETH"})),
        ),
        ({"endpoint": "*"}, Call(endpoint="DELETE /v1/order")),
        ({"endpoint": "ws *", "kind": "lost"}, Call(endpoint="ws myOrder")),
    ],
)
def test_calls_that_match_are_struck(changes: dict[str, Any], call: Call) -> None:
    faults = _faults()
    faults.add(fault=_fault(**changes))

    assert _history(faults, 1, call) == ["f1"]


def test_a_removed_fault_strikes_no_more() -> None:
    faults = _faults()
    faults.add(fault=_fault())
    faults.add(fault=_fault())

    assert faults.remove(fault="f1")
    assert not faults.remove(fault="f1")
    assert _history(faults, 1) == ["f2"]
    assert faults.clear() == 1
    assert _history(faults, 1) == [None]


def test_ids_are_never_given_twice() -> None:
    faults = _faults()
    faults.add(fault=_fault())
    faults.clear()

    assert faults.add(fault=_fault()).id == "f2"


def test_what_faults_did_is_kept_in_order_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = _faults()
    armed = faults.add(fault=_fault())
    caplog.set_level(logging.INFO, "simulator")
    for number in range(LOG_LENGTH + 2):
        call = Call(endpoint=POST, identifier=f"id-{number}")
        faults.note(armed=armed, call=call, done="not done")

    assert len(faults.hits) == LOG_LENGTH
    assert faults.hits[0].identifier == "id-2"
    assert faults.hits[-1].identifier == f"id-{LOG_LENGTH + 1}"
    assert faults.hits[0].at_ms == NOW_MS
    assert f"f1: reject_500 at {POST} (id-0): not done" in caplog.text


# --- what may be asked ---------------------------------------------------------------


def _asked(**changes: Any) -> Fault:
    return fault_asked(
        asked={"endpoint": POST, "kind": "accept_then_hang", **changes}, known=KNOWN
    )


def test_what_is_asked_for_is_what_is_armed() -> None:
    fault = _asked(
        nth=[1, 3], times=2, seconds=1.5, who="alice", market="KRW-BTC", seed=4
    )

    view = armed_view(_faults().add(fault=fault))

    assert view == {
        "id": "f1",
        "endpoint": POST,
        "kind": "accept_then_hang",
        "nth": [1, 3],
        "every": None,
        "probability": None,
        "times": 2,
        "seconds": 1.5,
        "sign": None,
        "who": "alice",
        "market": "KRW-BTC",
        "seed": 4,
        "calls": 0,
        "hits": 0,
    }


def test_a_kind_has_its_usual_seconds_and_late_its_usual_sign() -> None:
    assert _asked().seconds == KINDS["accept_then_hang"].seconds
    assert _asked(kind="late").sign == "hang"
    assert _asked(kind="late", sign="500", seconds=0).seconds == 0
    assert _asked(kind="late", seconds=Decimal("0.5")).seconds == 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "nonsense"}, "accept_then_hang"),
        ({"kind": None}, "accept_then_hang"),
        ({"kind": ["late"]}, "accept_then_hang"),
        ({"endpoint": "POST /v1/nothing"}, POST),
        ({"endpoint": None}, POST),
        ({"endpoint": "ws ticker"}, POST),
        ({"kind": "lost", "endpoint": POST}, "ws ticker"),
        ({"kind": "false_404", "endpoint": POST}, "GET /v1/order"),
        ({"kind": "late", "endpoint": "GET /v1/order"}, POST),
        ({"kind": "nonce_used", "endpoint": "GET /v1/orderbook"}, POST),
        ({"often": 1}, "probability"),
        ({"nth": 1}, "list"),
        ({"nth": []}, "list"),
        ({"nth": [0]}, "from 1 on"),
        ({"nth": [True]}, "from 1 on"),
        ({"nth": ["1"]}, "from 1 on"),
        ({"nth": [1], "every": 2}, "one of nth, every"),
        ({"every": 0}, "from 1 on"),
        ({"every": 1.5}, "from 1 on"),
        ({"probability": 1.01}, "0 to 1"),
        ({"probability": -0.1}, "0 to 1"),
        ({"probability": float("nan")}, "0 to 1"),
        ({"probability": "0.5"}, "0 to 1"),
        ({"probability": True}, "0 to 1"),
        ({"times": 0}, "from 1 on"),
        ({"seconds": 121}, "0 to 120"),
        ({"seconds": -1}, "0 to 120"),
        ({"seconds": "1"}, "0 to 120"),
        ({"seconds": float("nan")}, "0 to 120"),
        ({"kind": "reject_500", "seconds": 1}, "no seconds"),
        ({"sign": "hang"}, "only late"),
        ({"kind": "late", "sign": "html"}, "hang, reset, 500"),
        ({"who": ""}, "text"),
        ({"who": 5}, "text"),
        ({"market": []}, "text"),
        ({"seed": -1}, "from 0 on"),
        ({"seed": 1.0}, "from 0 on"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FaultRefused, match=said.replace("*", "[*]")):
        _asked(**changes)


def test_every_kind_can_be_asked_for_everywhere_it_fits() -> None:
    for name, kind in KINDS.items():
        everywhere = "ws *" if kind.way is Way.STREAM else "*"

        fault = fault_asked(asked={"kind": name, "endpoint": everywhere}, known=KNOWN)

        assert fault.kind == name


# --- messages ------------------------------------------------------------------------


def _line(kind: str, **changes: Any) -> tuple[Line[str], Faults, Clock]:
    clock = Clock()
    faults = Faults(now_ms=clock)
    faults.add(fault=_fault(endpoint="ws ticker", kind=kind, **changes))
    return Line(faults=faults), faults, clock


def _sent(line: Line[str], *messages: str) -> list[Sending[str]]:
    return [line.sending(one, stream="ticker", market="KRW-BTC") for one in messages]


def test_messages_nobody_strikes_go_out_as_they_are() -> None:
    line, faults, _ = _line("lost", market="KRW-ETH")

    assert _sent(line, "a", "b") == [Sending(("a",)), Sending(("b",))]
    assert not faults.hits


def test_a_doubled_message_is_sent_twice() -> None:
    line, _, _ = _line("duplicate", nth=(2,))

    assert _sent(line, "a", "b") == [Sending(("a",)), Sending(("b", "b"))]


def test_a_lost_message_is_not_sent() -> None:
    line, faults, _ = _line("lost", nth=(1,))

    assert _sent(line, "a", "b") == [Sending(), Sending(("b",))]
    assert [hit.done for hit in faults.hits] == ["not sent"]


def test_a_held_message_follows_the_next_one() -> None:
    line, _, _ = _line("out_of_order", nth=(1,))

    assert _sent(line, "a", "b", "c") == [
        Sending(),
        Sending(("b", "a")),
        Sending(("c",)),
    ]


def test_a_late_message_holds_up_all_behind_it() -> None:
    line, _, _ = _line("delay", nth=(1,), seconds=3.0)

    assert _sent(line, "a") == [Sending(("a",), wait_seconds=3.0)]


def test_a_silent_connection_speaks_again_when_its_time_is_over() -> None:
    line, _, clock = _line("silent", nth=(1,), seconds=2.0)

    assert _sent(line, "a", "b") == [Sending(), Sending()]
    clock.ms += 1_999
    assert _sent(line, "c") == [Sending()]
    clock.ms += 1
    assert _sent(line, "d") == [Sending(("d",))]


def test_a_closed_connection_sends_nothing_first() -> None:
    line, _, _ = _line("close", nth=(1,))

    assert _sent(line, "a") == [Sending(close=True)]


def test_connections_hold_back_only_their_own_messages() -> None:
    one, faults, _ = _line("out_of_order", nth=(1,))
    other: Line[str] = Line(faults=faults)

    assert _sent(one, "a") == [Sending()]
    assert _sent(other, "x") == [Sending(("x",))]
    assert _sent(one, "b") == [Sending(("b", "a"))]


def test_every_stream_can_be_struck() -> None:
    for stream in STREAMS:
        faults = _faults()
        faults.add(fault=_fault(endpoint=stream, kind="lost"))
        line: Line[str] = Line(faults=faults)

        assert line.sending("a", stream=stream.removeprefix("ws ")) == Sending()
