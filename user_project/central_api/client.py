"""HTTP client of central's API: bounded retries, no endless waits, clear problems."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import requests
import stamina
from django.utils import timezone
from django.utils.translation import gettext as _
from requests.auth import AuthBase

from common.wire import (
    MAX_BUNDLE_SYMBOLS,
    MAX_RECOMMENDATIONS,
    BundleAnswer,
    MarketStatus,
    Recommendation,
    SupportLevels,
    WireError,
    is_fresh,
    parse_bundle,
)
from user_project.central_api.ladder import Kind, is_too_old
from user_project.central_api.models import CentralSnapshot

TIMEOUT: Final = (2, 5)
LARGEST_BODY: Final = 1024 * 1024
CHUNK: Final = 16 * 1024
LONGEST_RETRY_AFTER: Final = 60
ATTEMPTS: Final = 3
TOTAL_SECONDS: Final = 8
FIRST_WAIT: Final = timedelta(milliseconds=250)
LONGEST_WAIT_SECONDS: Final = 4
WAIT_JITTER_SECONDS: Final = 1

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

    def __init__(
        self, *, base_url: str, api_key: str, session: requests.Session | None = None
    ) -> None:
        """Talk to *base_url* (no ``/api/v1``) with *api_key*."""
        self._base_url = base_url.strip().rstrip("/")
        self._session = session or requests.Session()
        self._session.auth = _Bearer(api_key.strip())

    def fetch_bundle(
        self, *, symbols: Sequence[str], known_run_id: str | None = None
    ) -> BundleAnswer:
        """Ask for ranking, market status and the levels of at most 60 markets.

        Raises CentralUnavailable with the remedy.
        """
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
            wait_initial=FIRST_WAIT,
            wait_max=LONGEST_WAIT_SECONDS,
            wait_jitter=WAIT_JITTER_SECONDS,
        ):
            with attempt:
                return self._post_bundle(body)
        raise AssertionError("unreachable: the retry loop returns or raises")

    def get_recommendations(self) -> Aged[list[Recommendation]]:
        """Return the last good ranking, however old; see ``stale``."""
        snapshot = self._snapshot()
        return _aged(
            snapshot,
            list(snapshot.bundle.recommendations or ()),
            kind=Kind.RECOMMENDATIONS,
        )

    def get_support_levels(self, symbol: str) -> Aged[SupportLevels]:
        """Return the last good support levels of one market.

        They are as stale as the nearest of them, which grows old first.
        """
        snapshot = self._snapshot()
        levels = snapshot.bundle.support_levels.get(symbol)
        if levels is None:
            raise CentralUnavailable(
                _("본사 자료에 %(symbol)s의 지지선이 없습니다. 마켓 코드를 확인하세요.")
                % {"symbol": symbol}
            )
        return _aged(snapshot, levels, kind=Kind.SUPPORT_7)

    def get_market_status(self) -> Aged[MarketStatus]:
        """Return the last good market status."""
        snapshot = self._snapshot()
        status = snapshot.bundle.market_status
        if status is None:
            raise CentralUnavailable(_("본사 자료에 시장 상태가 없습니다."))
        return _aged(snapshot, status, kind=Kind.MARKET_STATUS)

    def _snapshot(self) -> CentralSnapshot:
        snapshot = CentralSnapshot.objects.first()
        if snapshot is None:
            raise CentralUnavailable(
                _(
                    "본사 자료를 아직 받지 못했습니다. CENTRAL_API_URL과 CENTRAL_API_KEY를 확인하고 `manage_user.py pull`을 실행하세요."
                )
            )
        return snapshot

    def _post_bundle(self, body: dict[str, Any]) -> BundleAnswer:
        try:
            with self._session.post(
                f"{self._base_url}/api/v1/bundle",
                json=body,
                headers={"Accept": "application/json"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                _raise_for_status(answer, self._base_url)
                content = _limited_body(answer)
        except (requests.RequestException, UnicodeError) as error:
            raise _Passing(
                _(
                    "본사 서버에 연결할 수 없습니다 (%(base_url)s). CENTRAL_API_URL이 맞는지, 본사가 켜져 있는지 확인하세요."
                )
                % {"base_url": self._base_url}
            ) from error
        try:
            return parse_bundle(content)
        except WireError as error:
            raise CentralUnavailable(
                _(
                    "본사 응답을 이해할 수 없어 버렸습니다: %(error)s. CENTRAL_API_URL이 본사 서버인지, 버전이 맞는지 확인하세요."
                )
                % {"error": error}
            ) from error


class _Bearer(AuthBase):
    """Sets the key on every request; a ~/.netrc entry cannot replace it."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


def _limited_body(answer: requests.Response) -> bytes:
    """Read at most 1 MiB within the time of one call."""
    deadline = time.monotonic() + TOTAL_SECONDS
    content = bytearray()
    for chunk in answer.iter_content(CHUNK):
        content += chunk
        if len(content) > LARGEST_BODY:
            raise CentralUnavailable(
                _("본사 응답이 1 MiB를 넘어 버렸습니다. CENTRAL_API_URL을 확인하세요.")
            )
        if time.monotonic() > deadline:
            raise requests.ReadTimeout("the body arrives too slowly")
    return bytes(content)


def _raise_for_status(answer: requests.Response, base_url: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    retry_after = _retry_after(answer)
    if status >= 500:
        # Told when to come back, we do; otherwise it may have been a moment's trouble.
        kind = _Passing if retry_after is None else CentralUnavailable
        raise kind(
            (
                _(
                    "본사 서버가 오류로 답했습니다 (HTTP %(status)s). 계속되면 본사 운영자에게 알리세요."
                )
                % {"status": status}
            ),
            retry_after=retry_after,
        )
    if status == 429:
        raise CentralUnavailable(
            _("본사 요청 한도를 넘었습니다. 잠시 뒤 자동으로 다시 요청합니다."),
            retry_after=retry_after or LONGEST_RETRY_AFTER,
        )
    raise CentralUnavailable(_refusal(status, base_url))


def _refusal(status: int, base_url: str) -> str:
    if status in (401, 403):
        return _(
            "본사가 API 키를 거부했습니다 (만료되었거나 틀린 키). 본사 운영자에게 새 키를 받아 CENTRAL_API_KEY에 넣으세요."
        )
    if status in (400, 422):
        return _(
            "본사가 요청을 이해하지 못했습니다 (HTTP %(status)s). 두 서버를 같은 버전으로 맞추세요."
        ) % {"status": status}
    return _(
        "%(base_url)s 은(는) 본사 API가 아닌 것 같습니다 (HTTP %(status)s). CENTRAL_API_URL을 확인하세요."
    ) % {"base_url": base_url, "status": status}


def _retry_after(answer: requests.Response) -> float | None:
    """Read seconds or a date; a wrong header never parks us for more than a minute."""
    text = answer.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(int(text), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        return None
    seconds = (at - timezone.now()).total_seconds()
    return min(max(seconds, 0), LONGEST_RETRY_AFTER)


def _aged(snapshot: CentralSnapshot, value: T, /, *, kind: Kind) -> Aged[T]:
    now = timezone.now()
    age = max(now - snapshot.data_as_of, timedelta(0))
    fresh = is_fresh(envelope=snapshot.bundle, now=now)
    return Aged(
        value=value,
        run_id=snapshot.run_id,
        data_as_of=snapshot.data_as_of,
        age_seconds=int(age.total_seconds()),
        stale=not fresh or is_too_old(kind=kind, age=age),
    )
