"""Pulling from central: what is kept, what is refused, and how problems read."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import stamina
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.user.central_stub import (
    CentralStub,
    Reply,
    bundle,
    levels,
    running_stub,
    serve_symbols,
)
from tests.user.factories import NOW, make_snapshot
from user_project.central_api import client as client_module
from user_project.central_api import services
from user_project.central_api.client import CentralAPIClient, CentralUnavailable
from user_project.central_api.models import CentralSnapshot, PullState
from user_project.central_api.services import freshness, latest_snapshot, pull

KEY = "ck_test_0123456789abcdefghij"
NOBODY = "http://127.0.0.1:9"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def central(settings: Any) -> Iterator[CentralStub]:
    with running_stub() as stub:
        settings.CENTRAL_API_URL = stub.url
        settings.CENTRAL_API_KEY = KEY
        services.central_client.cache_clear()
        yield stub
    services.central_client.cache_clear()


def test_a_good_answer_is_stored_and_read_back(central: CentralStub) -> None:
    central.say(Reply(bundle()))

    result = pull(now=NOW)

    client = CentralAPIClient(base_url=central.url, api_key=KEY)
    assert (result.outcome, result.run_id) == ("new", "run-1")
    assert client.get_recommendations().value[0].symbol == "KRW-BTC"
    assert client.get_support_levels("KRW-BTC").run_id == "run-1"
    assert client.get_market_status().value.phase == "normal"
    assert central.headers[0]["authorization"] == f"Bearer {KEY}"
    assert PullState.objects.get().last_success_at == NOW


def test_a_netrc_entry_never_replaces_the_key(
    central: CentralStub, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    central.say(Reply(bundle()))

    pull(now=NOW)

    assert central.headers[0]["authorization"] == f"Bearer {KEY}"


def test_old_answers_serve_as_stale_and_none_says_what_to_do() -> None:
    client = CentralAPIClient(base_url=NOBODY, api_key=KEY)

    with pytest.raises(CentralUnavailable, match=r"manage_user\.py pull"):
        client.get_recommendations()

    _store(as_of=NOW - timedelta(days=400))
    answer = client.get_market_status()
    assert answer.stale
    assert answer.age_seconds > 300 * 86_400


@pytest.mark.parametrize(
    ("minutes", "stale"),
    [(15, (False, False, False)), (16, (True, False, True)), (61, (True, True, True))],
)
def test_each_kind_grows_stale_at_its_own_age_whatever_validity_is_claimed(
    minutes: int, stale: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module.timezone, "now", lambda: NOW)
    for_ever = (NOW + timedelta(days=9)).isoformat()
    _store(as_of=NOW - timedelta(minutes=minutes), valid_until=for_ever)
    client = CentralAPIClient(base_url=NOBODY, api_key=KEY)

    answers = (
        client.get_recommendations(),
        client.get_support_levels("KRW-BTC"),
        client.get_market_status(),
    )

    assert tuple(answer.stale for answer in answers) == stale


def test_a_market_central_does_not_know_is_named() -> None:
    _store()

    with pytest.raises(CentralUnavailable, match="KRW-NOPE"):
        CentralAPIClient(base_url=NOBODY, api_key=KEY).get_support_levels("KRW-NOPE")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(status=401), "CENTRAL_API_KEY"),
        (Reply(status=403), "CENTRAL_API_KEY"),
        (Reply(status=404), "CENTRAL_API_URL"),
        (Reply(status=302, headers={"Location": "/login"}), "CENTRAL_API_URL"),
        (Reply(status=400), "같은 버전"),
        (Reply(status=429, headers={"Retry-After": "7"}), "한도"),
        (Reply(status=503), "HTTP 503"),
        (Reply(b"<html>hello</html>"), "이해할 수 없어"),
        (Reply(b""), "이해할 수 없어"),
        (Reply(b"[" * 100_000), "이해할 수 없어"),
        (Reply(b" " * (1024 * 1024 + 1)), "1 MiB"),
        (
            Reply(gzip.compress(b" " * 9_000_000), headers={"Content-Encoding": "gzip"}),
            "1 MiB",
        ),
        (Reply(b"not gzip", headers={"Content-Encoding": "gzip"}), "연결할 수 없습니다"),
        (Reply(b"{}", headers={"Content-Length": "500"}), "연결할 수 없습니다"),
        (Reply(bundle(schema_version=2)), "schema_version"),
        (Reply(bundle(support_levels={"KRW-BTC": levels("KRW-BTC", moderate="1e5")})), "지지선"),
        (Reply(bundle(support_levels={"KRW-ETH": levels("KRW-BTC")})), "KRW-ETH"),
        (Reply(bundle(support_levels={"KRW-BTC": levels("KRW-BTC", price="-1")})), "price"),
        (Reply(bundle(recommendations=None)), "recommendations"),
        (Reply(bundle(market_status=None)), "market_status"),
        (Reply(bundle(as_of=NOW + timedelta(minutes=5))), "미래"),
        (Reply(bundle(run_id="run-0", as_of=NOW - timedelta(minutes=20))), "오래된"),
        (Reply(bundle(run_id="other", unchanged=True)), "우리에게 없는"),
    ],
)  # fmt: skip
def test_a_bad_answer_never_replaces_a_good_one(
    central: CentralStub, reply: Reply, sentence: str
) -> None:
    good = _store(as_of=NOW - timedelta(minutes=5))
    central.say(reply)

    result = pull(now=NOW)

    assert result.outcome == "failed"
    assert sentence in result.message
    assert PullState.objects.get().last_error == result.message[:400]
    assert KEY not in result.message
    snapshot = latest_snapshot()
    assert snapshot is not None
    assert (snapshot.run_id, snapshot.fetched_at) == (good.run_id, good.fetched_at)


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        (NOBODY, KEY, "CENTRAL_API_URL"),
        ("nonsense", KEY, "CENTRAL_API_URL"),
        ("http://no-such-host.invalid", KEY, "CENTRAL_API_URL"),
        ("", KEY, ".env.user"),
        (NOBODY, "", ".env.user"),
        (NOBODY, "한글 키", "CENTRAL_API_URL"),
    ],
)
def test_a_wrong_address_or_key_names_the_setting(
    settings: Any, url: str, key: str, sentence: str
) -> None:
    settings.CENTRAL_API_URL, settings.CENTRAL_API_KEY = url, key
    services.central_client.cache_clear()

    result = pull(now=NOW)

    assert result.outcome == "failed"
    assert sentence in result.message


def test_a_moment_of_trouble_is_retried_within_one_pull(central: CentralStub) -> None:
    central.say(Reply(status=502), Reply(status=500), Reply(bundle()))

    result = pull(now=NOW)

    assert result.outcome == "new"
    assert len(central.bodies) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_told_to_come_back_later_the_line_rests(
    central: CentralStub, status: int
) -> None:
    central.say(Reply(status=status, headers={"Retry-After": "9999"}))

    pull(now=NOW)
    result = pull(now=NOW + timedelta(seconds=59))

    assert result.outcome == "skipped"
    assert len(central.bodies) == 1
    assert PullState.objects.get().open_until == NOW + timedelta(seconds=60)


def test_five_failures_rest_the_line_and_a_success_frees_it(
    central: CentralStub,
) -> None:
    central.say(Reply(status=404))

    for minute in range(5):
        pull(now=NOW + timedelta(minutes=minute))

    opened = PullState.objects.get()
    assert opened.failures == 5
    assert opened.open_until is not None
    pause = opened.open_until - (NOW + timedelta(minutes=4))
    assert timedelta(seconds=10) <= pause <= timedelta(seconds=30)
    central.say(Reply(bundle()))
    assert pull(now=opened.open_until - timedelta(seconds=1)).outcome == "skipped"
    assert pull(now=opened.open_until).outcome == "new"
    assert PullState.objects.get().failures == 0


def test_the_known_run_costs_an_empty_answer(central: CentralStub) -> None:
    central.say(Reply(bundle()))
    pull(now=NOW)
    unchanged = bundle(unchanged=True, recommendations=None, support_levels={})
    central.say(Reply(unchanged | {"market_status": None, "stale": True}))

    result = pull(now=NOW + timedelta(minutes=1))

    snapshot = latest_snapshot()
    assert snapshot is not None
    assert result.outcome == "unchanged"
    assert central.bodies[-1]["known_run_id"] == "run-1"
    assert snapshot.fetched_at == NOW + timedelta(minutes=1)
    assert snapshot.bundle.recommendations
    assert snapshot.bundle.stale, "central's own verdict on the run is taken over"


def test_markets_ranked_for_the_first_time_are_asked_for_at_once(
    central: CentralStub,
) -> None:
    ranked = tuple(f"KRW-C{number}" for number in range(50))
    bots = [f"KRW-B{number}" for number in range(30)]
    central.say(serve_symbols(ranked))

    result = pull(now=NOW, extra_symbols=bots)

    snapshot = latest_snapshot()
    assert snapshot is not None
    assert result.outcome == "new"
    assert set(snapshot.bundle.support_levels) == {*ranked, *bots}
    assert all(len(body["support_levels"]) <= 60 for body in central.bodies)
    assert len(central.bodies) == 2


def test_a_run_published_between_two_parts_starts_the_pull_over(
    central: CentralStub,
) -> None:
    later = {"run_id": "run-2", "as_of": NOW + timedelta(seconds=30)}
    central.say(serve_symbols(("KRW-A",)), serve_symbols(("KRW-B",), **later))

    result = pull(now=NOW, extra_symbols=["KRW-BOT"])

    snapshot = latest_snapshot()
    assert snapshot is not None
    assert (result.outcome, snapshot.run_id) == ("new", "run-2")
    assert set(snapshot.bundle.support_levels) == {"KRW-B", "KRW-BOT"}


def test_a_market_central_refuses_is_not_asked_for_again_and_again(
    central: CentralStub,
) -> None:
    error = {"code": "unknown_symbol", "message": "no"}
    central.say(Reply(bundle(errors={"support_levels.KRW-GONE": error})))

    pull(now=NOW, extra_symbols=["KRW-GONE", "not a market"])
    pull(now=NOW, extra_symbols=["KRW-GONE", "not a market"])

    assert [body["support_levels"] for body in central.bodies] == [
        ["KRW-GONE"],
        ["KRW-GONE", "KRW-BTC"],
    ]
    assert central.bodies[1]["known_run_id"] == "run-1"


def test_only_the_newest_snapshots_are_kept(
    central: CentralStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "KEEP_SNAPSHOTS", 2)

    for number in range(4):
        at = NOW + timedelta(minutes=5 * number)
        central.say(Reply(bundle(run_id=f"run-{number}", as_of=at)))
        pull(now=at)

    kept = CentralSnapshot.objects.values_list("run_id", flat=True)
    assert list(kept) == ["run-3", "run-2"]


@pytest.mark.parametrize(
    ("age", "changes", "level", "allowed"),
    [
        (timedelta(minutes=1), {}, "fresh", True),
        (timedelta(minutes=11), {}, "warn", True),
        (timedelta(minutes=15), {}, "warn", True),
        (timedelta(minutes=15, seconds=1), {}, "stale", False),
        (timedelta(minutes=1), {"stale": True}, "stale", False),
        (timedelta(seconds=-30), {}, "fresh", True),
        (
            timedelta(minutes=61),
            {"valid_until": (NOW + timedelta(days=9)).isoformat()},
            "stale",
            False,
        ),
        (
            timedelta(minutes=15),
            {"valid_until": (NOW + timedelta(days=9)).isoformat()},
            "warn",
            True,
        ),
        (timedelta(minutes=10), {}, "fresh", True),
    ],
)
def test_new_rounds_need_a_fresh_analysis(
    age: timedelta, changes: dict[str, Any], level: str, allowed: bool
) -> None:
    snapshot = _store(as_of=NOW - age, **changes)

    fresh = freshness(snapshot=snapshot, now=NOW)

    assert (fresh.level, fresh.new_cycles_allowed) == (level, allowed)
    assert fresh.reason


@pytest.mark.parametrize(
    ("phase", "allowed"),
    [("normal", True), ("caution", True), ("unknown", True), ("crash", False),
     ("halted", False)],
)  # fmt: skip
def test_a_falling_or_halted_market_opens_no_round(phase: str, allowed: bool) -> None:
    status = bundle()["market_status"] | {"phase": phase}
    snapshot = _store(market_status=status)

    assert freshness(snapshot=snapshot, now=NOW).new_cycles_allowed is allowed


def test_without_any_answer_nothing_new_starts() -> None:
    fresh = freshness(snapshot=None, now=NOW)

    assert (fresh.level, fresh.age_seconds) == ("none", None)
    assert not fresh.new_cycles_allowed


def test_the_command_prints_one_object_and_fails_with_the_remedy(
    central: CentralStub, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    central.say(Reply(bundle(as_of=NOW)))

    call_command("pull", "--json")

    assert json.loads(capsys.readouterr().out)["outcome"] == "new"
    central.say(Reply(status=401))
    with pytest.raises(CommandError, match="CENTRAL_API_KEY"):
        call_command("pull")


def test_the_key_is_never_logged(
    central: CentralStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    central.say(Reply(status=401))

    pull(now=NOW)

    assert "central.pull.failed" in caplog.text
    assert KEY not in caplog.text


def _store(*, as_of: datetime = NOW, **changes: Any) -> CentralSnapshot:
    services._store(
        client_module.parse_bundle(
            json.dumps(bundle(run_id="good", as_of=as_of, **changes))
        ),
        now=NOW - timedelta(minutes=1),
    )
    return CentralSnapshot.objects.get(run_id="good")


class TestBackPressure:
    """Central says when its next run can be there; asking before is useless."""

    @pytest.fixture(autouse=True)
    def answered(self, monkeypatch: pytest.MonkeyPatch, db: None) -> list[str]:
        outcomes = ["unchanged"]
        monkeypatch.setattr(
            services,
            "pull",
            lambda **_: services.PullResult(outcome=outcomes[-1]),
        )
        return outcomes

    def next_pull(self, now: datetime) -> timedelta:
        services.PullState.objects.update(next_pull_at=None)
        services.pull_if_due(now=now)
        at = services.PullState.objects.get(pk=1).next_pull_at
        assert at is not None
        return at - now

    @pytest.mark.parametrize(
        ("minutes", "least", "most"), [(4, 240, 260), (0, 40, 80), (600, 600, 600)]
    )
    def test_the_next_pull_waits_for_the_next_run(
        self, minutes: int, least: int, most: int
    ) -> None:
        now = NOW
        later = now + timedelta(minutes=minutes)
        make_snapshot(now, next_run_at=later.isoformat())
        waits = [self.next_pull(now + timedelta(seconds=n)) for n in range(5)]
        for number, wait in enumerate(waits):
            seconds = wait.total_seconds() + (number if minutes == 4 else 0)
            assert least <= seconds <= most

    def test_a_failed_pull_is_tried_again_within_the_period(
        self, answered: list[str]
    ) -> None:
        now = NOW
        answered.append("failed")
        later = now + timedelta(minutes=4)
        make_snapshot(now, next_run_at=later.isoformat())
        assert self.next_pull(now).total_seconds() <= 80
