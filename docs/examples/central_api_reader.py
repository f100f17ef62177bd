"""Follow the central server's analyses: one answer per run, no request too many.

    CENTRAL_URL=http://127.0.0.1:8000 CENTRAL_API_KEY=dk_live_... \
        python docs/examples/central_api_reader.py [--once]

Needs only requests. It sends the last ETag, so an unchanged analysis costs a line of
headers; it comes back when the next run is due, waits as long as it is told to when the
limit is reached, and says when the data is too old to decide anything on.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import requests

URL = os.environ["CENTRAL_URL"].rstrip("/") + "/api/v1/recommendations?limit=5"
HEADERS = {"Authorization": f"Bearer {os.environ['CENTRAL_API_KEY']}"}
SHORTEST_WAIT = 5.0


def main() -> None:
    """Print the ranking whenever there is a new one."""
    etag, answer = "", None
    while True:
        response = requests.get(
            URL, headers={**HEADERS, "If-None-Match": etag}, timeout=(2, 5)
        )
        if response.status_code == 200:
            etag, answer = response.headers["ETag"], response.json()
            show(answer)
        elif response.status_code in (429, 503):
            print(response.json()["detail"])
        elif response.status_code != 304:
            problem = response.json()
            sys.exit(
                f"{problem['code']}: {problem['detail']} ({problem['request_id']})"
            )
        if "--once" in sys.argv:
            return
        time.sleep(wait(response, answer))


def show(answer: dict[str, Any]) -> None:
    """Print one analysis, and whether anything may be started on it."""
    is_old = datetime.now(UTC) > datetime.fromisoformat(answer["valid_until"])
    too_old = answer["stale"] or is_old
    print(answer["run_id"], "too old: start nothing" if too_old else "fresh")
    for coin in answer["recommendations"]:
        why = "; ".join(reason["ko"] for reason in coin["reasons"])
        print(
            f"{coin['rank']:3} {coin['symbol']:12} {Decimal(coin['score']):6.2f} {why}"
        )


def wait(response: requests.Response, answer: dict[str, Any] | None) -> float:
    """Return the seconds until it is worth asking again."""
    if told := response.headers.get("Retry-After"):
        return max(SHORTEST_WAIT, float(told))
    if answer is None:
        return SHORTEST_WAIT
    due = datetime.fromisoformat(answer["next_run_at"])
    return max(SHORTEST_WAIT, (due - datetime.now(UTC)).total_seconds())


if __name__ == "__main__":
    main()
