"""Why something cannot be done with a bot."""

from __future__ import annotations


class BotProblem(Exception):
    """Why something cannot be done; the message names the remedy, in Korean."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
