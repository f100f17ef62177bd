"""Throw-away stores for benchmarks of the central server, and its environment in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from deploy.environments import inherited
from deploy.testing import django_environment, throw_away_services


@contextmanager
def central_environment() -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Redis with an empty database; yield the server's environment."""
    with throw_away_services() as given:
        env = inherited() | django_environment(folder="central", given=given)
        env["DJANGO_SETTINGS_MODULE"] = "central_project.settings"
        env["DANTARO_ENV_FILE"] = os.devnull
        _create_database(given["DATABASE_URL"], env["DATABASE_URL"])
        yield env


def _create_database(server_url: str, database_url: str) -> None:
    import psycopg2  # type: ignore[import-untyped]

    name = urlsplit(database_url).path.lstrip("/")
    admin = urlunsplit(urlsplit(server_url)._replace(path="/postgres"))
    connection = psycopg2.connect(admin)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    connection.close()
