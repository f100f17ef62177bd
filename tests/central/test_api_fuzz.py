"""The whole API against its own description: schemathesis with every check it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks

from central_project.api import throttling
from central_project.api.models import ApiKey
from central_project.market.models import Unit
from central_project.market.services.candles import store_candles
from central_project.wsgi import application
from tests.central.market_world import HOUR, hour_of, publish_run

load_all_checks()
pytestmark = pytest.mark.django_db
api = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
api.app = application
EXAMPLE_RUN = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""The run that the description's examples ask for."""


@pytest.fixture(autouse=True)
def _inside_the_transaction() -> Iterator[None]:
    """A real WSGI call would end the test's transaction; Django's test client does so."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def bearer(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A published run, and a key that may ask without end."""
    # One check sends bad keys; as many as there are examples are not a guesser's.
    monkeypatch.setattr(throttling, "GUESS_RATE", "1000000/60s")
    for moment in (EXAMPLE_RUN, timezone.now()):
        publish_run(now=moment, symbols=["KRW-BTC", "KRW-XRP"])
    hours = [hour_of("KRW-BTC", EXAMPLE_RUN - i * HOUR) for i in range(1, 40)]
    store_candles(market="KRW-BTC", unit=Unit.HOUR, rows=hours)
    _, text = ApiKey.objects.issue(name="fuzz", rate="1000000/60s")
    # The client in between does not unpack; test_fastlane compares the packed forms.
    return {"Authorization": f"Bearer {text}", "Accept-Encoding": "identity"}


@api.parametrize()
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_described_and_every_description_is_true(
    case: schemathesis.Case, bearer: dict[str, str]
) -> None:
    case.call_and_validate(headers=bearer, checks=CHECKS.get_all())
