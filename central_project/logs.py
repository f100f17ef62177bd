"""How this server's log lines look: JSON for machines, plain lines at a terminal.

Everybody logs by the standard library; `extra=` becomes fields of the line. Lines carry
what is bound to the context: the request's id, the task's and the run's.
"""

from __future__ import annotations

import logging
import logging.config
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Form = Literal["json", "line"]

_SECRETS: Final = (
    # What follows the word in a header; "Bearer <API key>" in a help text stays.
    (re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(?i)\b(basic)\s+[A-Za-z0-9+/]{12,}=*"), r"\1 ***"),
    (re.compile(r"\bdk_live_[A-Za-z0-9._-]+"), "dk_live_***"),
    # The password of postgresql://user:password@host and its like.
    (re.compile(r"(\w://[^\s:/@\"]*):[^\s@/\"]+@"), r"\1:***@"),
    # name=value and "name": "value" of settings and forms.
    (
        re.compile(
            r"(?i)((?:password|secret|secret_key|api_key|authorization|sessionid"
            r"|csrftoken)[\\\"']*\s*[=:]\s*[\\\"']*)(?!\*\*\*)[^\s\\\"',;&}]+"
        ),
        r"\1***",
    ),
)
_REFUSED: Final = 429
_NOT_FIELDS: Final = ("request", "data", "server_time")
"""Objects that Django and Celery attach for handlers of their own."""


def mask(_: WrappedLogger, __: str, text: str, /) -> str:
    """Take every secret out of a finished line, wherever in it the secret came from."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def is_worth_a_line(record: logging.LogRecord, /) -> bool:
    """Leave out requests above a key's limit: they are counted, and could fill a disk."""
    return getattr(record, "status_code", None) != _REFUSED


def form_of(text: str, /) -> Form:
    """Return the form that LOG_FORMAT names; by default a terminal gets plain lines.

    Raises ValueError for another word.
    """
    if not text:
        return "line" if sys.stderr.isatty() else "json"
    if text not in ("json", "line"):
        raise ValueError(text)
    return cast("Form", text)


def formatter(form: Form | None = None) -> structlog.stdlib.ProcessorFormatter:
    """Return what turns a log record into a line; without *form* as the environment says.

    granian_logs.json gives the web server's own lines the same form.
    """
    chosen = form or form_of(os.environ.get("LOG_FORMAT", ""))
    last: list[Processor] = _plain() if chosen == "line" else _for_machines()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_common(), structlog.stdlib.ExtraAdder(), _drop_objects],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *last,
            cast("Processor", mask),
        ],
    )


def log_config(*, form: Form, level: str) -> dict[str, Any]:
    """Return the settings of logging for `apply`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"worth": {"()": lambda: is_worth_a_line}},
        "formatters": {"own": {"()": formatter, "form": form}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "stream": sys.stderr,
                "formatter": "own",
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},
            "django.request": {"filters": ["worth"]},
            "urllib3": {"level": "WARNING"},
            "django.db.backends": {"level": "WARNING"},
        },
    }


def apply(config: Mapping[str, Any]) -> None:
    """Configure logging, and structlog for the libraries that log by it.

    Left alone, structlog would print tracebacks with all local variables.
    """
    logging.config.dictConfig(dict(config))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _for_machines() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def _plain() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=False,
        pad_event_to=0,
        pad_level=False,
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [renderer]


def _drop_objects(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name in _NOT_FIELDS:
        event.pop(name, None)
    return event
