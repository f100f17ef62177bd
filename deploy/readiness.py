"""Questions that tell whether a service or a server is ready; none of them raises."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Collection

Check = Callable[[], bool]

KEY_PREFIXES = {"central": "dc:", "user": "du:"}
"""Prefixes of each side's broker keys; they equal those in its settings."""


def postgres_answers(url: str) -> Check:
    """Return a check that logs in and asks for one row."""
    import psycopg2  # type: ignore[import-untyped]

    def check() -> bool:
        try:
            psycopg2.connect(url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    return check


def redis_answers(url: str) -> Check:
    """Return a check that pings."""
    import redis

    def check() -> bool:
        try:
            with redis.Redis.from_url(url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    return check


def http_answers(url: str, *, any_status: bool = False) -> Check:
    """Return a check for a 2xx answer, or for any HTTP answer at all."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return any_status
        except OSError:
            return False

    return check


def workers_answer(*, side: str, broker_url: str, names: Collection[str]) -> Check:
    """Return a check that every named worker (the part before @) answers a ping.

    Short pings again and again: a worker never sees one sent before it subscribed.
    """
    from celery import Celery

    app = Celery(broker=broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": KEY_PREFIXES[side]}
    app.conf.accept_content = ["json"]
    seen: set[str] = set()

    def check() -> bool:
        try:
            replies = app.control.ping(timeout=0.5) or []
        except Exception:  # broker still starting: any transport's own error class
            return False
        seen.update(name.split("@")[0] for reply in replies for name in reply)
        return seen.issuperset(names)

    return check
