"""A user server with pages, a long-lived owner and that owner's browser session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import requests

from deploy.bench_parts import Step
from deploy.readiness import http_answers
from deploy.user_world import UserWorld, user_world

BOTS: Final = 200
ORDERS: Final = 100_000
EVENTS: Final = 10_000
PASSWORD: Final = "only-for-this-bench"
SIMULATED: Final = ("--markets", "100", "--seed", "1")
CENTRAL: Final = {"CENTRAL_API_URL": "http://127.0.0.1:9", "CENTRAL_API_KEY": "none"}
"""Known, as after the first steps, but nobody pulls: its answer is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What is asked."""

    world: UserWorld
    session: requests.Session
    url: str
    stream_url: str
    bots: list[str]


@contextmanager
def pages(
    step: Step, *, bots: int = BOTS, orders: int = ORDERS, events: int = EVENTS
) -> Iterator[Pages]:
    """Run the server with its stream until the block ends; filling takes a minute."""
    with user_world(accounts=1, market=SIMULATED, extra=CENTRAL) as world:
        step(f"pages: {bots} bots, {orders:,} orders are written")
        (key,) = world.keys
        wanted = {"account": [key.access, key.secret], "password": PASSWORD}
        counts = {"bots": bots, "orders": orders, "events": events}
        text = json.dumps({**wanted, **counts})
        told = json.loads(world.python("-m", "deploy.bench_pages_data", text=text))
        url = world.env["STREAM_ORIGINS"]
        ready = http_answers(f"{url}/healthz", any_status=True)
        world.supervisor.start(world.processes.web, ready=ready)
        yield Pages(
            world=world,
            session=log_in(url),
            url=url,
            stream_url=world.env["STREAM_URL"],
            bots=told["bots"],
        )


def log_in(url: str, /) -> requests.Session:
    """Return a session of the owner's."""
    session = requests.Session()
    page = session.get(f"{url}/login/", timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if token is None:
        raise RuntimeError("the login page has no token")
    body = {"username": "owner", "password": PASSWORD}
    session.post(
        f"{url}/login/",
        data={**body, "csrfmiddlewaretoken": token.group(1)},
        timeout=30,
    ).raise_for_status()
    return session
