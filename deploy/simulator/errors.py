"""Upbit's error answer."""

from __future__ import annotations


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
