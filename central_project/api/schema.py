"""What OpenAPI says about each endpoint: parameters, answers, examples, the key scheme."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.contrib import pydantic as _pydantic  # noqa: F401  (registers itself)
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from pydantic import BaseModel, Field

from central_project.api.requests import BundleRequest
from common import wire


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457 problem: branch on ``code``, show ``detail``, report ``request_id``."""

    type: str = "about:blank"
    title: str = Field(examples=["Too Many Requests"])
    status: int = Field(examples=[429])
    code: str = Field(examples=["RATE_LIMITED"])
    detail: str = Field(examples=["Too many requests. Try again in 12 seconds."])
    request_id: str
    errors: list[FieldProblem] = []


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Shows the key as a Bearer token, so that "Authorize" works in the docs."""

    target_class = "central_project.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of the central server: dk_live_...",
        }


def _problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    texts = {
        400: "A parameter or the body is wrong; `errors` names each field.",
        401: "The key is missing, wrong, expired or revoked.",
        404: "UNKNOWN_SYMBOL or NOT_ANALYSED.",
        413: "The body is larger than 64 KiB.",
        429: "Over the limit; wait for Retry-After seconds.",
        503: "Nothing published yet or database away; wait for Retry-After seconds.",
    }
    return {
        (status, "application/problem+json"): OpenApiResponse(
            ProblemBody, description=texts[status]
        )
        for status in sorted({401, 429, 503, *statuses})
    }


_CONDITIONAL: Final = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the last answer: 304 without a body if nothing changed.",
)
_UNCHANGED: Final = {304: OpenApiResponse(description="Not changed since that ETag.")}
_ENVELOPE: Final = {
    "schema_version": 1,
    "run_id": "20261123T090000Z-1",
    "data_as_of": "2026-11-23T09:00:04Z",
    "generated_at": "2026-11-23T09:00:31Z",
    "valid_until": "2026-11-23T09:15:04Z",
    "next_run_at": "2026-11-23T09:05:27Z",
    "stale": False,
}

RECOMMENDATIONS: Final[dict[str, Any]] = {
    "operation_id": "recommendations",
    "parameters": [
        OpenApiParameter(
            "limit",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": wire.MAX_RECOMMENDATIONS,
                "default": wire.MAX_RECOMMENDATIONS,
            },
            description="How many coins at most; fewer come when fewer pass the gates.",
        ),
        _CONDITIONAL,
    ],
    "responses": {200: wire.RecommendationsAnswer} | _UNCHANGED | _problems(400),
}
SUPPORT_LEVELS: Final[dict[str, Any]] = {
    "operation_id": "support_levels",
    "parameters": [
        OpenApiParameter(
            "symbol",
            {"type": "string", "pattern": wire.SYMBOL_PATTERN},
            OpenApiParameter.PATH,
            description="KRW market, e.g. KRW-BTC.",
        ),
        _CONDITIONAL,
    ],
    "responses": {200: wire.SupportLevelsAnswer} | _UNCHANGED | _problems(400, 404),
}
MARKET_STATUS: Final[dict[str, Any]] = {
    "operation_id": "market_status",
    "parameters": [_CONDITIONAL],
    "responses": {200: wire.MarketStatusAnswer} | _UNCHANGED | _problems(),
}
BUNDLE: Final[dict[str, Any]] = {
    "operation_id": "bundle",
    "request": BundleRequest,
    "responses": {200: wire.BundleAnswer} | _problems(400, 413),
    "examples": [
        OpenApiExample(
            "Everything a user server needs",
            value={
                "recommendations": {"limit": 10},
                "support_levels": ["KRW-BTC", "KRW-ETH"],
                "market_status": True,
                "known_run_id": "20261123T085500Z-1",
            },
            request_only=True,
        ),
        OpenApiExample(
            "The run is the known one",
            value=_ENVELOPE | {"unchanged": True},
            response_only=True,
            status_codes=["200"],
        ),
    ],
}
