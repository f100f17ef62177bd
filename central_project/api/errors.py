"""Every error is one shape: application/problem+json with a stable code."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from central_project.api.middleware import request_id_of

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
DATABASE_WAIT: Final = 5


class ApiProblem(Exception):
    """An expected refusal: status, code, a sentence with the remedy, headers."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Describe the refusal; *errors* name single fields."""
        super().__init__(detail)
        self.problem = Problem(status, code, detail, errors or [])
        if retry_after is not None:
            self.problem.headers["Retry-After"] = str(retry_after)


@dataclass(frozen=True)
class Problem:
    """What the caller reads."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, *, request_id: str) -> dict[str, Any]:
        """Return the JSON object (RFC 9457 plus code, errors and request_id)."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        }
        return body | ({"errors": self.errors} if self.errors else {})


INTERNAL: Final = Problem(
    500, "INTERNAL", "Something went wrong here. Tell the operator the request_id."
)
MALFORMED: Final = Problem(
    400,
    "REQUEST_MALFORMED",
    "The request cannot be read as HTTP for this host; check the address and the"
    " headers.",
)
NO_ENDPOINT: Final = Problem(
    404,
    "NOT_FOUND",
    "There is no such endpoint; /api/docs lists all of them. Addresses have no slash at"
    " the end.",
)


def problem_response(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Turn any exception of a view into a problem (the framework's exception handler)."""
    request = context["request"]
    problem = _problem(error)
    if problem is None:
        log.error("request %s failed", request_id_of(request), exc_info=error)
        problem = INTERNAL
    set_rollback()
    renderer = getattr(request, "accepted_renderer", None)
    if renderer is not None and renderer.format == "api":  # the page for people
        body = problem.body(request_id=request_id_of(request))
        return Response(body, status=problem.status, headers=problem.headers)
    return _sent(request, problem)


def outside_views(
    page: Callable[..., HttpResponseBase], problem: Problem, /
) -> Callable[..., HttpResponseBase]:
    """Return a Django error handler: *problem* below /api/, else Django's own *page*."""

    def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.path_info.startswith("/api/"):
            return _sent(request, problem)
        return page(request, *args, **kwargs)

    return handler


def _sent(request: Any, problem: Problem, /) -> HttpResponse:
    return HttpResponse(
        json.dumps(problem.body(request_id=request_id_of(request))),
        content_type=MEDIA_TYPE,
        status=problem.status,
        headers=problem.headers,
    )


def _problem(error: Exception, /) -> Problem | None:
    if isinstance(error, ApiProblem):
        return error.problem
    if isinstance(error, (OperationalError, InterfaceError)):
        return Problem(
            503,
            "DATABASE_UNAVAILABLE",
            "The database is away for a moment. Try again after Retry-After seconds.",
            headers={"Retry-After": str(DATABASE_WAIT)},
        )
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "BODY_TOO_LARGE", "The body is too large; send less.")
    if isinstance(error, (SuspiciousOperation, BadRequest)):
        return MALFORMED
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    return (
        _from_framework(error) if isinstance(error, exceptions.APIException) else None
    )


def _from_framework(error: exceptions.APIException, /) -> Problem:
    code, detail = _WORDS.get(type(error), (None, None))
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, exceptions.Throttled):
        wait = max(1, ceil(getattr(error, "wait", None) or 1))
        headers["Retry-After"] = str(wait)
        detail = f"Too many requests. Try again in {wait} seconds."
    return Problem(
        error.status_code,
        code or str(error.get_codes()).upper(),
        detail or str(error.detail),
        headers=headers,
    )


_WORDS: Final[dict[type[exceptions.APIException], tuple[str, str]]] = {
    exceptions.NotAuthenticated: (
        "API_KEY_MISSING",
        "Send the header `Authorization: Bearer <API key>`; the operator of the central"
        " server issues keys.",
    ),
    exceptions.ParseError: (
        "JSON_MALFORMED",
        "The body is not valid JSON; check commas, quotes and brackets.",
    ),
    exceptions.Throttled: ("RATE_LIMITED", ""),
    exceptions.NotFound: ("NOT_FOUND", "There is nothing at this address."),
    exceptions.PermissionDenied: (
        "FORBIDDEN",
        "A log-in without staff rights opens nothing here; use an API key.",
    ),
    exceptions.UnsupportedMediaType: (
        "JSON_EXPECTED",
        "Send JSON with the header `Content-Type: application/json`.",
    ),
    exceptions.MethodNotAllowed: (
        "METHOD_NOT_ALLOWED",
        "This address does not know that method; the Allow header lists those it knows.",
    ),
    exceptions.NotAcceptable: (
        "NOT_ACCEPTABLE",
        "Answers are application/json (or text/html in a browser); correct Accept.",
    ),
}
"""Code and remedy for each refusal of the framework, in the language of integrators."""

# Django calls these for what goes wrong outside of any view; urls.py names them.
bad_request = outside_views(defaults.bad_request, MALFORMED)
permission_denied = outside_views(
    defaults.permission_denied,
    Problem(403, "FORBIDDEN", "This is not allowed; use an API key."),
)
page_not_found = outside_views(defaults.page_not_found, NO_ENDPOINT)
server_error = outside_views(defaults.server_error, INTERNAL)
