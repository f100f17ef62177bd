"""Answers as they are sent: plain and gzipped once, each form with its own strong ETag."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.utils.http import parse_etags

MAX_AGE: Final = 60
"""Seconds an HTTP cache may keep an answer at most."""
STATUS: Final = "status"
_GZIP_LEVEL: Final = 6


def recommendations_name(limit: int, /) -> str:
    """Return the name under which a list of this length is kept."""
    return f"recommendations:{limit}"


def support_name(symbol: str, /) -> str:
    """Return the name under which a coin's levels are kept."""
    return f"support:{symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Which variant of which run's answers readers get, without the run's rows."""

    run_id: str
    pipeline: str
    exchange: str
    stale: bool
    valid_until: datetime
    next_run_at: datetime

    def at(self, *, now: datetime) -> Standing:
        """Return how it stands at *now*: good results turn late when they run out."""
        if self.stale or now <= self.valid_until:
            return self
        return replace(self, pipeline="late", stale=True)

    def max_age(self, *, now: datetime) -> int:
        """Return how long (s) an HTTP cache may keep it: until the next run is due."""
        if self.stale:
            return 0
        return max(0, min(MAX_AGE, int((self.next_run_at - now).total_seconds())))

    def key(self, name: str, /) -> str:
        """Return where the answer *name* is kept: a run's rows never change under it."""
        text = f"{self.run_id}:{self.pipeline}:{self.exchange}:{self.stale}:{name}"
        return f"answer:{hashlib.sha256(text.encode()).hexdigest()}"

    def pack(self) -> bytes:
        """Return the same as bytes; equal standings give equal bytes."""
        return json.dumps(asdict(self), default=datetime.isoformat).encode()

    @staticmethod
    def unpack(packed: bytes, /) -> Standing:
        """Reverse ``pack``."""
        fields = json.loads(packed)
        for name in ("valid_until", "next_run_at"):
            fields[name] = datetime.fromisoformat(fields[name])
        return Standing(**fields)


class Form(NamedTuple):
    """One way to send an answer."""

    body: bytes
    etag: str
    encoding: str
    """Content-Encoding; empty for the plain form."""

    def is_known(self, if_none_match: str, /) -> bool:
        """Tell whether the caller's If-None-Match names exactly these bytes."""
        if not if_none_match:
            return False
        known = parse_etags(if_none_match)
        return "*" in known or self.etag in [tag.removeprefix("W/") for tag in known]

    def headers(self, standing: Standing, /, *, now: datetime) -> dict[str, str]:
        """Return what an HTTP cache must know, on 200 and on 304 alike."""
        max_age = standing.max_age(now=now)
        headers = {"ETag": self.etag, "Cache-Control": f"private, max-age={max_age}"}
        return headers | self.encoding_headers()

    def encoding_headers(self) -> dict[str, str]:
        """Return which form this is, and that another caller may get another one."""
        coding = {"Content-Encoding": self.encoding} if self.encoding else {}
        return coding | {"Vary": "Accept-Encoding"}


class Rendered(NamedTuple):
    """One answer in all its forms."""

    plain: bytes
    packed: bytes = b""
    """Empty for what nobody keeps: packing it for one caller costs more than it saves."""

    def form(self, *, gzipped: bool) -> Form:
        """Return the packed form if it is wanted and there, else the plain one."""
        gzipped = gzipped and bool(self.packed)
        body = self.packed if gzipped else self.plain
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return Form(body=body, etag=etag, encoding="gzip" if gzipped else "")


def render(body: bytes, /) -> Rendered:
    """Return *body* in all forms; the same bytes give the same forms, everywhere."""
    return Rendered(
        plain=body, packed=gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
    )


def kept(standing: Standing, name: str, build: Callable[[], bytes], /) -> Rendered:
    """Return the kept forms of an answer, or build and keep them."""
    found = fetch(standing, name)
    if found is None:
        found = render(build())
        keep(standing, {name: found})
    return found


def fetch(standing: Standing, name: str, /) -> Rendered | None:
    """Return the kept forms of an answer; None without them, or without Redis."""
    found = cache.get(standing.key(name))
    return Rendered(*found) if found else None


def keep(standing: Standing, answers: Mapping[str, Rendered], /) -> None:
    """Keep answers in Redis until no reader can want them; without Redis do nothing."""
    kept_for = 2 * settings.VALIDITY_SECONDS  # they are still wanted when they are late
    cache.set_many(
        {standing.key(name): tuple(one) for name, one in answers.items()}, kept_for
    )


@lru_cache(maxsize=256)
def accepts_gzip(header: str, /) -> bool:
    """Tell whether an Accept-Encoding allows gzip (RFC 9110 12.5.3; q=0 forbids it)."""
    weights = dict(_weight(part) for part in header.lower().split(",") if part.strip())
    named = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return named > 0 and named >= weights.get("identity", 0.0)


def _weight(part: str, /) -> tuple[str, float]:
    coding, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    try:
        return coding.strip(), float(value) if name == "q" else 1.0
    except ValueError:
        return coding.strip(), 0.0
