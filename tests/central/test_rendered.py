"""What is rendered when a run is published is what the database would answer."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st

from central_project.api import answers, shared_state
from central_project.api.forms import (
    STATUS,
    Standing,
    accepts_gzip,
    fetch,
    keep,
    render,
)
from central_project.api.rendered import render_published
from central_project.market.models import AnalysisRun
from central_project.market.services import runs
from central_project.market.services.pipeline import run_pipeline
from tests.central.market_world import NOW, MemorySource, publish_run

pytestmark = pytest.mark.django_db
SYMBOLS = ["KRW-BTC", "KRW-ETH"]
NAMES = [STATUS, "recommendations:10", "recommendations:50", "support:KRW-ETH"]


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let the server's clock stand at *moment*."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


@pytest.mark.usefixtures("short_history")
def test_a_published_run_is_rendered_and_announced(
    source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOW)
    source.now = NOW
    lease = runs.claim_now(now=NOW)
    run = run_pipeline(lease=lease, source=source, clock=lambda: NOW)

    _, announced = shared_state.look()

    assert announced is not None
    standing = Standing.unpack(announced)
    assert (standing.run_id, standing.stale) == (run.run_id, False)
    late = standing.at(now=NOW + timedelta(hours=1))
    assert (late.pipeline, late.stale) == ("late", True)
    for variant in (standing, late):
        for name in NAMES:
            assert fetch(variant, name) is not None


def test_the_database_gives_the_same_bytes_as_was_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = publish_run(now=NOW, symbols=SYMBOLS)
    at(monkeypatch, NOW)
    render_published(run)
    for moment in (NOW, NOW + timedelta(minutes=16)):
        current = answers.current_run(now=moment)
        kept = [fetch(current.standing, name) for name in NAMES]
        cache.clear()

        built = [
            answers.market_status(current),
            answers.recommendations(current, limit=10),
            answers.recommendations(current, limit=50),
            answers.support_levels(current, symbol="KRW-ETH"),
        ]

        assert kept == built
        render_published(run)
    assert all(gzip.decompress(one.packed) == one.plain for one in built)


def test_the_packed_form_does_not_tell_when_it_was_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = render(b"the same")
    monkeypatch.setattr("time.time", lambda: 1.0)

    assert render(b"the same") == first


def test_a_suspect_run_is_published_but_never_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = publish_run(now=NOW, symbols=SYMBOLS)
    AnalysisRun.objects.update(suspect=True)
    at(monkeypatch, NOW)

    render_published(run)

    current = answers.current_run(now=NOW)
    assert (current.pipeline, current.stale) == ("suspect", True)
    assert all(fetch(current.standing, name) for name in NAMES)
    status = answers.market_status(current).plain
    assert b'"phase":"unknown"' in status
    assert b'"pipeline":"suspect"' in status


def test_rendered_answers_are_still_there_when_they_are_late(settings: Any) -> None:
    standing = answers_standing()
    keep(standing, {STATUS: render(b"{}")})

    left = cache.ttl(standing.key(STATUS))  # type: ignore[attr-defined]  # django-redis

    assert left > settings.VALIDITY_SECONDS + settings.WINDOW_SECONDS


def answers_standing() -> Standing:
    """Return any standing."""
    return Standing(
        run_id="x",
        pipeline="ok",
        exchange="ok",
        stale=False,
        valid_until=NOW,
        next_run_at=NOW,
    )


STANDINGS = st.builds(
    Standing,
    run_id=st.text(min_size=1, max_size=30),
    pipeline=st.sampled_from(["ok", "late", "failed", "suspect"]),
    exchange=st.sampled_from(["ok", "down"]),
    stale=st.booleans(),
    valid_until=st.datetimes(timezones=st.just(NOW.tzinfo)),
    next_run_at=st.datetimes(timezones=st.just(NOW.tzinfo)),
)


@given(standing=STANDINGS, now=st.datetimes(timezones=st.just(NOW.tzinfo)))
def test_a_standing_survives_packing_and_never_gets_better(
    standing: Standing, now: datetime
) -> None:
    assert Standing.unpack(standing.pack()) == standing
    then = standing.at(now=now)
    assert then.stale or not standing.stale
    assert then.stale == (standing.stale or now > standing.valid_until)
    assert 0 <= then.max_age(now=now) <= 60
    assert not (then.stale and then.max_age(now=now))


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("*", True),
        ("*;q=0.5, identity;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("br", False),
        ("", False),
        ("gzip;q=x", False),
        (";;,,=", False),
    ],
)
def test_gzip_goes_to_whoever_accepts_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
