"""Which requests are so usual that the fast lane knows the answer by its name alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from central_project.api.forms import (
    STATUS,
    accepts_gzip,
    recommendations_name,
    support_name,
)
from central_project.api.middleware import chosen_id
from central_project.api.models import KEY_FORM
from common.wire import MAX_RECOMMENDATIONS, SYMBOL_PATTERN

_V1: Final = "/api/v1"
_SYMBOL: Final = re.compile(SYMBOL_PATTERN, re.ASCII)
_LIMIT: Final = re.compile(r"limit=([0-9]{1,2})", re.ASCII)
_FOREIGN: Final = (
    *("HTTP_COOKIE", "HTTP_ACCEPT_LANGUAGE", "HTTP_TRANSFER_ENCODING"),
    *("HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_RANGE", "HTTP_EXPECT"),
)
"""Headers that could change the answer: Django knows how."""


class Question(NamedTuple):
    """What a usual GET asks for."""

    name: str
    """Of the kept answer."""
    key: str
    """The API key's text."""
    gzipped: bool
    if_none_match: str
    request_id: str


def question_of(environ: dict[str, Any], /) -> Question | None:
    """Read a request that the lane knows how to answer; None for any other."""
    get = environ.get
    if environ["REQUEST_METHOD"] != "GET" or any(name in environ for name in _FOREIGN):
        return None
    scheme, _, key = get("HTTP_AUTHORIZATION", "").partition(" ")
    is_usual = (
        (scheme == "Bearer" and KEY_FORM.fullmatch(key))
        and get("HTTP_ACCEPT", "*/*") in ("*/*", "application/json")
        and get("CONTENT_LENGTH", "") in ("", "0")
        and _is_our_host(get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS))
    )
    if not is_usual:
        return None
    name = _name(environ["PATH_INFO"], get("QUERY_STRING", ""))
    if name is None:
        return None
    return Question(
        name=name,
        key=key,
        gzipped=accepts_gzip(get("HTTP_ACCEPT_ENCODING", "")),
        if_none_match=get("HTTP_IF_NONE_MATCH", ""),
        request_id=chosen_id(get("HTTP_X_REQUEST_ID", "")),
    )


@lru_cache(maxsize=2048)
def _name(path: str, query: str, /) -> str | None:
    if path == f"{_V1}/recommendations":
        limit = _LIMIT.fullmatch(query) if query else None
        asked = int(limit[1]) if limit else MAX_RECOMMENDATIONS
        is_good = (limit or not query) and 1 <= asked <= MAX_RECOMMENDATIONS
        return recommendations_name(asked) if is_good else None
    if query:
        return None
    if path == f"{_V1}/market-status":
        return STATUS
    symbol = path.removeprefix(f"{_V1}/support-levels/")
    is_levels = symbol != path and _SYMBOL.fullmatch(symbol)
    return support_name(symbol) if is_levels else None


@lru_cache(maxsize=64)
def _is_our_host(host: str, allowed: tuple[str, ...], /) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
