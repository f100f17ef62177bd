"""What a caller may send, checked before anything is looked up."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest, QueryDict
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
)
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.utils import json

from central_project.api.errors import ApiProblem
from common.wire import MAX_BUNDLE_SYMBOLS, MAX_RECOMMENDATIONS, SYMBOL_PATTERN

MAX_BODY_BYTES: Final = 64 * 1024
SYMBOL_HINT: Final = "a symbol looks like KRW-BTC: upper case, quote currency first"
_SYMBOL: Final = re.compile(SYMBOL_PATTERN, re.ASCII)
EMPTY_BODY: Final = 'Send a JSON object, e.g. {"market_status": true}.'
_MOST_ERRORS: Final = 20
_RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-\d{1,9}", re.ASCII)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_AS_OF_HINT: Final = (
    "as_of must be a run_id or a time with its offset, like 2026-11-23T09:00:00Z"
)
_STRICT: Final = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
_LONGEST_NAME: Final = 60
_HINTS: Final = {
    "extra_forbidden": "this key is unknown; remove it",
    "string_pattern_mismatch": SYMBOL_HINT,
    "too_long": f"at most {MAX_BUNDLE_SYMBOLS} symbols; split the request",
}


def _whole(value: object) -> object:
    # JSON does not tell 1.0 from 1.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class ListRequest(BaseModel):
    """How many recommendations to return."""

    model_config = _STRICT
    limit: Annotated[int, BeforeValidator(_whole)] = Field(
        default=MAX_RECOMMENDATIONS, ge=1, le=MAX_RECOMMENDATIONS
    )
    """최대 개수. How many coins at most."""


class BundleRequest(BaseModel):
    """Which parts to answer, all from one run; a part not named is not answered."""

    model_config = _STRICT
    recommendations: ListRequest | None = None
    """추천 코인. The ranking."""
    support_levels: Annotated[
        list[Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]],
        Field(max_length=MAX_BUNDLE_SYMBOLS),
        AfterValidator(lambda symbols: list(dict.fromkeys(symbols))),
    ] = []
    """지지선을 받을 마켓 (최대 60개). Markets, at most 60; one named twice comes once."""
    market_status: StrictBool = False
    """시장 상태. Whether to answer the market status."""
    known_run_id: str | None = Field(default=None, min_length=1, max_length=64)
    """이미 가진 분석의 run_id. The run you have: if it is still current, no part is sent."""


def check_query(query: QueryDict, /, *, known: Collection[str]) -> None:
    """Refuse names that are not *known* or come twice: a typo must not pass unseen."""
    errors = [
        {"field": _short(name), "message": "this parameter is unknown; remove it"}
        for name in query
        if name not in known
    ] + [
        {"field": name, "message": "this parameter is given twice; send it once"}
        for name in sorted(known)
        if len(query.getlist(name)) > 1
    ]
    if errors:
        names = ", ".join(sorted(known)) or "no parameter"
        raise ApiProblem(
            400,
            "PARAMETER_UNKNOWN",
            f"{errors[0]['field']}: {errors[0]['message']}."
            f" This address knows {names}.",
            errors=errors[:_MOST_ERRORS],
        )


def parse_limit(text: str | None, /, *, most: int = MAX_RECOMMENDATIONS) -> int:
    """Read ``?limit=`` (*most* without one); raise a 400 that names the range."""
    if text is None:
        return most
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= most:
        hint = f"limit must be a whole number from 1 to {most}"
        raise _wrong("limit", "LIMIT_OUT_OF_RANGE", hint)
    return int(text)


def parse_symbol(text: str, /) -> str:
    """Check a symbol's form; raise a 400 that shows the right one."""
    if not _SYMBOL.fullmatch(text):
        upper = text.upper()
        is_only_case = text.isascii() and _SYMBOL.fullmatch(upper)
        hint = f"symbols are upper case: {upper}" if is_only_case else SYMBOL_HINT
        raise _wrong("symbol", "SYMBOL_MALFORMED", hint)
    return text


def parse_as_of(text: str, /) -> str | datetime:
    """Read ``?as_of=``: a run_id stays text, a time becomes UTC; raise a 400 else.

    A ``+`` that arrives as a space is read as what was meant.
    """
    if _RUN_ID.fullmatch(text):
        return text
    text = text.replace(" ", "+")
    if _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # no such day or hour
    raise _wrong("as_of", "AS_OF_INVALID", _AS_OF_HINT)


def read_json(request: Request, /) -> Any:
    """Return the JSON body of at most 64 KiB, whether its length is announced or not.

    Raises a 413 problem without reading more, 415 for another type, 400 for broken JSON.
    """
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(request.content_type)
    text = _body(request._request)
    if not text:
        raise ApiProblem(400, "BUNDLE_INVALID", EMPTY_BODY)
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError, too
        raise ParseError from error


def parse_bundle_request(body: Any, /) -> BundleRequest:
    """Check a bundle's body; raise a 400 that names every wrong field."""
    if not isinstance(body, dict):
        raise ApiProblem(400, "BUNDLE_INVALID", EMPTY_BODY)
    try:
        return BundleRequest.model_validate(body)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(_short(str(part)) for part in one["loc"]),
                "message": _HINTS.get(one["type"], one["msg"]),
            }
            for one in error.errors(include_url=False)[:_MOST_ERRORS]
        ]
        raise ApiProblem(
            400,
            "BUNDLE_INVALID",
            f"{errors[0]['field']}: {errors[0]['message']}.",
            errors=errors,
        ) from error


def _body(request: HttpRequest, /) -> bytes:
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    # Without a length (chunked, HTTP/2) Django reads nothing; the server marks the end.
    is_open = not announced and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if is_open else request
    body: bytes = stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> ApiProblem:
    return ApiProblem(
        413, "BODY_TOO_LARGE", f"Send at most {MAX_BODY_BYTES // 1024} KiB."
    )


def _wrong(name: str, code: str, hint: str, /) -> ApiProblem:
    return ApiProblem(
        400,
        code,
        f"{hint[0].upper()}{hint[1:]}.",
        errors=[{"field": name, "message": hint}],
    )


def _short(name: str, /) -> str:
    """Return a caller's own word so that it can be sent back: short and encodable."""
    return name[:_LONGEST_NAME].encode("utf-8", "replace").decode()
