"""Two real web processes: one limit, one answer, and a revoked key that opens neither."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from central_project.api.models import ApiKey
from central_project.api.rendered import render_published
from central_project.api.shared_state import usage_by_key
from deploy.ports import HOST, free_ports
from tests.central.market_world import publish_run

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
LIST = "/api/v1/recommendations"


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    """Where granian serves this test's database and Redis with two workers."""
    (number,) = free_ports(1)
    parts = connection.settings_dict
    database = (
        f"postgresql://{parts['USER']}:{parts['PASSWORD']}"
        f"@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"
    )
    options = ["--host", HOST, "--port", str(number), "--no-ws", "--workers", "2"]
    options += ["--workers-kill-timeout", "5"]  # else it may wait for one for ever
    granian = Path(sys.executable).parent / "granian"
    server = subprocess.Popen(
        [granian, "--interface", "wsgi", *options, "central_project.wsgi:application"],
        env={**os.environ, "DATABASE_URL": database},
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, number)
        yield number
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None
        try:
            assert get(port, "/healthz", "")[0] == 200
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("granian does not answer")


def get(port: int, address: str, text: str) -> tuple[int, bytes]:
    """Ask over a connection of its own, so that either process may get it."""
    with closing(HTTPConnection(HOST, port, timeout=30)) as asked:
        asked.request("GET", address, headers={"Authorization": f"Bearer {text}"})
        answer = asked.getresponse()
        return answer.status, answer.read()


def many(port: int, text: str, times: int) -> Counter[tuple[int, bytes]]:
    """Ask often and at once; count equal answers."""
    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(lambda _: get(port, LIST, text), range(times)))


def statuses(answers: Counter[tuple[int, bytes]]) -> Counter[int]:
    """Count the statuses alone."""
    counted: Counter[int] = Counter()
    for (status, _), times in answers.items():
        counted[status] += times
    return counted


def test_two_processes_keep_one_limit_and_hear_of_every_change(port: int) -> None:
    now = timezone.now()
    render_published(publish_run(now=now, symbols=["KRW-BTC"]))
    key, text = ApiKey.objects.issue(name="x", rate="60/86400s")
    other, other_text = ApiKey.objects.issue(name="y", rate="9999/60s")

    limited = statuses(many(port, text, 100))
    first = many(port, other_text, 40)
    newer = publish_run(now=now + timedelta(minutes=5), symbols=["KRW-ETH"])
    render_published(newer)
    second = many(port, other_text, 40)
    ApiKey.objects.filter(pk=other.pk).update(revoked_at=timezone.now())
    refused = statuses(many(port, other_text, 20))

    assert limited == {200: 60, 429: 40}
    assert len(first) == len(second) == 1
    ((status, body),) = second
    assert status == 200
    assert newer.run_id.encode() in body
    assert refused == {401: 20}
    calls: Any = usage_by_key(now=timezone.now())
    assert (calls[key.pk].week, calls[key.pk].refused_week) == (100, 40)
    assert calls[other.pk].week == 80
