"""Log lines: machine-readable, tied to their request or run, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client

from central_project.logs import Form, formatter

ROOT = Path(__file__).resolve().parents[2]
KEY = "dk_live_AbCdEfGh.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


class Log:
    """A logger and what it wrote."""

    def __init__(self, name: str, form: Form) -> None:
        self.logger, self._stream = logging.getLogger(name), io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(formatter(form))

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def line(self) -> dict[str, Any]:
        """Return the only line as its fields."""
        (line,) = self.text.splitlines()
        return dict(json.loads(line))


@pytest.fixture(params=[("central.test", "json")])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    structlog.contextvars.clear_contextvars()  # of requests that other tests made
    made = Log(*request.param)
    made.logger.addHandler(made.handler)
    yield made
    made.logger.removeHandler(made.handler)
    structlog.contextvars.clear_contextvars()


def test_a_line_has_its_fields_and_those_of_its_context(log: Log) -> None:
    structlog.contextvars.bind_contextvars(run_id="20261126T070000Z-1")

    log.logger.error("market.audit.mismatch: %s", "KRW-XRP", extra={"coins": 3})

    line = log.line
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "error",
        "logger": "central.test",
        "event": "market.audit.mismatch: KRW-XRP",
        "coins": 3,
        "run_id": "20261126T070000Z-1",
    }


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        f"Authorization: Bearer {KEY}",
        "authorization: Basic ZGFudGFybzpodW50ZXIyaHVudGVyMg==",
        "postgresql://central:hunter2hunter2@127.0.0.1:5432/central",
        "redis://:hunter2hunter2@127.0.0.1:6379/0",
        "{'password': 'hunter2hunter2', 'next': '/admin/'}",
        '{"SECRET_KEY": "hunter2hunter2"}',
        "password=hunter2hunter2&next=1",
    ],
)
def test_a_secret_never_shows_wherever_it_comes_from(log: Log, secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError as error:
        log.logger.exception(
            "it was %s", secret, extra={"nested": {"deep": [secret]}, "error": error}
        )

    json.loads(log.text)
    for hidden in ("hunter2", "ZGFudGFybzpodW50ZXIy", "0123456789abcdef"):
        assert hidden not in log.text


@pytest.mark.parametrize("log", [("t", "json"), ("t", "line")], indirect=True)
def test_a_traceback_is_told_without_the_values_of_its_variables(log: Log) -> None:
    held = "".join(("never", "-to-be-", "printed"))
    try:
        raise ValueError("shown")
    except ValueError:
        log.logger.exception("it broke")

    assert "ValueError: shown" in log.text
    assert "Traceback" in log.text
    assert held not in log.text


def test_libraries_that_log_by_structlog_end_in_the_same_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    structlog.get_logger("stamina").warning("stamina.retry_scheduled", attempt=2)

    (record,) = caplog.records
    line = json.loads(formatter("json").format(record))
    assert (line["event"], line["attempt"]) == ("stamina.retry_scheduled", 2)


@pytest.mark.parametrize("log", [("django.request", "json")], indirect=True)
@pytest.mark.django_db
def test_what_a_request_logs_carries_its_id(log: Log, client: Client) -> None:
    client.get("/api/v1/nothing", headers={"X-Request-ID": "abcdef-0123456789"})

    assert log.line["request_id"] == "abcdef-0123456789"
    assert log.line["status_code"] == 404


@pytest.mark.parametrize("log", [("django.request", "json")], indirect=True)
@pytest.mark.parametrize(("status", "lines"), [(429, 0), (404, 1), (500, 1)])
def test_who_asks_too_often_fills_no_disk(log: Log, status: int, lines: int) -> None:
    log.logger.warning("%s: %s", "why", "/path", extra={"status_code": status})

    assert len(log.text.splitlines()) == lines


def test_a_form_that_does_not_exist_is_refused_with_the_remedy() -> None:
    answer = subprocess.run(
        [sys.executable, str(ROOT / "manage_central.py"), "check"],
        env={**os.environ, "LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert answer.returncode == 1
    assert "LOG_FORMAT must be json or line, not 'xml'" in answer.stderr


def test_settings_use_all_this() -> None:
    assert settings.LOGGING_CONFIG == "central_project.logs.apply"
    (handler,) = settings.LOGGING["root"]["handlers"]
    assert settings.LOGGING["handlers"][handler]["formatter"] == "own"
