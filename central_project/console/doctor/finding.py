"""What one look found: a colour, a sentence, and what to do, each in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Colour(StrEnum):
    """How good it is."""

    GREEN = "green"
    YELLOW = "yellow"
    """It works, but somebody should look."""
    RED = "red"
    """It does not work."""
    GREY = "grey"
    """Cannot be told, because something it needs is red."""


class Text(NamedTuple):
    """The same in both languages."""

    korean: str
    english: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part of the server."""

    part: str
    """Its name for programs."""
    name: Text
    colour: Colour
    found: Text
    to_do: Text | None = None


@dataclass(frozen=True)
class Part:
    """Makes the findings of one part."""

    part: str
    name: Text

    def green(self, korean: str, english: str) -> Finding:
        """All is well."""
        return self._finding(Colour.GREEN, (korean, english), None)

    def yellow(self, found: tuple[str, str], to_do: tuple[str, str]) -> Finding:
        """It works, but somebody should look."""
        return self._finding(Colour.YELLOW, found, to_do)

    def red(self, found: tuple[str, str], to_do: tuple[str, str]) -> Finding:
        """It does not work."""
        return self._finding(Colour.RED, found, to_do)

    def grey(self, korean: str, english: str) -> Finding:
        """It cannot be told."""
        return self._finding(Colour.GREY, (korean, english), None)

    def _finding(
        self, colour: Colour, found: tuple[str, str], to_do: tuple[str, str] | None
    ) -> Finding:
        return Finding(
            part=self.part,
            name=self.name,
            colour=colour,
            found=Text(*found),
            to_do=None if to_do is None else Text(*to_do),
        )
