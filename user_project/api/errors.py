"""Every failure of the API as one shape: problem+json (RFC 9457) with a code."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from user_project.accounts.services import AccountProblem
from user_project.bots.problems import BotProblem

log = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
STATUS_BY_CODE: Final = {
    "NOT_FOUND": 404,
    "INVALID_STATE": 409,
    "NAME_TAKEN": 409,
    "CENTRAL_UNAVAILABLE": 503,
    "EXCHANGE_UNREACHABLE": 503,
    "STALE_PRICE": 503,
}
"""What is not the caller's wrong input; every other code answers 400."""
RETRY_SECONDS: Final = 5
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One wrong field; the message names the remedy."""

    field: str | None
    code: str
    message: str


def problem_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an anticipated exception into its problem answer; None for a bug."""
    request = context.get("request")
    if isinstance(exc, (BotProblem, AccountProblem)):
        status = STATUS_BY_CODE.get(exc.code, 400)
        error = FieldError(field=exc.field, code=exc.code, message=exc.message)
        return _answer(request, status=status, code=exc.code, errors=[error])
    if isinstance(exc, OperationalError):
        message = _("데이터베이스에 연결할 수 없습니다. 잠시 뒤 다시 시도하세요.")
        error = FieldError(field=None, code="DATABASE_UNAVAILABLE", message=message)
        return _answer(request, status=503, code=error.code, errors=[error])
    if isinstance(exc, NotAuthenticated):
        exc.detail = ErrorDetail(
            _(
                "로그인이 필요합니다. `Authorization: Token <토큰>` 헤더를 보내세요."
                " 토큰은 POST /api/v1/token으로 받습니다."
            ),
            code=exc.default_code,
        )
    response = exception_handler(exc, context)
    if response is None:
        return None
    errors = list(_flatten(response.data, field=None))
    code = errors[0].code if _is_general(response.data) else "INVALID_INPUT"
    answer = _answer(request, status=response.status_code, code=code, errors=errors)
    for name, value in response.headers.items():  # Retry-After, WWW-Authenticate
        if name not in answer.headers:
            answer[name] = value
    return answer


def no_such_address(request: HttpRequest) -> JsonResponse:
    """Answer for an address under /api/ that leads nowhere, in the same shape."""
    message = _("그런 주소는 없습니다. /api/docs에서 확인하세요.")
    error = FieldError(field=None, code="NOT_FOUND", message=message)
    request_id = request_id_of(request)
    body = _body(status=404, code="NOT_FOUND", errors=[error], request_id=request_id)
    headers = {"X-Request-ID": request_id}
    return JsonResponse(body, status=404, headers=headers, content_type=PROBLEM_JSON)


def _is_general(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("detail"), ErrorDetail)


def _flatten(data: Any, *, field: str | None) -> Iterator[FieldError]:
    if isinstance(data, dict):
        for name, value in data.items():
            general = name in ("detail", "non_field_errors")
            path = field if general else f"{field}.{name}" if field else str(name)
            yield from _flatten(value, field=path)
    elif isinstance(data, list):
        for value in data:
            yield from _flatten(value, field=field)
    else:
        code = getattr(data, "code", "invalid")
        yield FieldError(field=field, code=code.upper(), message=str(data))


def request_id_of(request: Any) -> str:
    """Return the caller's X-Request-ID if it is harmless, else a new one."""
    given = request.headers.get("X-Request-ID", "") if request is not None else ""
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _answer(
    request: Request | None, *, status: int, code: str, errors: list[FieldError]
) -> Response:
    request_id = request_id_of(request)
    log.info("api.problem status=%s code=%s request_id=%s", status, code, request_id)
    body = _body(status=status, code=code, errors=errors, request_id=request_id)
    response = Response(body, status=status, headers={"X-Request-ID": request_id})
    if status == 503:
        response["Retry-After"] = str(RETRY_SECONDS)
    renderer = getattr(request, "accepted_renderer", None)
    if renderer is None or renderer.format == "json":
        response.content_type = PROBLEM_JSON
    return response


def _body(
    *, status: int, code: str, errors: list[FieldError], request_id: str
) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "status": status,
        "code": code,
        "detail": errors[0].message,
        "field": errors[0].field,
        "errors": [
            {"field": item.field, "code": item.code, "message": item.message}
            for item in errors
        ],
        "request_id": request_id,
    }
