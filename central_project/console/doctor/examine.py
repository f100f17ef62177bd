"""The round of the doctor: every part in turn; nothing found can stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from django.db import DatabaseError, connection

from central_project.console.doctor import content, stores, surroundings
from central_project.console.doctor.finding import Colour, Finding, Part


def examine(*, now: datetime) -> Iterator[Finding]:
    """Yield one finding after the other; what needs the database is grey without it."""
    yield surroundings.environment()
    database = stores.database()
    yield database
    has_database = database.colour is not Colour.RED
    for part, look in _in_the_database(now):
        yield _look(part, look) if has_database else _unknown(part)
    yield stores.redis()
    yield stores.workers()
    yield from surroundings.exchange()
    yield surroundings.machine_code()
    yield surroundings.disk()


def _in_the_database(now: datetime, /) -> list[tuple[Part, Callable[[], Finding]]]:
    return [
        (stores.MIGRATIONS, stores.migrations),
        (stores.BEAT, partial(stores.beat, now=now)),
        (content.HISTORY, partial(content.history, now=now)),
        (content.RUN, partial(content.run, now=now)),
        (content.AUDIT, partial(content.audit, now=now)),
        (content.KEYS, partial(content.api_keys, now=now)),
        (content.ADMIN, content.administrators),
    ]


def _look(part: Part, look: Callable[[], Finding], /) -> Finding:
    try:
        return look()
    except DatabaseError:  # a table is missing: the migrations say so
        connection.close()
        return _unknown(part)


def _unknown(part: Part, /) -> Finding:
    return part.grey("데이터베이스 없이는 알 수 없음", "unknown without the database")
