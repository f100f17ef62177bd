"""The fast lane answers exactly as Django does, counts with it, and otherwise steps aside."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory
from django.utils import timezone
from django_ratelimit.core import get_usage
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from central_project.api import shared_state, throttling
from central_project.api.fastlane import FastLane
from central_project.api.models import ApiKey
from central_project.api.rendered import render_published
from central_project.market.models import AnalysisRun, RunState
from central_project.wsgi import django_application
from tests.central.market_world import publish_run

pytestmark = pytest.mark.django_db
LIST = "/api/v1/recommendations"
LEVELS = "/api/v1/support-levels/KRW-BTC"
STATUS = "/api/v1/market-status"
FROZEN = 1_800_000_000


class Answer(NamedTuple):
    """What a WSGI application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(application: Any, address: str, /, **headers: str) -> Answer:
    """Ask a WSGI application; header names as in its environment."""
    method = headers.pop("method", "GET")
    environ = RequestFactory(HTTP_HOST="127.0.0.1").generic(method, address).environ
    environ.pop("HTTP_COOKIE", None)
    environ.pop("CONTENT_TYPE", None)
    environ |= headers
    started: list[Any] = []
    result = application(environ, lambda status, head: started.append((status, head)))
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    status, head = started[0]
    names = [name.lower() for name, _ in head]
    assert len(names) == len(set(names)), "a header was sent twice"
    return Answer(int(status[:3]), {n.lower(): v for n, v in head}, body)


class Lane:
    """A fast lane of its own process-wide state; knows whether Django was asked."""

    def __init__(self) -> None:
        self.left_to_django = 0
        self._lane = FastLane(self._django)

    def __call__(self, address: str, /, **headers: str) -> Answer:
        return send(self._lane, address, **headers)

    def _django(self, environ: Any, start_response: Any) -> Any:
        self.left_to_django += 1
        return django_application(environ, start_response)


@pytest.fixture(autouse=True)
def frozen_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """One window of the limit for the whole test, however slow the machine is."""
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: FROZEN)


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Keep the test's transaction: the servers' signals would end it."""
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def run(db: None) -> AnalysisRun:
    """A run whose answers are rendered."""
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC", "KRW-ETH"])
    render_published(run)
    return run


@pytest.fixture
def key(issued: tuple[ApiKey, str]) -> str:
    """The Authorization header of a good key."""
    return f"Bearer {issued[1]}"


@pytest.fixture
def lane() -> Lane:
    """A fast lane that has seen nothing yet."""
    return Lane()


def both(lane: Lane, address: str, /, **headers: str) -> tuple[Answer, Answer]:
    """Return the answers of the lane and of Django to a first request in the window."""
    headers.setdefault("HTTP_X_REQUEST_ID", "request-0001")
    _forget_counts()
    ours = lane(address, **headers)
    _forget_counts()
    return ours, send(django_application, address, **headers)


def _forget_counts() -> None:
    redis = shared_state._redis()
    for name in redis.scan_iter("dc-limit:1:rl:*"):
        redis.delete(name)


USUAL: list[tuple[str, dict[str, str]]] = [
    (LIST, {}),
    (f"{LIST}?limit=10", {}),
    (f"{LIST}?limit=50", {}),
    (LEVELS, {}),
    (STATUS, {}),
    (LIST, {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br"}),
    (LEVELS, {"HTTP_ACCEPT_ENCODING": "br;q=1.0, gzip;q=0.8, *;q=0.1"}),
    (STATUS, {"HTTP_ACCEPT_ENCODING": "gzip;q=0"}),
    (STATUS, {"HTTP_ACCEPT_ENCODING": "deflate"}),
    (STATUS, {"HTTP_ACCEPT": "*/*"}),
    (STATUS, {"HTTP_ACCEPT": "application/json"}),
    (STATUS, {"HTTP_IF_NONE_MATCH": '"other"'}),
    (LIST, {"HTTP_IF_NONE_MATCH": "*"}),
    (STATUS, {"HTTP_X_FORWARDED_FOR": "6.6.6.6"}),
]


@pytest.mark.parametrize(("address", "headers"), USUAL)
def test_usual_questions_get_the_same_status_headers_and_bytes(
    lane: Lane, run: AnalysisRun, key: str, address: str, headers: dict[str, str]
) -> None:
    ours, djangos = both(lane, address, HTTP_AUTHORIZATION=key, **headers)

    assert lane.left_to_django == 0
    assert ours.headers == djangos.headers
    assert ours == djangos


def test_a_known_answer_is_304_in_the_form_it_is_known_in(
    lane: Lane, run: AnalysisRun, key: str
) -> None:
    asked = {"HTTP_AUTHORIZATION": key}
    plain = lane(LIST, **asked)
    packed = lane(LIST, **asked, HTTP_ACCEPT_ENCODING="gzip")

    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    for coding, first in (("identity", plain), ("gzip", packed)):
        known = asked | {"HTTP_ACCEPT_ENCODING": coding}
        for tag in (first.headers["etag"], f'"x", W/{first.headers["etag"]}'):
            ours, djangos = both(lane, LIST, **known, HTTP_IF_NONE_MATCH=tag)
            assert ours == djangos
            assert (ours.status, ours.body) == (304, b"")
    crossed = lane(LIST, **asked, HTTP_IF_NONE_MATCH=packed.headers["etag"])
    assert crossed.status == 200
    assert lane.left_to_django == 0


def _late(run: AnalysisRun) -> None:
    AnalysisRun.objects.update(valid_until=timezone.now() - timedelta(seconds=1))


def _failed(run: AnalysisRun) -> None:
    AnalysisRun.objects.create(
        window_start=run.window_start + timedelta(minutes=5),
        state=RunState.FAILED,
        started_at=timezone.now(),
        error_code="EXCHANGE_UNAVAILABLE",
    )


def _suspect(run: AnalysisRun) -> None:
    AnalysisRun.objects.update(suspect=True)


@pytest.mark.parametrize(
    ("spoil", "pipeline"), [(_late, "late"), (_failed, "failed"), (_suspect, "suspect")]
)
@pytest.mark.parametrize("address", [LIST, LEVELS, STATUS])
def test_stale_answers_are_the_same_too(
    lane: Lane,
    run: AnalysisRun,
    key: str,
    address: str,
    spoil: Callable[[AnalysisRun], None],
    pipeline: str,
) -> None:
    spoil(run)
    render_published(run)

    ours, djangos = both(lane, address, HTTP_AUTHORIZATION=key)

    assert ours == djangos
    assert b'"stale":true' in ours.body
    assert ours.headers["cache-control"] == "private, max-age=0"
    if address == STATUS:
        assert f'"pipeline":"{pipeline}"'.encode() in ours.body
    assert lane.left_to_django == 0


def test_rendered_answers_turn_late_by_the_clock_alone(
    lane: Lane, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    render_published(run)
    fresh = lane(STATUS, HTTP_AUTHORIZATION=key)
    assert run.valid_until is not None
    after = run.valid_until + timedelta(seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: after)

    ours, djangos = both(lane, STATUS, HTTP_AUTHORIZATION=key)

    assert b'"stale":false' in fresh.body
    assert b'"pipeline":"late"' in ours.body
    assert ours == djangos
    assert lane.left_to_django == 0


UNUSUAL: list[tuple[str, dict[str, str]]] = [
    (LIST, {"method": "HEAD"}),
    (LIST, {"method": "OPTIONS"}),
    (f"{LIST}?limit=0", {}),
    (f"{LIST}?limit=51", {}),
    (f"{LIST}?limit=5&limit=6", {}),
    (f"{LIST}?limt=5", {}),
    (f"{LIST}?as_of=2026-11-23T09:00:00Z", {}),
    (f"{STATUS}?limit=5", {}),
    (f"{STATUS}/", {}),
    ("/api/v1/support-levels/krw-btc", {}),
    ("/api/v1/support-levels/KRW-NOPE", {}),
    ("/api/v1/nothing", {}),
    (STATUS, {"HTTP_ACCEPT": "image/png"}),
    (STATUS, {"HTTP_ACCEPT_LANGUAGE": "en"}),
    (STATUS, {"HTTP_COOKIE": "dantaro_central_session=x"}),
    (STATUS, {"HTTP_HOST": "evil.example"}),
    (STATUS, {"HTTP_HOST": ""}),
    (STATUS, {"HTTP_AUTHORIZATION": ""}),
    (STATUS, {"HTTP_AUTHORIZATION": "Bearer dk_live_short"}),
    (STATUS, {"HTTP_AUTHORIZATION": f"Bearer dk_live_ABCDEFGH.{'A' * 43}"}),
    (STATUS, {"HTTP_AUTHORIZATION": "Basic YTpi"}),
]


@pytest.mark.parametrize(("address", "headers"), UNUSUAL)
def test_everything_unusual_is_djangos(
    lane: Lane, run: AnalysisRun, key: str, address: str, headers: dict[str, str]
) -> None:
    asked = {"HTTP_AUTHORIZATION": key} | headers
    ours, djangos = both(lane, address, **asked)

    assert lane.left_to_django == 1
    assert ours == djangos


# What is usual comes first; up to three parts are replaced by others.
PARTS: dict[str, list[str | None]] = {
    "method": ["GET", "HEAD", "POST"],
    "address": [LIST, LEVELS, STATUS, f"{LIST}/", "/api/v1//market-status"],
    "query": ["", "?", "?limit=10", "?limit=07", "?limit=%31", "?as_of=x", "?token=x"],
    "HTTP_ACCEPT": [None, "*/*", "application/json", "application/json;q=0.5", "a/b"],
    "HTTP_ACCEPT_ENCODING": [None, "", "gzip", "GZIP;Q=0.5, br", "identity, gzip;q=.1"],
    "HTTP_IF_NONE_MATCH": [None, "", "*", '"x"', 'W/"x", "y"', "x", '"'],
    "HTTP_HOST": ["127.0.0.1", "localhost:80", "127.0.0.1:x", "evil.example"],
    "HTTP_COOKIE": [None, "a=b"],
    "HTTP_X_REQUEST_ID": ["request-0001", "12345678"],
    "HTTP_AUTHORIZATION": ["Bearer {}", "bearer {}", "Bearer  {}", "{}"],
    "CONTENT_LENGTH": [None, "", "0"],
}


@hypothesis_settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    others=st.lists(
        st.sampled_from([(name, one) for name, all_ in PARTS.items() for one in all_]),
        max_size=3,
    )
)
def test_whatever_is_asked_the_lane_changes_nothing(
    run: AnalysisRun, issued: tuple[ApiKey, str], others: list[tuple[str, str | None]]
) -> None:
    parts = {name: all_[0] for name, all_ in PARTS.items()} | dict(others)
    asked = {name: value for name, value in parts.items() if value is not None}
    address = asked.pop("address") + asked.pop("query")
    asked["HTTP_AUTHORIZATION"] = asked["HTTP_AUTHORIZATION"].format(issued[1])

    ours, djangos = both(Lane(), address, **asked)

    assert ours == djangos


# --- one counter -----------------------------------------------------------------


def remaining(answer: Answer) -> str:
    """Return what the limit's header says is left."""
    return answer.headers["x-ratelimit-remaining"]


def test_lane_django_and_get_usage_count_together(
    lane: Lane, run: AnalysisRun, key: str, issued: tuple[ApiKey, str], rf: Any
) -> None:
    asked = {"HTTP_AUTHORIZATION": key}
    answers = [
        lane(STATUS, **asked),
        send(django_application, STATUS, **asked),
        Lane()(LIST, **asked),
        send(django_application, LEVELS, **asked),
    ]

    usage = get_usage(
        rf.get("/"),
        group="api",
        key=lambda *_: f"key:{issued[0].pk}",
        rate=(100, 60),
        increment=False,
    )
    assert [remaining(one) for one in answers] == ["99", "98", "97", "96"]
    assert usage["count"] == 4
    assert answers[0].headers["x-ratelimit-reset"] == str(usage["time_left"])


def test_a_new_window_counts_anew(
    lane: Lane, run: AnalysisRun, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"HTTP_AUTHORIZATION": key}
    before = [lane(STATUS, **asked) for _ in range(2)]
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: FROZEN + 60)

    after = [lane(STATUS, **asked), send(django_application, STATUS, **asked)]

    assert [remaining(one) for one in before + after] == ["99", "98", "99", "98"]
    assert lane.left_to_django == 0


@pytest.mark.parametrize("rate", [(1, 1), (100, 60), (7, 3600), (1_000_000, 7)])
def test_the_counter_is_where_django_ratelimit_has_it(
    rf: Any, rate: tuple[int, int], db: None
) -> None:
    value, redis = "key:17", shared_state._redis()
    counter = throttling.shared_counter("api", value, f"{rate[0]}/{rate[1]}s")

    usage = get_usage(
        rf.get("/"), group="api", key=lambda *_: value, rate=rate, increment=True
    )

    assert redis.get(counter.place) == b"1"
    assert redis.ttl(counter.place) == counter.seconds
    assert usage["time_left"] == counter.ends - FROZEN


def test_the_last_request_within_the_limit_is_answered_and_the_next_refused(
    lane: Lane, run: AnalysisRun
) -> None:
    _, text = ApiKey.objects.issue(name="x", rate="3/3600s")
    asked = {"HTTP_AUTHORIZATION": f"Bearer {text}", "HTTP_X_REQUEST_ID": "request-1"}
    good = [lane(STATUS, **asked) for _ in range(3)]
    assert lane.left_to_django == 0

    refused = lane(STATUS, **asked)
    djangos = send(django_application, STATUS, **asked)

    assert [remaining(one) for one in good] == ["2", "1", "0"]
    assert refused.status == 429
    assert refused == djangos
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]


def test_every_call_is_counted_once_for_the_operators(
    lane: Lane, run: AnalysisRun
) -> None:
    key, text = ApiKey.objects.issue(name="x", rate="2/3600s")
    other, other_text = ApiKey.objects.issue(name="y")
    asked = {"HTTP_AUTHORIZATION": f"Bearer {text}"}
    for application in (lane, lane, lane):
        application(STATUS, **asked)
    send(django_application, STATUS, **asked)
    send(django_application, STATUS, HTTP_AUTHORIZATION=f"Bearer {other_text}")
    now = timezone.now()

    today = shared_state.usage_by_key(now=now)
    tomorrow = shared_state.usage_by_key(now=now + timedelta(days=1))
    next_week = shared_state.usage_by_key(now=now + timedelta(days=7))

    assert today == {
        key.pk: shared_state.KeyCalls(4, 2, 4, 2),
        other.pk: shared_state.KeyCalls(1, 0, 1, 0),
    }
    assert tomorrow is not None
    assert tomorrow[key.pk] == shared_state.KeyCalls(0, 0, 4, 2)
    assert next_week == {}


# --- keys --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda key: ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now()),
        lambda key: ApiKey.objects.filter(pk=key.pk).delete(),
        lambda key: _save(key, expires_at=timezone.now()),
    ],
)
def test_a_key_that_ends_is_refused_at_once_in_every_process(
    run: AnalysisRun,
    issued: tuple[ApiKey, str],
    key: str,
    change: Callable[[ApiKey], object],
    django_capture_on_commit_callbacks: Any,
) -> None:
    lanes = [Lane(), Lane()]
    before = [lane(STATUS, HTTP_AUTHORIZATION=key).status for lane in lanes]

    with django_capture_on_commit_callbacks(execute=True):
        change(issued[0])

    after = [lane(STATUS, HTTP_AUTHORIZATION=key).status for lane in lanes]
    assert (before, after) == ([200, 200], [401, 401])


def _save(key: ApiKey, **values: object) -> None:
    for name, value in values.items():
        setattr(key, name, value)
    key.save()


def test_a_new_rate_counts_at_once(
    lane: Lane,
    run: AnalysisRun,
    issued: tuple[ApiKey, str],
    key: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    before = lane(STATUS, HTTP_AUTHORIZATION=key)
    with django_capture_on_commit_callbacks(execute=True):
        _save(issued[0], rate="7/60s")

    after = lane(STATUS, HTTP_AUTHORIZATION=key)

    assert (remaining(before), remaining(after)) == ("99", "6")
    assert lane.left_to_django == 0


def test_a_key_ends_by_the_clock_without_any_change(
    lane: Lane, run: AnalysisRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    ends = now + timedelta(seconds=30)
    _, text = ApiKey.objects.issue(name="x", expires_at=ends)
    asked = {"HTTP_AUTHORIZATION": f"Bearer {text}"}
    before = lane(STATUS, **asked)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ends)

    after = lane(STATUS, **asked)

    assert (before.status, after.status) == (200, 401)
    assert b"API_KEY_EXPIRED" in after.body


def test_the_lane_notes_the_last_use_at_most_once_a_minute(
    lane: Lane,
    run: AnalysisRun,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    start = timezone.now()
    lane(STATUS, HTTP_AUTHORIZATION=key)
    first = ApiKey.objects.get().last_used_at
    with django_assert_num_queries(0):
        lane(STATUS, HTTP_AUTHORIZATION=key)
    later = start + timedelta(seconds=61)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    lane(STATUS, HTTP_AUTHORIZATION=key)

    assert first is not None
    assert first >= start
    assert ApiKey.objects.get().last_used_at == later
    assert lane.left_to_django == 0


# --- what is served ------------------------------------------------------------------


def test_a_new_run_is_served_at_once_in_every_process(
    run: AnalysisRun, key: str
) -> None:
    lanes = [Lane(), Lane()]
    for lane in lanes:
        lane(LIST, HTTP_AUTHORIZATION=key)
    newer = publish_run(now=timezone.now() + timedelta(minutes=5), symbols=["KRW-XRP"])
    render_published(newer)

    bodies = {lane(LIST, HTTP_AUTHORIZATION=key).body for lane in lanes}

    assert len(bodies) == 1
    assert newer.run_id.encode() in bodies.pop()
    assert [lane.left_to_django for lane in lanes] == [0, 0]


def test_what_happened_unannounced_is_seen_when_the_mark_runs_out(
    lane: Lane, run: AnalysisRun, key: str
) -> None:
    lane(STATUS, HTTP_AUTHORIZATION=key)
    _failed(run)
    shared_state._redis().delete(shared_state._place("standing"))  # its second is over

    first = lane(STATUS, HTTP_AUTHORIZATION=key)  # nobody has kept this variant yet
    second = lane(STATUS, HTTP_AUTHORIZATION=key)

    assert b'"pipeline":"failed"' in first.body
    assert second.body == first.body
    assert lane.left_to_django == 1
    assert 0 < shared_state._redis().ttl(shared_state._place("standing")) <= 1


def test_every_mark_and_counter_expires(lane: Lane, run: AnalysisRun, key: str) -> None:
    lane(STATUS, HTTP_AUTHORIZATION=key)
    redis = shared_state._redis()

    lasting = [name for name in redis.scan_iter("dc-*") if redis.ttl(name) < 0]

    assert lasting == []


def test_an_emptied_redis_costs_nothing_but_one_look(
    lane: Lane, run: AnalysisRun, key: str
) -> None:
    lane(STATUS, HTTP_AUTHORIZATION=key)
    shared_state._redis().flushdb()

    answers = [lane(STATUS, HTTP_AUTHORIZATION=key) for _ in range(2)]

    assert [one.status for one in answers] == [200, 200]
    assert remaining(answers[1]) == "98"


def test_a_connection_that_broke_costs_no_answer(
    lane: Lane, run: AnalysisRun, key: str
) -> None:
    lane(STATUS, HTTP_AUTHORIZATION=key)
    redis = shared_state._redis()
    redis.execute_command("CLIENT KILL", "ID", redis.client_id(), "SKIPME", "no")

    answers = [lane(STATUS, HTTP_AUTHORIZATION=key) for _ in range(2)]

    assert [one.status for one in answers] == [200, 200]


def test_what_redis_refuses_is_left_to_django(
    lane: Lane, run: AnalysisRun, issued: tuple[ApiKey, str], key: str
) -> None:
    place = throttling.shared_counter("api", f"key:{issued[0].pk}", "100/60s").place
    shared_state._redis().lpush(place, "no number")

    answer = lane(STATUS, HTTP_AUTHORIZATION=key)

    assert answer.status == 200
    assert lane.left_to_django == 1
