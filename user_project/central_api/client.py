"""HTTP client of central's API: bounded retries, no endless waits, clear problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import requests
import stamina
from django.utils import timezone

from common.wire import (
    MAX_BUNDLE_SYMBOLS,
    MAX_RECOMMENDATIONS,
    BundleAnswer,
    MarketStatus,
    Recommendation,
    SupportLevels,
    WireError,
    parse_bundle,
)
from user_project.central_api.models import CentralSnapshot

TIMEOUT: Final = (2.0, 5.0)
LARGEST_BODY: Final = 1024 * 1024
LONGEST_RETRY_AFTER: Final = 60.0
ATTEMPTS: Final = 3
TOTAL_SECONDS: Final = 8.0

T = TypeVar("T")


class CentralUnavailable(Exception):
    """Central gave no usable answer; the message says what to do, in Korean."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Passing(CentralUnavailable):
    """Worth another try within the same call."""


@dataclass(frozen=True, slots=True)
class Aged(Generic[T]):
    """A value of central's with its time; ``stale`` past its validity."""

    value: T
    run_id: str
    data_as_of: datetime
    age_seconds: int
    stale: bool


class CentralAPIClient:
    """Pulls bundles over HTTP and reads the last good one from the database."""

    def __init__(self, *, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {api_key}"
        self._session.headers["Accept"] = "application/json"

    def fetch_bundle(
        self, *, symbols: Sequence[str], known_run_id: str | None = None
    ) -> BundleAnswer:
        """Ask once for everything; raise CentralUnavailable with the remedy."""
        body: dict[str, Any] = {
            "recommendations": {"limit": MAX_RECOMMENDATIONS},
            "support_levels": list(symbols)[:MAX_BUNDLE_SYMBOLS],
            "market_status": True,
        }
        if known_run_id:
            body["known_run_id"] = known_run_id
        for attempt in stamina.retry_context(
            on=_Passing,
            attempts=ATTEMPTS,
            timeout=TOTAL_SECONDS,
            wait_initial=0.25,
            wait_max=4.0,
            wait_jitter=1.0,
        ):
            with attempt:
                return self._post_bundle(body)
        raise AssertionError("unreachable: the retry loop returns or raises")

    def get_recommendations(self) -> Aged[list[Recommendation]]:
        """Return the last good ranking, however old; see ``stale``."""
        snapshot = self._snapshot()
        return _aged(snapshot, list(snapshot.bundle.recommendations or ()))

    def get_support_levels(self, symbol: str) -> Aged[SupportLevels]:
        """Return the last good support levels of one market."""
        snapshot = self._snapshot()
        levels = snapshot.bundle.support_levels.get(symbol)
        if levels is None:
            raise CentralUnavailable(
                f"본사 자료에 {symbol}의 지지선이 없습니다. 마켓 코드를 확인하세요."
            )
        return _aged(snapshot, levels)

    def get_market_status(self) -> Aged[MarketStatus]:
        """Return the last good market status."""
        snapshot = self._snapshot()
        status = snapshot.bundle.market_status
        if status is None:
            raise CentralUnavailable("본사 자료에 시장 상태가 없습니다.")
        return _aged(snapshot, status)

    def _snapshot(self) -> CentralSnapshot:
        snapshot = CentralSnapshot.objects.first()
        if snapshot is None:
            raise CentralUnavailable(
                "본사 자료를 아직 받지 못했습니다. CENTRAL_API_URL과 CENTRAL_API_KEY를"
                " 확인하고 `manage_user.py pull`을 실행하세요."
            )
        return snapshot

    def _post_bundle(self, body: dict[str, Any]) -> BundleAnswer:
        url = f"{self._base_url}/api/v1/bundle"
        try:
            answer = self._session.post(
                url, json=body, timeout=TIMEOUT, allow_redirects=False, stream=True
            )
            content = answer.raw.read(LARGEST_BODY + 1, decode_content=True)
        except requests.RequestException as error:
            raise _Passing(
                f"본사 서버에 연결할 수 없습니다 ({self._base_url})."
                " CENTRAL_API_URL이 맞는지, 본사가 켜져 있는지 확인하세요."
            ) from error
        _raise_for_status(answer, self._base_url)
        if len(content) > LARGEST_BODY:
            raise CentralUnavailable("본사 응답이 1 MiB를 넘어 버렸습니다.")
        try:
            return parse_bundle(content)
        except WireError as error:
            raise CentralUnavailable(
                f"본사 응답을 이해할 수 없어 버렸습니다: {error}."
                " CENTRAL_API_URL이 본사 서버인지, 버전이 맞는지 확인하세요."
            ) from error


def _raise_for_status(answer: requests.Response, base_url: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in (401, 403):
        raise CentralUnavailable(
            "본사가 API 키를 거부했습니다 (만료되었거나 틀린 키)."
            " 본사 운영자에게 새 키를 받아 CENTRAL_API_KEY에 넣으세요."
        )
    if status == 429:
        raise CentralUnavailable(
            "본사 요청 한도를 넘었습니다. 잠시 뒤 다시 요청합니다.",
            retry_after=_retry_after(answer),
        )
    if status >= 500:
        raise _Passing(
            f"본사 서버가 오류로 답했습니다 (HTTP {status}). 본사 운영자에게 알리세요.",
            retry_after=_retry_after(answer),
        )
    raise CentralUnavailable(
        f"{base_url}은(는) 본사 API가 아닌 것 같습니다 (HTTP {status})."
        " CENTRAL_API_URL을 확인하세요."
    )


def _retry_after(answer: requests.Response) -> float | None:
    """Read seconds or a date; a wrong header never parks us for more than a minute."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    seconds = (at - timezone.now()).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _aged(snapshot: CentralSnapshot, value: T) -> Aged[T]:
    now = timezone.now()
    return Aged(
        value=value,
        run_id=snapshot.run_id,
        data_as_of=snapshot.data_as_of,
        age_seconds=max(0, int((now - snapshot.data_as_of).total_seconds())),
        stale=now > snapshot.valid_until,
    )
