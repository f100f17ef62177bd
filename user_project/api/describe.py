"""What every operation may answer besides its own: the description says it once for all."""

from __future__ import annotations

from typing import Any, Final

MEANING: Final = {
    "400": "요청이 잘못됨. Something asked is wrong; ``errors`` names each field.",
    "401": "로그인하지 않음. No token or session, or a wrong one.",
    "403": "허락되지 않음. A session's form lacks its CSRF token.",
    "404": "없음. Nothing of yours has this id.",
    "406": "이 형식으로는 답하지 않음. Not available in the type that Accept demands.",
    "409": "지금은 할 수 없음. The state does not allow it, or the Idempotency-Key is used.",
    "415": "읽을 수 없는 형식. The body's type is not understood.",
    "429": "너무 잦음. Too often; wait for Retry-After seconds.",
    "503": "잠시 답할 수 없음. Database, exchange or central is away; wait Retry-After.",
}
TEXT: Final = {"type": "string"}
FIELD_ERROR: Final = {
    "type": "object",
    "properties": {
        "field": {"type": ["string", "null"]},
        "code": TEXT,
        "message": TEXT,
    },
    "required": ["field", "code", "message"],
}
PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457 problem: branch on ``code``, show ``detail``.",
    "properties": {
        "type": TEXT,
        "status": {"type": "integer"},
        "code": TEXT,
        "detail": {**TEXT, "description": "무엇이 잘못이고 어떻게 할지. The remedy."},
        "field": {"type": ["string", "null"]},
        "errors": {"type": "array", "items": FIELD_ERROR},
        "request_id": {**TEXT, "description": "Also in X-Request-ID and in the log."},
    },
    "required": [
        *("type", "status", "code", "detail", "field", "errors", "request_id"),
    ],
}
METHODS: Final = ("get", "post", "put", "patch", "delete")


def add_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add the failures of each operation, all of one shape, and say whether it needs a body."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method in operations.keys() & set(METHODS):
            operation = operations[method]
            for status in _statuses(path, method):
                operation["responses"].setdefault(status, _answer(status))
            if "requestBody" in operation:
                body = operation["requestBody"]
                body["required"] = _has_required(body, result["components"]["schemas"])
    return result


def _has_required(body: dict[str, Any], schemas: dict[str, Any], /) -> bool:
    """A body whose every field may be left out may be left out itself."""
    kind = next(iter(body["content"].values()))
    schema = schemas[kind["schema"]["$ref"].rpartition("/")[2]]
    return bool(schema.get("required"))


def _statuses(path: str, method: str, /) -> list[str]:
    statuses = ["400", "401", "406", "429", "503"]
    if "{" in path or method != "get":
        statuses.append("404")
    if method != "get":
        statuses += ["403", "409", "415"]
    return sorted(statuses)


def _answer(status: str, /) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": MEANING[status],
        "content": {"application/problem+json": {"schema": schema}},
    }
