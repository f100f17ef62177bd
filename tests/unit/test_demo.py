"""What a demo that failed shows of its logs."""

from __future__ import annotations

import pytest

from deploy.demo import ERROR


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        ("07:52 user-pull | ERROR celery.app.trace Task failed", True),
        ('07:52 central-web | {"event": "x", "level": "error", "a": 1}', True),
        ('07:52 central-web | {"level": "critical", "event": "x"}', True),
        ("07:52 user-web | ValueError: no", True),
        ('07:52 central-web | {"event": "x", "level": "info"}', False),
        ("07:52 user-web | INFO errors: 0", False),
    ],
)
def test_lines_of_either_form_are_known_for_errors(line: str, is_error: bool) -> None:
    assert bool(ERROR.search(line)) is is_error
