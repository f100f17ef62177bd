"""What a caller may send, checked before anything is looked up."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
)

from central_project.api.errors import ApiProblem
from common.wire import MAX_BUNDLE_SYMBOLS, MAX_RECOMMENDATIONS, SYMBOL_PATTERN

MAX_BODY_BYTES: Final = 64 * 1024
SYMBOL_HINT: Final = "a symbol looks like KRW-BTC: upper case, quote currency first"
_SYMBOL: Final = re.compile(SYMBOL_PATTERN, re.ASCII)
_LIMIT_HINT: Final = f"limit must be a whole number from 1 to {MAX_RECOMMENDATIONS}"
_HINTS: Final = {
    "extra_forbidden": "this key is unknown; remove it",
    "string_pattern_mismatch": SYMBOL_HINT,
    "too_long": f"at most {MAX_BUNDLE_SYMBOLS} symbols; split the request",
}


class ListRequest(BaseModel):
    """How many recommendations to return."""

    model_config = ConfigDict(extra="forbid", strict=True)
    limit: int = Field(default=MAX_RECOMMENDATIONS, ge=1, le=MAX_RECOMMENDATIONS)


class BundleRequest(BaseModel):
    """Which parts to answer, all from one run."""

    model_config = ConfigDict(extra="forbid", strict=True)
    recommendations: ListRequest | None = None
    support_levels: Annotated[
        list[Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]],
        Field(max_length=MAX_BUNDLE_SYMBOLS),
        AfterValidator(lambda symbols: list(dict.fromkeys(symbols))),
    ] = []
    market_status: StrictBool = False
    known_run_id: str | None = Field(default=None, min_length=1, max_length=64)


def parse_limit(text: str | None, /) -> int:
    """Read ``?limit=``; raise a 400 that names the range."""
    if text is None:
        return MAX_RECOMMENDATIONS
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not (
        1 <= int(text) <= MAX_RECOMMENDATIONS
    ):
        raise ApiProblem(
            400,
            "LIMIT_OUT_OF_RANGE",
            f"{_LIMIT_HINT}.",
            errors=[{"field": "limit", "message": _LIMIT_HINT}],
        )
    return int(text)


def parse_symbol(text: str, /) -> str:
    """Check a symbol's form; raise a 400 that shows the right one."""
    if not _SYMBOL.fullmatch(text):
        raise ApiProblem(
            400,
            "SYMBOL_MALFORMED",
            f"{SYMBOL_HINT[0].upper()}{SYMBOL_HINT[1:]}.",
            errors=[{"field": "symbol", "message": SYMBOL_HINT}],
        )
    return text


def parse_bundle_request(body: Any, /) -> BundleRequest:
    """Check a bundle's body; raise a 400 that names every wrong field."""
    if not isinstance(body, dict):
        raise ApiProblem(
            400, "BUNDLE_INVALID", 'Send a JSON object, e.g. {"market_status": true}.'
        )
    try:
        return BundleRequest.model_validate(body)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(str(part) for part in one["loc"]),
                "message": _HINTS.get(one["type"], one["msg"]),
            }
            for one in error.errors(include_url=False)[:20]
        ]
        raise ApiProblem(
            400,
            "BUNDLE_INVALID",
            f"{errors[0]['field']}: {errors[0]['message']}.",
            errors=errors,
        ) from error
