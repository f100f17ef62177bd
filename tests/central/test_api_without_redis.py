"""A Redis of its own is stopped in the middle: answers go on from the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from central_project.api import throttling
from central_project.market.models import Unit
from central_project.market.services.candles import store_candles
from deploy.ports import free_ports
from deploy.readiness import redis_answers
from deploy.services import Valkey
from deploy.supervisor import Supervisor
from tests.central.market_world import HOUR, hour_of, publish_run

pytestmark = pytest.mark.django_db
GETS = (
    "/api/v1/recommendations?limit=3",
    "/api/v1/support-levels/KRW-BTC",
    "/api/v1/market-status",
    "/api/v1/candles/KRW-BTC",
    "/api/v1/market-status?as_of={}",
    "/api/v1/candles/KRW-BTC?as_of={}",
)
REFUSED = {
    "/api/v1/recommendations?limit=0": 400,
    "/api/v1/support-levels/KRW-NOPE": 404,
    "/api/v1/market-status?as_of=2001-01-01T00:00:00Z": 404,
    "/api/nothing": 404,
}


class OwnRedis:
    """One Redis-compatible server that a test may stop."""

    def __init__(self, supervisor: Supervisor, directory: Path) -> None:
        self._supervisor = supervisor
        self._valkey = Valkey(
            name="valkey",
            directory=directory,
            port=free_ports(1)[0],
            password="of-this-test",
            durable=False,
        )
        self._valkey.prepare()
        self.url = self._valkey.url()

    def start(self) -> None:
        self._supervisor.start(self._valkey.program(), ready=redis_answers(self.url))

    def stop(self) -> None:
        self._supervisor.stop("valkey")


@pytest.fixture
def own_redis(tmp_path: Path, settings: Any) -> Iterator[OwnRedis]:
    """A running server that both caches use."""
    with Supervisor(log_directory=tmp_path / "logs") as supervisor:
        redis = OwnRedis(supervisor, tmp_path / "valkey")
        redis.start()
        settings.CACHES = {
            alias: {**options, "LOCATION": redis.url}
            for alias, options in settings.CACHES.items()
        }
        throttling._local_limit.cache_clear()
        yield redis


def test_a_stopped_redis_costs_no_answer_and_changes_none(
    reader: APIClient, own_redis: OwnRedis
) -> None:
    now = timezone.now()
    run = publish_run(now=now)
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    rows = [hour_of("KRW-BTC", this_hour - i * HOUR) for i in range(1, 30)]
    store_candles(market="KRW-BTC", unit=Unit.HOUR, rows=rows)
    cache.set("probe", 1)
    assert cache.get("probe") == 1  # it is this server that answers

    def everything() -> list[bytes]:
        gets = [reader.get(address.format(run.run_id)) for address in GETS]
        post = reader.post("/api/v1/bundle", {"recommendations": {"limit": 3}})
        assert {one.status_code for one in (*gets, post)} == {200}
        refused = {at: reader.get(at).status_code for at in REFUSED}
        assert refused == REFUSED
        assert APIClient().get("/api/v1/market-status").status_code == 401
        return [one.content for one in (*gets, post)]

    before = everything()
    own_redis.stop()
    assert cache.get("probe") is None
    away = everything()
    own_redis.start()
    again = everything()

    assert away == before
    assert again == before
