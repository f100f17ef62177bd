"""The whole API against its own description: schemathesis with every check it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from rest_framework.authtoken.models import Token
from schemathesis.checks import CHECKS, load_all_checks

from tests.user.factories import QuietExchange, make_snapshot, make_story, make_user
from user_project.accounts import services as account_services
from user_project.bots import quotes, services

load_all_checks()
pytestmark = pytest.mark.django_db
api = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
TRUE = [
    check
    for check in CHECKS.get_all()
    # Budget, stages, coin and state must fit each other: no schema can say so.
    if check.__name__ != "positive_data_acceptance"
]
_application = get_wsgi_application()


def _with_an_address(environ: dict[str, Any], start: Any) -> Any:
    """A server always says where a call comes from; the test's client does not."""
    return _application({"REMOTE_ADDR": "127.0.0.1", **environ}, start)


api.app = _with_an_address


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
def token(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An owner with a running bot, and an exchange that answers questions."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    monkeypatch.setattr(account_services, "_build", lambda **_: quiet)
    owner = make_user("alice")
    make_snapshot(timezone.now())
    make_story(owner)
    key: Any = Token.objects.create(user=owner)
    return {"Authorization": f"Token {key.key}", "Accept-Encoding": "identity"}


@api.parametrize()
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_described_and_every_description_is_true(
    case: schemathesis.Case, token: dict[str, str]
) -> None:
    case.call_and_validate(headers=token, checks=TRUE)
