"""Plain HTTP clients for the demo: what an integrator would write in a few lines."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUT = 20


class ApiError(Exception):
    """An answer other than success; the message is the server's own."""


class CentralApi:
    """Central's v1 API with an API key."""

    def __init__(self, *, url: str, api_key: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {api_key}"}

    def recommendations(self) -> dict[str, Any]:
        """Return the ranking."""
        return self._get("recommendations?limit=50")

    def support_levels(self, symbol: str) -> dict[str, Any]:
        """Return the three levels of a coin."""
        return self._get(f"support-levels/{symbol}")

    def exchange_speed(self, url: str) -> float:
        """Return how fast the simulated market runs."""
        return float(_body(requests.get(f"{url}/healthz", timeout=TIMEOUT))["speed"])

    def _get(self, path: str) -> dict[str, Any]:
        url = f"{self._url}/api/v1/{path}"
        return _body(requests.get(url, headers=self._headers, timeout=TIMEOUT))


class UserApi:
    """The user server's v1 API with a token."""

    def __init__(self, *, url: str, login: tuple[str, str]) -> None:
        self._url = f"{url}/api/v1"
        name, password = login
        credentials = {"username": name, "password": password}
        answer = requests.post(f"{self._url}/token", json=credentials, timeout=TIMEOUT)
        self._headers = {"Authorization": f"Token {_body(answer)['token']}"}

    def get(self, path: str) -> dict[str, Any]:
        """Read one resource."""
        return _body(
            requests.get(f"{self._url}/{path}", headers=self._headers, timeout=TIMEOUT)
        )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one command."""
        return _body(
            requests.post(
                f"{self._url}/{path}", json=body, headers=self._headers, timeout=TIMEOUT
            )
        )

    def all(self, path: str) -> list[dict[str, Any]]:
        """Read every row of a paged list."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(f"{path}?limit=200&offset={len(rows)}")
            rows += page["results"]
            if len(rows) >= page["count"] or not page["results"]:
                return rows


def _body(answer: requests.Response) -> dict[str, Any]:
    if answer.ok:
        body: dict[str, Any] = answer.json()
        return body
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    detail = problem.get("detail") or answer.text[:200]
    raise ApiError(
        f"{answer.request.method} {answer.url}: {answer.status_code} {detail}"
    )
