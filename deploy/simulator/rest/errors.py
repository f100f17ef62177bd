"""Upbit's error answers."""

from __future__ import annotations

from typing import Final

TOO_MANY: Final = "요청 수 제한을 초과했습니다. 다음 초에 다시 시도해주세요."
NOT_FOUND: Final = "주문을 찾지 못했습니다."


class UpbitProblem(Exception):
    """A refusal; ``name`` is a word on exchange calls and the status on quotation."""

    def __init__(self, *, status: int, name: str | int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message

    def body(self) -> dict[str, dict[str, str | int]]:
        """Return the JSON answer."""
        return {"error": {"name": self.name, "message": self.message}}


def bad(name: str, message: str, /) -> UpbitProblem:
    """Return the refusal of an exchange call that asks something it cannot have."""
    return UpbitProblem(status=400, name=name, message=message)


def over_limit(*, blocked_seconds: int | None, exchange: bool) -> UpbitProblem:
    """Return 429 for this second's calls used up, or 418 and for how long."""
    if blocked_seconds is None:
        status, word, text = 429, "too_many_requests", TOO_MANY
    else:
        status, word = 418, "blocked"
        text = (
            "요청 수 제한을 반복해서 초과하여 차단되었습니다."
            f" {blocked_seconds}초 후 다시 시도해주세요."
        )
    return UpbitProblem(status=status, name=word if exchange else status, message=text)


def missing_parameter() -> UpbitProblem:
    """Return quotation's answer to a call without a needed parameter."""
    text = "Missing request parameter error. Check the required parameters!"
    return UpbitProblem(status=400, name=400, message=text)


def wrong_type() -> UpbitProblem:
    """Return quotation's answer to a value of the wrong kind."""
    text = "Type mismatch error. Check the parameters type!"
    return UpbitProblem(status=400, name=400, message=text)


def wrong_value() -> UpbitProblem:
    """Return quotation's answer to a value it does not know."""
    text = "Invalid parameter. Check the given value!"
    return UpbitProblem(status=400, name=400, message=text)


def unknown_code() -> UpbitProblem:
    """Return quotation's answer to an unknown market."""
    return UpbitProblem(status=404, name=404, message="Code not found")
