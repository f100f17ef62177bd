"""What OpenAPI says about each endpoint: parameters, answers, examples, the key scheme."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.contrib import pydantic as _pydantic  # noqa: F401  (registers itself)
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from pydantic import BaseModel, ConfigDict, Field

from central_project.api import examples
from central_project.api.errors import MEDIA_TYPE
from central_project.api.report_answer import ReportCardAnswer
from central_project.api.requests import BundleRequest
from common import wire


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    field: str
    """필드 이름. Name of the parameter or field, dotted inside the body."""
    message: str
    """고치는 방법. What it must be."""


class ProblemBody(BaseModel):
    """RFC 9457 problem: branch on ``code``, show ``detail``, report ``request_id``."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    type: str = "about:blank"
    """항상 about:blank. Always about:blank; ``code`` tells the kind."""
    title: str
    """HTTP 상태의 이름. Name of the HTTP status."""
    status: int = Field(ge=400, le=599)
    """HTTP 상태 코드. The HTTP status."""
    code: str = Field(json_schema_extra={"examples": [*examples.PROBLEMS]})
    """바뀌지 않는 오류 코드. Stable code of the error; new ones may come."""
    detail: str
    """설명과 해결 방법. What happened and what to do."""
    request_id: str
    """로그에서 찾는 번호. Tell it to the operator, who finds the request by it."""
    errors: list[FieldProblem] = []
    """잘못된 필드들. The fields that are wrong."""


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Shows the key as a Bearer token, so that "Authorize" works in the docs."""

    target_class = "central_project.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "본사 운영자가 발급한 API 키 (dk_live_...)."
            " An API key issued by the central server's operator.",
        }


def demand_bodies(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Say that a body must be sent, also where each of its fields may be left out."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return result


_ALWAYS: Final = (
    "PARAMETER_UNKNOWN",
    "API_KEY_MISSING",
    "API_KEY_IN_ADDRESS",
    "API_KEY_INVALID",
    "API_KEY_EXPIRED",
    "API_KEY_REVOKED",
    "NOT_ACCEPTABLE",
    "RATE_LIMITED",
    "NOT_PUBLISHED",
    "DATABASE_UNAVAILABLE",
)
_MEANING: Final = {
    400: "요청이 잘못됨. Something asked is wrong; ``errors`` names each field.",
    401: "키가 없거나 틀리거나 끝남. The key is missing, wrong, expired or revoked.",
    404: "없음. There is no such symbol or run; ``code`` tells which.",
    406: "이 형식으로는 답하지 않음. Not available in the type that Accept demands.",
    413: "본문이 64 KiB보다 큼. The body is larger than 64 KiB.",
    415: "JSON이 아님. The body is not JSON.",
    429: "한도 초과. Over the limit; wait for Retry-After seconds.",
    503: "잠시 답할 수 없음. Nothing to answer yet; wait for Retry-After seconds.",
}


def _problems(*codes: str) -> dict[Any, OpenApiResponse]:
    """Return the refusals *codes* and those of every endpoint, by status."""
    by_status: dict[int, list[OpenApiExample]] = {}
    for code in (*codes, *_ALWAYS):
        status, detail = examples.PROBLEMS[code]
        body = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            "request_id": "5f0c1d6c0b7e4f3c9d1a2b3c4d5e6f70",
        }
        by_status.setdefault(status, []).append(OpenApiExample(code, value=body))
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            ProblemBody, description=_MEANING[status], examples=by_status[status]
        )
        for status in sorted(by_status)
    }


def _answer(model: type[BaseModel], value: Any, /, *more: OpenApiExample) -> Any:
    one = OpenApiExample("An answer", value=value)
    return OpenApiResponse(
        model, description="분석 결과. The answer.", examples=[one, *more]
    )


def _header(
    name: str, text: str, example: str, *, on: list[int | str] | bool
) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        {"type": "string", "examples": [example]},
        OpenApiParameter.HEADER,
        description=text,
        response=on,
    )


_LIMITED: Final[list[int | str]] = [200, 304, 400, 404, 413, 415, 429, 503]
_HEADERS: Final = [
    _header(
        "X-Request-ID",
        "로그에서 찾는 번호; 보내면 그대로 씁니다. Id of the request; yours is kept.",
        "5f0c1d6c0b7e4f3c9d1a2b3c4d5e6f70",
        on=True,
    ),
    _header(
        "RateLimit-Policy",
        "한도: q번을 w초에. The limit: q requests in w seconds.",
        '"default";q=100;w=60',
        on=_LIMITED,
    ),
    _header(
        "RateLimit",
        "남은 횟수 r, 다시 차기까지 t초. r requests left, refilled in t seconds.",
        '"default";r=57;t=34',
        on=_LIMITED,
    ),
    _header(
        "Retry-After",
        "다시 요청하기까지 기다릴 초. Seconds to wait before asking again.",
        "12",
        on=[429, 503],
    ),
    _header(
        "WWW-Authenticate",
        "필요한 인증 방식. The scheme to use.",
        'Bearer realm="central"',
        on=[401],
    ),
]
_CACHED: Final = [
    OpenApiParameter(
        "If-None-Match",
        str,
        OpenApiParameter.HEADER,
        description="지난 응답의 ETag; 바뀌지 않았으면 본문 없이 304. The ETag of the last"
        " answer: 304 without a body if nothing changed.",
    ),
    _header(
        "ETag",
        "이 본문의 이름. Name of exactly these bytes.",
        '"0b7e4f3c9d1a2b3c4d5e6f705f0c1d6c"',
        on=[200, 304],
    ),
    _header(
        "Cache-Control",
        "다음 발표까지 보관해도 됨. How long the answer may be kept.",
        "private, max-age=60",
        on=[200, 304],
    ),
]
_AS_OF: Final = OpenApiParameter(
    "as_of",
    {
        "type": "string",
        "anyOf": [
            {"format": "date-time", "maxLength": 32},
            {"pattern": r"^[0-9]{8}T[0-9]{6}Z-[0-9]{1,9}$"},
        ],
    },
    description="지난 분석: run_id 또는 시각 (시간대 필수). 지난 분석은 항상 stale입니다."
    " A stored past run: its run_id (20261123T090000Z-1), or a time with its offset"
    " (2026-11-23T18:00:00+09:00) for the run that readers got then. Answers about the"
    " past are always stale.",
)
_SYMBOL: Final = OpenApiParameter(
    "symbol",
    {"type": "string", "pattern": wire.SYMBOL_PATTERN, "examples": ["KRW-BTC"]},
    OpenApiParameter.PATH,
    description="마켓 코드 (대문자). KRW market in upper case, e.g. KRW-BTC.",
)
_UNCHANGED: Final = {
    304: OpenApiResponse(description="그대로임. Not changed since that ETag.")
}


def _limit(most: int, text: str, /) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": most}
    return OpenApiParameter("limit", schema, description=text)


RECOMMENDATIONS: Final[dict[str, Any]] = {
    "operation_id": "recommendations",
    "summary": "추천 코인 · Recommended coins",
    "description": "점수가 높은 코인부터 최대 50개. 조건을 통과한 코인이 적으면 적게"
    " 옵니다.\n\nThe best coins, best first, at most 50. Fewer come when fewer pass the"
    " gates; the list is never padded.",
    "parameters": [
        _limit(
            wire.MAX_RECOMMENDATIONS,
            "최대 개수. How many coins at most; fewer come when fewer pass the gates.",
        ),
        _AS_OF,
        *_CACHED,
        *_HEADERS,
    ],
    "responses": {
        200: _answer(wire.RecommendationsAnswer, examples.RECOMMENDATIONS),
        **_UNCHANGED,
        **_problems("LIMIT_OUT_OF_RANGE", "AS_OF_INVALID", "RUN_NOT_KEPT"),
    },
}
SUPPORT_LEVELS: Final[dict[str, Any]] = {
    "operation_id": "support_levels",
    "summary": "지지선 · Support levels",
    "description": "코인 하나의 7일, 30일, 90일 지지선. 값을 낼 수 없으면 null과 이유가"
    " 옵니다.\n\nThe three levels of one coin: 7, 30 and 90 days. A level that cannot be"
    " given is null with a reason; the others keep their order below the price.",
    "parameters": [_SYMBOL, _AS_OF, *_CACHED, *_HEADERS],
    "responses": {
        200: _answer(wire.SupportLevelsAnswer, examples.SUPPORT_LEVELS),
        **_UNCHANGED,
        **_problems(
            "SYMBOL_MALFORMED",
            "AS_OF_INVALID",
            "UNKNOWN_SYMBOL",
            "NOT_ANALYSED",
            "RUN_NOT_KEPT",
        ),
    },
}
MARKET_STATUS: Final[dict[str, Any]] = {
    "operation_id": "market_status",
    "summary": "시장 상태 · Market status",
    "description": "시장 전체의 국면과 본사의 상태.\n\nThe mood of the whole market, and"
    " the state of this server and of the exchange.",
    "parameters": [_AS_OF, *_CACHED, *_HEADERS],
    "responses": {
        200: _answer(wire.MarketStatusAnswer, examples.MARKET_STATUS),
        **_UNCHANGED,
        **_problems("AS_OF_INVALID", "RUN_NOT_KEPT"),
    },
}
CANDLES: Final[dict[str, Any]] = {
    "operation_id": "candles",
    "summary": "분석에 쓴 캔들 · The candles behind an analysis",
    "description": "분석이 사용한 90일의 시간봉과 진행 중인 한 시간, 오래된 것부터."
    "\n\nThe 90 days of hourly candles that the coin's analysis used and the unfinished"
    " hour, oldest first, so that every level and score can be recomputed.",
    "parameters": [
        _SYMBOL,
        _limit(wire.MAX_CANDLES, "가장 새로운 몇 개. Only the newest so many hours."),
        _AS_OF,
        *_CACHED,
        *_HEADERS,
    ],
    "responses": {
        200: _answer(wire.CandlesAnswer, examples.CANDLES),
        **_UNCHANGED,
        **_problems(
            "SYMBOL_MALFORMED",
            "LIMIT_OUT_OF_RANGE",
            "AS_OF_INVALID",
            "UNKNOWN_SYMBOL",
            "NOT_ANALYSED",
            "RUN_NOT_KEPT",
        ),
    },
}
REPORT_CARD: Final[dict[str, Any]] = {
    "operation_id": "report_card",
    "summary": "성적표 · Report card",
    "description": "추천과 지지선이 그 뒤 얼마나 맞았는지. 두 부분을 섞지 않습니다:"
    " ``served``는 실제로 제공한 분석, ``walk_forward``는 지금의 계산식을 과거에 적용한"
    " 결과입니다. 증거가 없으면 없다고 말합니다.\n\nHow recommendations and levels did in"
    " the market that followed: ``served`` judges stored runs, ``walk_forward`` today's"
    " formulas on past candles. Where there is no evidence of an edge it says so. A section"
    " that is not there yet is null with a reason.",
    "parameters": [*_CACHED, *_HEADERS],
    "responses": {
        200: _answer(ReportCardAnswer, examples.REPORT_CARD),
        **_UNCHANGED,
        **_problems(),
    },
}
BUNDLE: Final[dict[str, Any]] = {
    "operation_id": "bundle",
    "summary": "묶음 · Bundle",
    "description": "여러 정보를 한 번에, 모두 같은 분석에서. 한 번의 요청으로 세고,"
    " 되풀이해도 안전합니다. 항상 지금의 분석입니다.\n\nSeveral parts at once, all from"
    " one run, under the same keys as alone. It counts as one request and is safe to"
    " repeat. A part that cannot be answered is in ``errors`` and costs the others"
    " nothing. With ``known_run_id`` an unchanged run is answered in one line. Always the"
    " current run: for the past ask the single endpoints.",
    "parameters": _HEADERS,
    "request": BundleRequest,
    "responses": {
        200: _answer(
            wire.BundleAnswer,
            examples.BUNDLE,
            OpenApiExample("The run is the known one", value=examples.BUNDLE_UNCHANGED),
        ),
        **_problems(
            "BUNDLE_INVALID", "JSON_MALFORMED", "BODY_TOO_LARGE", "JSON_EXPECTED"
        ),
    },
    "examples": [
        OpenApiExample(
            "Everything a user server needs",
            value=examples.BUNDLE_REQUEST,
            request_only=True,
        ),
    ],
}
