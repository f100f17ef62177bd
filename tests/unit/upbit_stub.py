"""A scripted Upbit: answers by method and path, and keeps every request it saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.upbit import UpbitAdapter

NO_REDIS = "redis://127.0.0.1:1/0"
ACCESS, SECRET = "access-key-of-the-test", "s" * 40
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]


class StubUpbit:
    """Collects requests; what was not scripted answers 404 like an unknown order."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[tuple[str, str], Answer] = {}

    def on(self, method: str, path: str, answer: Answer) -> None:
        """Script the answer to one endpoint."""
        self._answers[method, path] = answer

    def on_json(self, method: str, path: str, body: Any, **options: Any) -> None:
        """Script a JSON answer, 200 unless told otherwise."""
        self.on(method, path, lambda _: httpx.Response(json=body, **_ok(options)))

    def count(self, method: str) -> int:
        """Return how many requests of one method reached the wire."""
        return sum(request.method == method for request in self.requests)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self._answers.get((request.method, request.url.path))
        if answer is None:
            return refusal("order_not_found", status=404)
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def adapter(self, **options: Any) -> UpbitAdapter:
        """Return a real adapter whose transport ends here."""
        limiter = RateLimiter(redis_url=NO_REDIS, pocket="test", rate_factor=100)
        usual = {
            "base_url": "http://upbit.test",
            "access_key": ACCESS,
            "secret_key": SECRET,
        }
        return UpbitAdapter(
            limiter=limiter,
            transport=httpx.MockTransport(self.handle),
            **(usual | options),
        )


def refusal(name: str, *, status: int = 400, message: str = "no") -> httpx.Response:
    """Return an error in Upbit's shape."""
    return httpx.Response(status, json={"error": {"name": name, "message": message}})


def order(**changes: Any) -> dict[str, Any]:
    """Return a resting limit buy as Upbit writes it; None removes a key."""
    body = {
        "uuid": "cdd92199-2897-4e14-9448-f923320408ad",
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "limit",
        "state": "wait",
        "price": "100000000",
        "volume": "0.0001",
        "remaining_volume": "0.0001",
        "executed_volume": "0",
        "reserved_fee": "5",
        "remaining_fee": "5",
        "paid_fee": "0",
        "locked": "10005",
        "trades_count": 0,
        "created_at": "2026-11-01T09:00:00+09:00",
        "identifier": "ours-1",
        "smp_type": "cancel_taker",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def sent_body(request: httpx.Request) -> dict[str, Any]:
    """Return the JSON body of a request."""
    body: dict[str, Any] = json.loads(request.content)
    return body


def _ok(options: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": 200, **options}
